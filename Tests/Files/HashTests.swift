// SPDX-License-Identifier: Apache-2.0

import Files
import Primitives
import TestSupport
import Testing

import struct Crypto.SHA256

@Suite("File hashes") struct HashTests {
    /// Writes `count` noise bytes to a new file; answers the file and what the library says its digest is.
    private static func noise(
        _ count: Int,
        in folder: String,
        _ generator: inout Generator
    ) throws -> (file: SharedFile, digest: [UInt8]) {
        // The same kibibyte over and over would do for no hash; a counter in it makes every block another.
        var bytes = [UInt8](repeating: 0, count: count)
        let pattern = generator.bytes(251)
        for index in bytes.indices {
            bytes[index] = pattern[index % 251] &+ UInt8(truncatingIfNeeded: index >> 8)
        }
        let name = String(generator.next(), radix: 16)
        let file = try SharedFile.create("\(folder)/\(name)", bytes: 0, preallocate: false)
        try bytes.withUnsafeBytes { try file.write($0, at: 0) }
        return (file, Array(SHA256.hash(data: bytes)))
    }

    private static func hash(
        _ file: SharedFile,
        _ hash: RunningHash,
        upTo end: Int,
        on pool: BlockingPool
    ) async throws -> RunningHash {
        try await withCheckedThrowingContinuation { continuation in
            pool.hash(file, hash, upTo: end) { continuation.resume(with: $0) }
        }
    }

    @Test(
        "agrees with the library for many files at once, of any length, in steps of any length",
        arguments: Seeds.fresh(2)
    )
    func agreesWithLibrary(seed: UInt64) async throws {
        var generator = Generator(seed: seed)
        try await withTemporaryFolder { folder in
            let pool = BlockingPool(threadCount: 2)
            // Around the block, the padding's edge and the chunk that is read at a time, and what chance adds.
            var counts = [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 131_071, 131_072, 131_073]
            for _ in 0..<20 { counts.append(generator.below(400_000)) }
            var files: [(file: SharedFile, digest: [UInt8], count: Int, step: Int)] = []
            for count in counts {
                let (file, digest) = try Self.noise(count, in: folder, &generator)
                let step = 64 + generator.below(300_000)
                files.append((file, digest, count, step))
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (file, digest, count, step) in files {
                    group.addTask {
                        var hash = RunningHash()
                        for end in stride(from: step, through: count, by: step) + [count] {
                            hash = try await Self.hash(file, hash, upTo: end, on: pool)
                            #expect(hash.bytes == end)
                        }
                        #expect(hash.digest == digest)
                    }
                }
                try await group.waitForAll()
            }
            await pool.shutdown()
        }
    }

    @Test("a file that ends too early fails alone, beside one that is whole")
    func failsAlone() async throws {
        var generator = Generator(seed: 1)
        try await withTemporaryFolder { folder in
            let pool = BlockingPool(threadCount: 1)
            let (short, _) = try Self.noise(100_000, in: folder, &generator)
            let (whole, digest) = try Self.noise(300_000, in: folder, &generator)
            async let succeeding = Self.hash(whole, RunningHash(), upTo: 300_000, on: pool)
            let error = await #expect(throws: FileError.self) {
                _ = try await Self.hash(short, RunningHash(), upTo: 300_000, on: pool)
            }
            #expect(error?.code == .wrongSize)
            let hash = try await succeeding
            #expect(hash.digest == digest)
            await pool.shutdown()
        }
    }

    @Test("an ended pool cancels what waits")
    func cancels() async throws {
        var generator = Generator(seed: 2)
        try await withTemporaryFolder { folder in
            let pool = BlockingPool(threadCount: 1)
            let (file, _) = try Self.noise(100, in: folder, &generator)
            await pool.shutdown()
            await #expect(throws: CancellationError.self) {
                _ = try await Self.hash(file, RunningHash(), upTo: 100, on: pool)
            }
        }
    }
}
