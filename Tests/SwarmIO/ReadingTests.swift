// SPDX-License-Identifier: Apache-2.0

import Content
import Files
import Primitives
import SwarmCore
import SwarmIO
import Synchronization
import Telemetry
import Testing

@Suite("Reading", .timeLimit(.minutes(1))) struct ReadingTests {
    private static let pieceBytes = 64 << 10

    /// All of `range` as a reader gets it.
    private func collect(_ download: SwarmDownload, _ range: Range<Int>) async throws -> [UInt8] {
        var collected: [UInt8] = []
        try await download.read(range) { file, part in
            #expect(part.lowerBound == range.lowerBound + collected.count)
            collected += try bytes(of: file, part)
        }
        return collected
    }

    @Test("gives the bytes of any range while they come and when they are there")
    func ranges() async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(30 * Self.pieceBytes + 11, seed: 20)
            let (_, metaInfo) = try await fixture.origin(blob, pieceBytes: Self.pieceBytes)
            let agent = try await fixture.node(.agent)
            let download = try await agent.driver.download(metaInfo, namespace: testNamespace)
            let ranges = [
                0..<blob.count, 0..<0, blob.count..<blob.count, blob.count - 1..<blob.count,
                5..<Self.pieceBytes + 3, 17 * Self.pieceBytes..<29 * Self.pieceBytes,
            ]
            for _ in 0..<2 {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for range in ranges {
                        group.addTask {
                            let served = try await collect(download, range)
                            #expect(served == Array(blob[range]))
                        }
                    }
                    try await group.waitForAll()
                }
                try await download.waitUntilComplete()
            }
            await #expect(throws: SwarmError.self) {
                try await download.read(0..<blob.count + 1) { _, _ in }
            }
        }
    }

    @Test(
        "begins before the download ends, and without proofs ends only after the whole was checked",
        arguments: [true, false]
    )
    func streaming(hasProofs: Bool) async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(32 * Self.pieceBytes, seed: 21)
            let (_, metaInfo) = try await fixture.origin(
                blob,
                pieceBytes: Self.pieceBytes,
                egress: ByteRate(bytesPerSecond: 4 << 20)
            )
            let agent = try await fixture.node(.agent)
            let download = try await agent.driver.download(
                hasProofs ? metaInfo : metaInfo.with(states: []),
                namespace: testNamespace
            )
            let completedAtFirstByte = Mutex<Int?>(nil)
            try await download.read(0..<blob.count) { file, part in
                let count = agent.counters.all()["blobs_completed"]
                completedAtFirstByte.withLock { $0 = $0 ?? count }
            }
            #expect(completedAtFirstByte.withLock { $0 } == 0)
            if hasProofs { try await download.waitUntilComplete() }
            #expect(agent.counters.all()["blobs_completed"] == 1)
        }
    }

    @Test("a window makes its pieces come first")
    func windows() async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(200 * Self.pieceBytes, seed: 22)
            let (_, metaInfo) = try await fixture.origin(
                blob,
                pieceBytes: Self.pieceBytes,
                egress: ByteRate(bytesPerSecond: 2 << 20)
            )
            let agent = try await fixture.node(.agent)
            let download = try await agent.driver.download(metaInfo, namespace: testNamespace)
            let range = 150 * Self.pieceBytes..<154 * Self.pieceBytes
            #expect(try await collect(download, range) == Array(blob[range]))
            let received = agent.counters.all()["pieces_received"] ?? 0
            // In any other order the last of the four would be among the last fifth; a busy machine counts late.
            #expect(received < 100)
        }
    }

    @Test("a reader that goes away stops neither the download nor the others")
    func cancelling() async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(32 * Self.pieceBytes, seed: 23)
            let (_, metaInfo) = try await fixture.origin(
                blob,
                pieceBytes: Self.pieceBytes,
                egress: ByteRate(bytesPerSecond: 4 << 20)
            )
            let agent = try await fixture.node(.agent)
            let download = try await agent.driver.download(metaInfo, namespace: testNamespace)
            let impatient = Task { try await download.read(0..<blob.count) { _, _ in } }
            let waiter = Task { try await download.waitUntilComplete() }
            async let patient = collect(download, 0..<blob.count)
            try await download.read(0..<Self.pieceBytes) { _, _ in }
            impatient.cancel()
            waiter.cancel()
            await #expect(throws: CancellationError.self) { try await impatient.value }
            await #expect(throws: CancellationError.self) { try await waiter.value }
            #expect(try await patient == blob)
        }
    }
}
