// SPDX-License-Identifier: Apache-2.0

import Content
import Synchronization
import Testing

@testable import Herd

@Suite("Progress of transfers") struct TransferProgressTests {
    private final class Screen: Sendable {
        private let text = Mutex("")
        func write(_ more: String) { text.withLock { $0 += more } }
        var all: String { text.withLock { $0 } }
    }

    /// Descriptors of two blobs, of 1000 and 3000 bytes.
    private func blobs() throws -> (Descriptor, Descriptor) {
        func row(_ name: String, _ bytes: Int) -> String {
            #"{"mediaType":"x","digest":"\#(Digest(hashing: Array(name.utf8)))","size":\#(bytes)}"#
        }
        let text =
            #"{"schemaVersion":2,"config":\#(row("1", 1000)),"layers":[\#(row("2", 3000))]}"#
        let references = try ManifestDocument(parsing: Array(text.utf8)).references
        return (references[0], references[1])
    }

    @Test("a terminal has a bar for each blob on its way and one for all, redrawn in place")
    func bars() throws {
        let screen = Screen()
        let progress = TransferProgress("pull", isTerminal: true, format: .text) {
            screen.write($0)
        }
        let (one, two) = try blobs()
        progress.begin([one, two])
        let first = TransferAttempt(progress, one)
        progress.start(two)
        first.add(500)
        let half = screen.all
        #expect(half.split(separator: "\n").count == 3)
        #expect(half.contains("\(one.digest.description.prefix(19)) [========        ]"))
        #expect(half.contains("pull") && half.contains("0 of 2 blobs"))
        first.add(500)
        progress.finish(one, wasThere: false)
        // The picture of three lines is replaced by a line that stays and a picture of two.
        let rest = screen.all.dropFirst(half.count)
        #expect(rest.hasPrefix("\u{1B}[3A\r\u{1B}[J"))
        #expect(rest.contains("pulled \(one.digest.description.prefix(19))"))
        #expect(rest.contains("1 of 2 blobs"))
        progress.end()
        #expect(screen.all.hasSuffix("1 of 2 blobs\n"))
    }

    @Test("elsewhere there is a line for each blob, and the rows tell tries and what was there")
    func lines() throws {
        let screen = Screen()
        let progress = TransferProgress("copy", isTerminal: false, format: .text) {
            screen.write($0)
        }
        let (one, two) = try blobs()
        progress.begin([one, two])
        let failed = TransferAttempt(progress, one)
        failed.add(700)
        failed.takeBack()
        TransferAttempt(progress, one).add(1000)
        progress.finish(one, wasThere: false)
        progress.finish(two, wasThere: true)
        let lines = screen.all.split(separator: "\n")
        #expect(lines.count == 2)
        #expect(lines[0].hasPrefix("copied sha256:") && lines[0].hasSuffix("(1 of 2)"))
        #expect(lines[1].hasPrefix("already there") && lines[1].hasSuffix("(2 of 2)"))
        #expect(progress.rows.map(\.attemptCount) == [2, 0])
        #expect(progress.rows.map(\.wasThere) == [false, true])
    }
}
