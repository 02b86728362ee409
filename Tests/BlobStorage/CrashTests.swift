// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import Content
import Files
import Foundation
import Logging
import NIOCore
import Primitives
import Synchronization
import TestSupport
import Testing

/// A child process uploads, downloads, marks and deletes until it is killed at a random moment; what it was told is done
/// must still be so afterwards, and nothing may be there under a name that is not its own.
@Suite("Crashes", .timeLimit(.minutes(1))) struct CrashTests {
    @Test("leave a store that keeps what it acknowledged", arguments: Seeds.fresh(12))
    func leaveAGoodStore(seed: UInt64) async throws {
        try await withTemporaryFolder { root in
            for round in 0..<2 {
                await #expect(processExitsWith: .signal(SIGKILL)) {
                    [root = root as String, seed = seed &+ UInt64(round) as UInt64] in
                    try await CrashWorkload(root: root, seed: seed).runUntilKilled()
                }
                try await verify(root)
            }
        }
    }

    private func verify(_ root: String) async throws {
        let store = try await openStore(root)
        #expect(try Directory.list("\(root)/upload") == [], "stale uploads are wiped")
        for digest in try await store.digests() {
            let cached = try #require(try await store.cachedBlob(digest))
            #expect(try Digest(hashing: cached.read()) == digest)
            if let metaInfo = try await store.metaInfo(of: digest) {
                let blob = try SampleBlob(
                    cached.read(),
                    pieceBytes: metaInfo.layout.pieceBytes
                )
                #expect(metaInfo == blob.metaInfo)
            }
        }
        let persisted = Set(try await store.persistedBlobs().map(\.digest))
        for digest in try Acknowledgements(root).read() {
            #expect(try await store.info(of: digest) != nil, "an acknowledged blob is lost")
            #expect(persisted.contains(digest), "it would never be written back")
        }
        // Downloads go on from where they stood, and no claimed piece is wrong.
        for (metaInfo, _) in try await store.unfinishedDownloads() {
            let blob = try CrashWorkload.downloaded(metaInfo.digest)
            let download = try await store.download(blob)
            let entry = entryPath(root, "download", of: blob.digest)
            let claims = try AtomicFile.read("\(entry)/_status", bytesMax: 1000) ?? []
            #expect(claims.count { $0 == 1 } == download.bitfield.heldCount)
            for piece in 0..<metaInfo.layout.pieceCount
            where !download.bitfield.contains(PieceIndex(piece)) {
                try download.receive(PieceIndex(piece), of: blob)
            }
            #expect(try await download.commit().read() == blob.bytes)
        }
    }
}

/// The digests of uploads that were acknowledged, one line each.
private struct Acknowledgements {
    private let path: String

    init(_ root: String) { path = "\(root)/acknowledged" }

    func append(_ digest: Content.Digest) throws {
        let line = Array("\(digest.hex)\n".utf8)
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        defer { close(descriptor) }
        guard write(descriptor, line, line.count) == line.count else {
            throw TestFailure("can't note an acknowledgement")
        }
    }

    func read() throws -> [Content.Digest] {
        let bytes = try AtomicFile.read(path, bytesMax: 1 << 20) ?? []
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap {
            Digest(hex: $0)
        }
    }
}

/// What the child does.
private struct CrashWorkload {
    let root: String
    let seed: UInt64
    /// The moment to die: a random number of steps, then a random number of turns of a loop.
    private static let steps = Atomic<Int>(0)

    init(root: String, seed: UInt64) { (self.root, self.seed) = (root, seed) }

    /// The blob that is downloaded under `digest`; there are few of them, so that they are resumed.
    static func downloaded(_ digest: Content.Digest) throws -> SampleBlob {
        for number in 0..<3 {
            let blob = try downloaded(number)
            if blob.digest == digest { return blob }
        }
        throw TestFailure("\(digest) is none of the downloads")
    }

    static func downloaded(_ number: Int) throws -> SampleBlob {
        var generator = Generator(seed: UInt64(number))
        return try SampleBlob(generator.bytes(20_000 + number), pieceBytes: 999)
    }

    func runUntilKilled() async throws {
        var generator = Generator(seed: seed)
        let lastStep = generator.below(150)
        let spins = generator.below(2_000_000)
        Thread.detachNewThread {
            while Self.steps.load(ordering: .relaxed) < lastStep { sched_yield() }
            let noise = Atomic<Int>(0)
            for _ in 0..<spins { noise.add(1, ordering: .relaxed) }
            kill(getpid(), SIGKILL)
        }
        let store = try await openStore(root)
        try await withThrowingTaskGroup { group in
            for worker in 0..<4 {
                let seed = generator.next()
                group.addTask { try await work(store, seed: seed, isDownloader: worker == 0) }
            }
            try await group.waitForAll()
        }
    }

    private func work(_ store: BlobStore, seed: UInt64, isDownloader: Bool) async throws {
        var generator = Generator(seed: seed)
        while true {
            Self.steps.add(1, ordering: .relaxed)
            if isDownloader {
                try await downloadSome(store, &generator)
            } else {
                try await uploadOne(store, &generator)
            }
        }
    }

    private func uploadOne(_ store: BlobStore, _ generator: inout Generator) async throws {
        let blob = try SampleBlob(generator.bytes(1 + generator.below(30_000)), pieceBytes: 1000)
        let upload = try await store.startUpload(pieceBytes: 1000)
        for start in stride(from: 0, to: blob.bytes.count, by: 10_000) {
            let end = min(blob.bytes.count, start + 10_000)
            try await upload.append(ByteBuffer(bytes: blob.bytes[start..<end]))
        }
        let isKept = generator.chance(Ratio(1, in: 2))
        let options = CommitOptions(pieceBytes: 1000, isPersisted: isKept)
        _ = try await upload.commit(as: blob.digest, options: options)
        if isKept {
            try Acknowledgements(root).append(blob.digest)
        } else if generator.chance(Ratio(1, in: 2)) {
            try await store.delete(blob.digest)
        } else {
            try await store.setPersisted(true, blob.digest)
            try Acknowledgements(root).append(blob.digest)
        }
    }

    private func downloadSome(_ store: BlobStore, _ generator: inout Generator) async throws {
        let blob = try Self.downloaded(generator.below(3))
        guard
            case .download(let download) = try await store.openDownload(
                blob.metaInfo,
                namespace: .proxyUploads
            )
        else {
            try await store.delete(blob.digest)
            return
        }
        for _ in 0..<5 where !download.bitfield.isComplete {
            let missing = (0..<blob.metaInfo.layout.pieceCount).map { PieceIndex($0) }
                .filter { !download.bitfield.contains($0) }
            try download.receive(generator.pick(missing), of: blob)
        }
        if download.bitfield.isComplete {
            _ = try await download.commit()
        } else {
            await download.close()
        }
    }
}
