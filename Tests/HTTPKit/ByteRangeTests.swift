// SPDX-License-Identifier: Apache-2.0

import HTTPKit
import Testing

@Suite("Byte ranges") struct ByteRangeTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let header: String
        let total: Int
        let outcome: RangeOutcome
        var testDescription: String { "\(header) of \(total)" }

        init(_ header: String, of total: Int, _ outcome: RangeOutcome) {
            (self.header, self.total, self.outcome) = (header, total, outcome)
        }
    }

    @Test(
        "are read as RFC 9110 has them",
        arguments: [
            Case("bytes=0-0", of: 10, .partial(0..<1)),
            Case("bytes=0-9", of: 10, .partial(0..<10)),
            Case("bytes=3-", of: 10, .partial(3..<10)),
            Case("bytes=3-100", of: 10, .partial(3..<10)),
            Case("bytes=-4", of: 10, .partial(6..<10)),
            Case("bytes=-40", of: 10, .partial(0..<10)),
            Case("Bytes=2-3", of: 10, .partial(2..<4)),
            Case("bytes= 2 - 3", of: 10, .partial(2..<4)),
            Case("bytes=10-", of: 10, .unsatisfiable),
            Case("bytes=10-12", of: 10, .unsatisfiable),
            Case("bytes=-0", of: 10, .unsatisfiable),
            Case("bytes=0-", of: 0, .unsatisfiable),
            Case("bytes=-1", of: 0, .unsatisfiable),
            Case("bytes=99999999999999999999-", of: 10, .unsatisfiable),
            Case("bytes=1-99999999999999999999", of: 10, .partial(1..<10)),
            Case("bytes=4-2", of: 10, .whole),
            Case("bytes=0-1,3-4", of: 10, .whole),
            Case("bytes=-", of: 10, .whole),
            Case("bytes=", of: 10, .whole),
            Case("bytes=a-b", of: 10, .whole),
            Case("bytes=+1-2", of: 10, .whole),
            Case("lines=1-2", of: 10, .whole),
            Case("", of: 10, .whole),
        ]
    )
    func parsing(_ example: Case) {
        #expect(byteRange(parsing: example.header, total: example.total) == example.outcome)
    }
}
