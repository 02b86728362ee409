// SPDX-License-Identifier: Apache-2.0

import Content
import TUI
import Telemetry
import Testing

@testable import Herd

@Suite("Blobs told without a picture") struct BlobReportTests {
    @Test("each blob that moves has a line, the fastest first")
    func lines() throws {
        var picture = ClusterPicture()
        picture.totals.agentShare = 0.91
        for number in 0..<3 {
            let name = "agent-\(number)"
            picture.components.append(ComponentRow(id: name, shortName: name, kind: .agent))
        }
        let rates: [Double] = [1_048_576, 0, 421 * 1_048_576]
        for (index, rate) in rates.enumerated() {
            var row = BlobRow(digest: Digest(hashing: [UInt8(index)]))
            (row.rate, row.done, row.leecherCount, row.copies) = (rate, 0.544, 2, 10.984)
            picture.blobs.append(row)
        }
        let records = BlobReport.records(picture)
        let hex = picture.blobs[2].digest.hex.prefix(8)
        #expect(
            records.map(\.message) == [
                "blob \(hex) 54% 2/3 ↓421 MiB/s p2p 91% copies 10.98",
                "blob \(picture.blobs[0].digest.hex.prefix(8)) 54% 2/3 ↓1.00 MiB/s p2p 91% copies 10.98",
            ]
        )
        let object = try JSON(parsing: records[0].json)
        #expect(object["data"]?["download_bytes_per_second"]?.integer == 421 << 20)
        #expect(object["data"]?["done_percent"]?.integer == 54)
    }
}
