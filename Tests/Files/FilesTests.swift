// SPDX-License-Identifier: Apache-2.0

import Files
import Foundation
import NIOCore
import NIOPosix
import TestSupport
import Testing

@Suite("Files") struct FilesTests {
    @Test("reads back what was written at any offset, and says where the file ends")
    func readsAndWrites() async throws {
        try await withTemporaryFolder { folder in
            let file = try SharedFile.create("\(folder)/f", bytes: 100, preallocate: true)
            #expect(try file.size() == 100)
            try Array("hello".utf8).withUnsafeBytes { try file.write($0, at: 97) }
            #expect(try file.size() == 102)
            var buffer = [UInt8](repeating: 1, count: 10)
            let count = try buffer.withUnsafeMutableBytes { try file.read(into: $0, at: 95) }
            #expect(count == 7)
            #expect(Array(buffer.prefix(7)) == [0, 0] + Array("hello".utf8))
        }
    }

    @Test("says that a file is absent, exists or does not fit, and leaves nothing behind")
    func explainsFailures() async throws {
        try await withTemporaryFolder { folder in
            #expect { try SharedFile.openForReading("\(folder)/none") } throws: {
                ($0 as? FileError)?.code == .notFound
            }
            _ = try SharedFile.create("\(folder)/f", bytes: 1, preallocate: false)
            #expect { try SharedFile.create("\(folder)/f", bytes: 1, preallocate: false) } throws: {
                ($0 as? FileError)?.code == .exists
            }
            #expect {
                try SharedFile.create("\(folder)/huge", bytes: 1 << 60, preallocate: true)
            } throws: { error in
                guard let error = error as? FileError else { return false }
                return error.code == .noSpace || error.code == .other(EFBIG)
            }
            #expect(try Directory.list(folder) == ["f"])
        }
    }

    @Test("replaces a small file whole, and reads nil where there is none")
    func replacesAtomically() async throws {
        try await withTemporaryFolder { folder in
            let path = "\(folder)/side"
            #expect(try AtomicFile.read(path, bytesMax: 10) == nil)
            #expect(try AtomicFile.create([1, 2, 3], at: path))
            #expect(try !AtomicFile.create([5], at: path))
            #expect(try AtomicFile.read(path, bytesMax: 10) == [1, 2, 3])
            try AtomicFile.write([1, 2, 3], to: path, durable: true)
            try AtomicFile.write([4], to: path, durable: false, temporaryDirectory: folder)
            #expect(try AtomicFile.read(path, bytesMax: 10) == [4])
            try AtomicFile.write([1, 2, 3], to: path, durable: false)
            #expect(try AtomicFile.overwrite([7], paddedWith: 9, at: path))
            #expect(try AtomicFile.read(path, bytesMax: 10) == [7, 9, 9])
            #expect(try !AtomicFile.overwrite([1, 2, 3, 4], paddedWith: 9, at: path))
            #expect(try !AtomicFile.overwrite([1], paddedWith: 9, at: "\(path)-none"))
            #expect(try AtomicFile.read(path, bytesMax: 10) == [7, 9, 9])
            try AtomicFile.write(Array(repeating: 0, count: 513), to: path, durable: false)
            // It does not lie in one sector.
            #expect(try !AtomicFile.overwrite([1], paddedWith: 9, at: path))
            #expect(try Directory.list(folder) == ["side"])
            try AtomicFile.write(Array(repeating: 0, count: 11), to: path, durable: false)
            #expect { try AtomicFile.read(path, bytesMax: 10) } throws: {
                ($0 as? FileError)?.code == .wrongSize
            }
        }
    }

    @Test("makes nested directories, answers the topmost new one and removes all of it")
    func makesAndRemovesDirectories() async throws {
        try await withTemporaryFolder { folder in
            #expect(try Directory.create("\(folder)/a/b/c") == "\(folder)/a")
            #expect(try Directory.create("\(folder)/a/b/c") == nil)
            try AtomicFile.write([1], to: "\(folder)/a/b/c/f", durable: false)
            symlink("/etc", "\(folder)/a/link")
            try Directory.remove("\(folder)/a")
            try Directory.remove("\(folder)/a")
            #expect(try Directory.list(folder) == [])
            #expect(try Directory.list("\(folder)/a") == nil)
            #expect(FileManager.default.fileExists(atPath: "/etc/passwd"))
            #expect { try Directory.create("/dev/null/x") } throws: {
                ($0 as? FileError)?.code == .notFound
            }
        }
    }

    @Test("gives each live region a handle of its own and uses the handles again")
    func sharesHandles() async throws {
        try await withTemporaryFolder { folder in
            let file = try SharedFile.create("\(folder)/f", bytes: 100, preallocate: false)
            let first = file.fileRegion(0..<10)
            let second = file.fileRegion(10..<100)
            #expect(first.fileHandle !== second.fileHandle)
            #expect((second.readerIndex, second.endIndex) == (10, 100))
            var identities: Set<ObjectIdentifier> = []
            for _ in 0..<10 {
                identities.insert(ObjectIdentifier(file.fileRegion(0..<1).fileHandle))
            }
            #expect(identities.count == 1)
            withExtendedLifetime((first, second)) {}
        }
    }

    @Test("runs blocking work on its threads, and still when the task is cancelled if asked to")
    func runsBlockingWork() async throws {
        let pool = BlockingPool(threadCount: 2)
        #expect(try await pool.run { 1 + 1 } == 2)
        await #expect(throws: FileError.self) {
            try await pool.run { _ = try SharedFile.openForReading("/none") }
        }
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await pool.runUncancelled { 42 }
        }
        #expect(try await task.value == 42)
        await pool.shutdown()
        await #expect(throws: CancellationError.self) { try await pool.runUncancelled { 1 } }
    }

    @Test(
        "closes its descriptor at once, or of a large removed file soon",
        arguments: [false, true]
    )
    func closes(isRemoved: Bool) async throws {
        try await withTemporaryFolder { folder in
            let path = "\(folder)/large"
            var file: SharedFile? = try .create(path, bytes: 2 << 20, preallocate: true)
            let link = "/proc/self/fd/\(try #require(file?.descriptor))"
            func target() -> String? {
                try? FileManager.default.destinationOfSymbolicLink(atPath: link)
            }
            if isRemoved { try Directory.remove(path) }
            #expect(target()?.hasPrefix(path) == true)
            file = nil
            let deadline = ContinuousClock.now + .seconds(10)
            while isRemoved, target()?.hasPrefix(path) == true, ContinuousClock.now < deadline {
                await Task.yield()
            }
            #expect(target()?.hasPrefix(path) != true)
        }
    }

    @Test("gives a file a second name, wherever it was moved, and says where that can't be")
    func links() async throws {
        try await withTemporaryFolder { folder in
            let file = try SharedFile.create("\(folder)/first", bytes: 10, preallocate: false)
            try Directory.rename("\(folder)/first", to: "\(folder)/moved")
            #expect(try file.link(to: "\(folder)/second"))
            try Directory.remove("\(folder)/moved")
            #expect(try FileStatus.of("\(folder)/second")?.bytes == 10)
            #expect(throws: FileError.self) { try file.link(to: "\(folder)/second") }
            // Another file system, and none that has a name any more.
            #expect(try !file.link(to: "/proc/self/third"))
            try Directory.remove("\(folder)/second")
            #expect(try !file.link(to: "\(folder)/third"))
        }
    }

    @Test("tells the system what will be read without a word about what is not there")
    func beginsReading() async throws {
        try await withTemporaryFolder { folder in
            let file = try SharedFile.create("\(folder)/f", bytes: 100, preallocate: false)
            file.beginReading(0..<100)
            file.beginReading(5000..<90_000)
            #expect(try file.size() == 100)
        }
    }

    @Test("knows what lies in memory")
    func knowsWhatIsInMemory() async throws {
        try await withTemporaryFolder { folder in
            let file = try SharedFile.create("\(folder)/f", bytes: 1 << 20, preallocate: false)
            try [UInt8](repeating: 1, count: 1 << 20).withUnsafeBytes { try file.write($0, at: 0) }
            // Not every file system can tell; one that can does not take what is not there for something.
            let isTold = file.isInMemory(0)
            #expect(file.isInMemory((1 << 20) - 1) == isTold)
            #expect(!file.isInMemory(1 << 20))
            try file.synchronize()
            #expect(posix_fadvise(file.descriptor, 0, 0, POSIX_FADV_DONTNEED) == 0)
            file.beginReading(0..<1 << 20)
            var bytes = [UInt8](repeating: 0, count: 1 << 20)
            let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
            #expect(count == 1 << 20)
            #expect(file.isInMemory(0) == isTold)
        }
    }
}
