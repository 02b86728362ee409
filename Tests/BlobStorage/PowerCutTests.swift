// SPDX-License-Identifier: Apache-2.0

import Content
import Files
import Foundation
import Logging
import NIOCore
import Primitives
import Synchronization
import TestSupport
import Testing

@testable import BlobStorage

@Suite("Power cuts", .timeLimit(.minutes(1))) struct PowerCutTests {
    /// A store in a machine that was booted as `boot` says.
    private func open(_ root: String, boot: String) async throws -> BlobStore {
        let store = BlobStore(
            configuration: BlobStoreConfiguration(root: root),
            pool: .singleton,
            clock: { 1_700_000_000 },
            bootIdentity: Array(boot.utf8),
            log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        try await store.open()
        return store
    }

    private func download(_ blob: SampleBlob, _ store: BlobStore) async throws {
        let download = try await store.download(blob)
        for piece in 0..<blob.metaInfo.layout.pieceCount {
            try download.receive(PieceIndex(piece), of: blob)
        }
        _ = try await download.commit()
    }

    @Test("are told from restarts of the process by what the system says")
    func areToldApart() async throws {
        try await withTemporaryFolder { root in
            let blob = try SampleBlob("blob")
            try await download(blob, try await openStore(root))
            let entry = entryPath(root, of: blob.digest)
            let mark = try AtomicFile.read("\(entry)/_unflushed", bytesMax: 64)
            let boot = try String(
                contentsOfFile: "/proc/sys/kernel/random/boot_id",
                encoding: .utf8
            )
            #expect(mark == Array(boot.utf8))
        }
    }

    @Test("do not matter to a small blob from when it was taken on, and do before")
    func smallBlobs() async throws {
        try await withTemporaryFolder { root in
            let blob = try SampleBlob("small")
            let entry = entryPath(root, of: blob.digest)
            let options = CommitOptions(pieceBytes: 4 << 10, isPersisted: true, namespace: nil)
            do {
                let store = try await open(root, boot: "first")
                let bytes = ByteBuffer(bytes: blob.bytes)
                #expect(
                    try await store.store(bytes, as: blob.digest, options: options) != nil
                )
                #expect(try await store.store(bytes, as: blob.digest, options: options) == nil)
            }
            #expect(try Directory.list(entry)?.contains("_unflushed") == false)
            // As it may be found after a power cut in between.
            try AtomicFile.write([], to: "\(entry)/data", durable: false)
            try AtomicFile.write([], to: "\(entry)/_unflushed", durable: false)
            let store = try await open(root, boot: "second")
            #expect(try await store.cachedBlob(blob.digest) == nil)
            #expect(store.usage.blobCount == 0)
            #expect(
                try await store.store(
                    ByteBuffer(bytes: blob.bytes),
                    as: blob.digest,
                    options: options
                ) != nil
            )
            #expect(try await store.cachedBlob(blob.digest)?.read() == blob.bytes)
        }
    }

    @Test("make a store hash again, once, what it had not flushed, and drop what is damaged")
    func areSurvived() async throws {
        try await withTemporaryFolder { root in
            let (whole, torn) = (try SampleBlob("whole"), try SampleBlob("torn"))
            let flushed = try SampleBlob("flushed")
            do {
                let store = try await open(root, boot: "first")
                for blob in [whole, torn] { try await download(blob, store) }
                try await store.add(flushed)
            }
            for blob in [torn, flushed] {
                let entry = entryPath(root, of: blob.digest)
                let zeros = [UInt8](repeating: 0, count: blob.bytes.count)
                try AtomicFile.write(zeros, to: "\(entry)/data", durable: false)
            }
            let entry = entryPath(root, of: whole.digest)
            #expect(try Directory.list(entry)?.contains("_unflushed") == true)
            let same = try await open(root, boot: "first")
            #expect(try await same.cachedBlob(whole.digest)?.read() == whole.bytes)

            let store = try await open(root, boot: "second")
            #expect(try await store.cachedBlob(whole.digest)?.read() == whole.bytes)
            #expect(try Directory.list(entry)?.contains("_unflushed") == false)
            #expect(try await store.cachedBlob(torn.digest) == nil)
            #expect(try await store.info(of: torn.digest) == nil)
            // What was flushed is not read again at each boot; disks that lie are somebody else's business.
            #expect(try await store.cachedBlob(flushed.digest) != nil)
            try await download(torn, store)
            #expect(try await store.cachedBlob(torn.digest)?.read() == torn.bytes)
        }
    }

    @Test(
        "cost nothing that came while an entry of before was looked at",
        arguments: [true, false]
    )
    func newEntry(isWhole: Bool) async throws {
        try await withTemporaryFolder { root in
            // What is looked at is empty, and so whole or damaged, depending on the name that it has.
            let blob = try SampleBlob(isWhole ? [] : Array("torn".utf8), pieceBytes: 4)
            let entry = entryPath(root, of: blob.digest)
            try Directory.create(entry)
            try AtomicFile.write(Array("first".utf8), to: "\(entry)/_unflushed", durable: false)
            // Whoever opens it waits until somebody else does, and so tells that it has read the mark.
            let pipe = "\(entry)/data"
            #expect(mkfifo(pipe, 0o600) == 0)
            let store = try await open(root, boot: "second")
            let looking = Task { try await store.info(of: blob.digest) }
            try await BlockingPool.singleton.run {
                try store.shard(of: blob.digest).files.withLock { _ in
                    let writer = Glibc.open(pipe, O_WRONLY | O_CLOEXEC)
                    #expect(writer >= 0)
                    try Directory.rename(entry, to: "\(root)/aside")
                    try Directory.create(entry)
                    try AtomicFile.write(blob.bytes, to: "\(entry)/data", durable: false)
                    let mark = "\(entry)/_unflushed"
                    try AtomicFile.write(Array("second".utf8), to: mark, durable: false)
                    close(writer)
                }
            }
            #expect(try await looking.value?.bytes == blob.bytes.count)
            #expect(try Directory.list(entry)?.contains("_unflushed") == true)
            #expect(try await store.cachedBlob(blob.digest)?.read() == blob.bytes)
        }
    }

    @Test(
        "wait for a blob that is being flushed, who is told that it is here",
        arguments: [true, false]
    )
    func flushing(isOpen: Bool) async throws {
        try await withTemporaryFolder { root in
            let store = try await open(root, boot: "first")
            let blob = try SampleBlob("small")
            try await store.add(blob)
            let opened = isOpen ? try await store.cachedBlob(blob.digest) : nil
            let shard = store.shard(of: blob.digest)
            let (began, answered) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
            let flush = Thread {
                shard.sidecars.withLock { _ in
                    shard.beginFlushing(blob.digest)
                    defer { shard.endFlushing() }
                    began.signal()
                    // Whoever does not wait answers within this time.
                    let isEarly = answered.wait(timeout: .now() + .milliseconds(200)) == .success
                    #expect(!isEarly)
                    // The flush fails.
                    #expect(throws: Never.self) {
                        try store.removeDamagedNow(blob.digest) { true }
                    }
                }
            }
            flush.start()
            await withCheckedContinuation { continuation in
                Thread {
                    began.wait()
                    continuation.resume()
                }
                .start()
            }
            async let all = store.hasAll(of: [blob.digest])
            let info = try await store.info(of: blob.digest)
            #expect(info == nil)
            #expect(try await !all)
            answered.signal()
            withExtendedLifetime(opened) {}
        }
    }
}
