// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import ClusterConfiguration
import Content
import Files
import Foundation
import Primitives
import Synchronization
import TestSupport
import Testing

@Suite("Cache", .timeLimit(.minutes(1))) struct CacheTests {
    private func policy(_ change: (inout CleanupPolicy) -> Void) -> CleanupPolicy {
        var policy = CleanupPolicy()
        change(&policy)
        return policy
    }

    @Test("adopts what lies on disk, whoever put it there")
    func adopts() async throws {
        try await withTemporaryFolder { root in
            let blob = try SampleBlob("kraken's")
            let entry = entryPath(root, of: blob.digest)
            try Directory.create(entry)
            try AtomicFile.write(blob.bytes, to: "\(entry)/data", durable: false)
            try AtomicFile.write(Array("true".utf8), to: "\(entry)/_persist", durable: false)
            try Directory.create("\(root)/cache/zz/not/ours")
            try Directory.create("\(root)/upload/left-behind")
            let store = try await openStore(root)
            #expect(try await store.info(of: blob.digest)?.bytes == 8)
            #expect(try await store.isPersisted(blob.digest))
            #expect(try await store.metaInfo(of: blob.digest) == nil)
            #expect(
                try await store.makeMetaInfo(of: blob.digest, pieceBytes: 4) == blob.metaInfo
            )
            #expect(try await store.metaInfo(of: blob.digest) == blob.metaInfo)
            #expect(try await store.digests() == [blob.digest])
            #expect(try Directory.list("\(root)/upload") == [])
        }
    }

    @Test("ignores sidecars that can't be read, and keeps only meta info that fits the blob")
    func ignoresDamage() async throws {
        try await withTemporaryFolder { root in
            let store = try await openStore(root)
            let blob = try SampleBlob("blob")
            try await store.add(blob, options: CommitOptions(pieceBytes: 4))
            let entry = entryPath(root, of: blob.digest)
            for text in ["", "{", "[]", #"{"Info":{}}"#] {
                try AtomicFile.write(Array(text.utf8), to: "\(entry)/_torrentmeta", durable: false)
                #expect(try await store.metaInfo(of: blob.digest) == nil)
            }
            try AtomicFile.write([0xff], to: "\(entry)/_last_access_time", durable: false)
            #expect(try await store.cachedBlob(blob.digest)?.read() == blob.bytes)
            let longer = try SampleBlob("longer blob")
            let misfit = try MetaInfo(
                digest: blob.digest,
                layout: longer.metaInfo.layout,
                pieceSums: longer.metaInfo.pieceSums
            )
            await #expect(throws: StorageError.self) { try await store.setMetaInfo(misfit) }
            await #expect { try await store.setMetaInfo(longer.metaInfo) } throws: {
                isStorageError($0, .notCached)
            }
        }
    }

    @Test("makes way for a commit where Kraken's own crash left sidecars without data")
    func replacesRemains() async throws {
        try await withTemporaryFolder { root in
            let store = try await openStore(root)
            let blob = try SampleBlob("blob")
            let entry = entryPath(root, of: blob.digest)
            try Directory.create(entry)
            try AtomicFile.write([1], to: "\(entry)/_torrentmeta", durable: false)
            #expect(try await store.info(of: blob.digest) == nil)
            try await store.add(blob)
            #expect(try await store.cachedBlob(blob.digest)?.read() == blob.bytes)
        }
    }

    @Test("deletes what is written back, and lets a reader finish")
    func deletes() async throws {
        try await withTemporaryFolder { root in
            let store = try await openStore(root)
            let blob = try SampleBlob("blob")
            try await store.add(blob, options: CommitOptions(isPersisted: true))
            await #expect { try await store.delete(blob.digest) } throws: {
                isStorageError($0, .isPersisted)
            }
            try await store.setPersisted(false, blob.digest)
            let reader = try #require(try await store.cachedBlob(blob.digest))
            #expect(try await store.delete(blob.digest))
            #expect(try await store.delete(blob.digest) == false)
            #expect(try await store.cachedBlob(blob.digest) == nil)
            #expect(try reader.read() == blob.bytes)
            await #expect { try await store.setPersisted(true, blob.digest) } throws: {
                isStorageError($0, .notCached)
            }
        }
    }

    @Test("removes blobs that are idle or old, but none that is in use or not written back")
    func cleansUp() async throws {
        try await withTemporaryFolder { root in
            let clock = ManualClock(Int64(Date().timeIntervalSince1970))
            let store = try await openStore(
                root,
                clock: clock,
                cleanup: policy { $0.timeToLive = .hours(24) }
            )
            let idle = try SampleBlob("idle")
            let used = try SampleBlob("used")
            let pinned = try SampleBlob("pinned")
            let persisted = try SampleBlob("persisted")
            for blob in [idle, used, pinned] { try await store.add(blob) }
            try await store.add(persisted, options: CommitOptions(isPersisted: true))
            let pin = try await store.cachedBlob(pinned.digest)
            clock.advance(by: 5 * 3600)
            _ = try await store.cachedBlob(used.digest)
            try await store.untilAccessIsRecorded(used.digest, at: clock.seconds)
            clock.advance(by: 2 * 3600)
            let report = try await store.cleanUp(now: clock.seconds)
            #expect(report.examinedCount == 4)
            #expect((report.deletedCount, report.deletedBytes) == (1, 4))
            #expect((report.inUseCount, report.persistedCount) == (1, 1))
            #expect(try await store.info(of: idle.digest) == nil)
            #expect(try await store.info(of: used.digest) != nil)

            clock.advance(by: 20 * 3600)
            #expect(try await store.cleanUp(now: clock.seconds).deletedCount == 1)
            let left = try await store.digests()
            #expect(Set(left) == [pinned.digest, persisted.digest])
            withExtendedLifetime(pin) {}
        }
    }

    @Test("frees a full disk down to its low mark, least recently used blobs first")
    func freesDisk() async throws {
        try await withTemporaryFolder { root in
            let clock = ManualClock()
            let disk = Mutex(DiskUsage(totalBytes: 10_000, usedBytes: 9_500))
            let store = try await openStore(
                root,
                clock: clock,
                cleanup: policy {
                    $0.diskHighPercent = 90
                    $0.diskLowPercent = 70
                },
                diskUsage: { _ in disk.withLock { $0 } }
            )
            var blobs: [SampleBlob] = []
            for index in 0..<6 {
                clock.advance(by: 60)
                let bytes = Array(repeating: UInt8(index), count: 1000)
                blobs.append(try SampleBlob(bytes, pieceBytes: 100))
                try await store.add(
                    blobs[index],
                    options: CommitOptions(isPersisted: index == 0)
                )
            }
            let pin = try await store.cachedBlob(blobs[1].digest)
            // 2,500 bytes too many: three blobs of those that may go.
            let report = try await store.cleanUp(now: clock.seconds)
            #expect(report.isDiskFull)
            #expect(report.deletedCount == 3)
            let left = Set(try await store.digests())
            #expect(left == [blobs[0].digest, blobs[1].digest, blobs[5].digest])
            disk.withLock { $0 = DiskUsage(totalBytes: 10_000, usedBytes: 8_900) }
            #expect(try await store.cleanUp(now: clock.seconds).deletedCount == 0)
            withExtendedLifetime(pin) {}
        }
    }

    @Test("removes idle downloads, but none that goes on")
    func cleansUpDownloads() async throws {
        try await withTemporaryFolder { root in
            let clock = ManualClock()
            let store = try await openStore(root, clock: clock)
            let left = try SampleBlob("left behind")
            await (try await store.download(left)).close()
            let active = try SampleBlob("active")
            let download = try await store.download(active)
            clock.advance(by: 7 * 3600)
            let report = try await store.cleanUp(now: clock.seconds)
            #expect((report.deletedCount, report.inUseCount) == (1, 1))
            #expect(try await store.unfinishedDownloads().map(\.0) == [active.metaInfo])
            try download.receive(PieceIndex(0), of: active)
            try download.receive(PieceIndex(1), of: active)
            #expect(try await download.commit().read() == active.bytes)
        }
    }

    @Test(
        "stays whole when everybody uses, deletes and cleans up the same blobs",
        arguments: Seeds.fresh(8)
    )
    func survivesContention(seed: UInt64) async throws {
        try await withTemporaryFolder { root in
            let clock = ManualClock()
            let store = try await openStore(
                root,
                clock: clock,
                cleanup: policy { $0.timeToLive = .seconds(-1_000_000_000_000) }
            )
            let blobs = try (0..<4).map { index in
                try SampleBlob(Array(repeating: UInt8(index), count: 3000), pieceBytes: 700)
            }
            try await withThrowingTaskGroup { group in
                for worker in 0..<6 {
                    group.addTask {
                        var generator = Generator(seed: seed &+ UInt64(worker))
                        for _ in 0..<60 {
                            let blob = generator.pick(blobs)
                            try await Self.step(store, blob, &generator)
                        }
                    }
                }
                try await group.waitForAll()
            }
            _ = try await store.cleanUp(now: clock.seconds)
            #expect(try await store.digests().isEmpty)
        }
    }

    private static func step(
        _ store: BlobStore,
        _ blob: SampleBlob,
        _ generator: inout Generator
    ) async throws {
        switch generator.below(5) {
        case 0: try await store.add(blob)
        case 1: _ = try await store.put(blob.bytes, as: blob.digest)
        case 2: try await store.delete(blob.digest)
        case 3: _ = try await store.cleanUp(now: 1_700_000_000)
        default:
            guard let cached = try await store.cachedBlob(blob.digest) else { return }
            #expect(try cached.read() == blob.bytes)
        }
    }
}

extension BlobStore {
    /// Returns once the background job that records an access at `time` has run: the pool works in order of arrival.
    func untilAccessIsRecorded(_ digest: Digest, at time: Int64) async throws {
        while try await entries().first(where: { $0.digest == digest })?.lastUsedAt != time {
            await Task.yield()
        }
    }
}
