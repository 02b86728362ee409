// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import Content
import Files
import Foundation
import NIOCore
import Primitives
import TestSupport
import Testing

@Suite("Uploads", .timeLimit(.minutes(1))) struct UploadTests {
    @Test("commits a blob under its digest with Kraken's file names and meta info")
    func commits() async throws {
        try await withTemporaryFolder { root in
            let store = try await openStore(root)
            let blob = try SampleBlob("hello", pieceBytes: 4 << 20)
            let upload = try await store.startUpload(pieceBytes: 4 << 20)
            #expect(store.upload(upload.id) === upload)
            try await upload.append(ByteBuffer(string: "hel"))
            try await upload.append(ByteBuffer(string: "lo"))
            #expect(upload.bytesReceived == 5)
            let options = CommitOptions(
                pieceBytes: 4 << 20,
                isPersisted: true,
                namespace: try Namespace("ns/repo")
            )
            let info = try await upload.commit(as: blob.digest, options: options)
            #expect(info == BlobInfo(digest: blob.digest, bytes: 5))
            #expect(store.upload(upload.id) == nil)

            let hex = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
            let entry = "\(root)/cache/2c/f2/\(hex)"
            #expect(
                try Directory.list(entry)?.sorted() == [
                    "_namespace", "_persist", "_torrentmeta", "data",
                ]
            )
            let text = try AtomicFile.read("\(entry)/_torrentmeta", bytesMax: 1000)
            #expect(
                text.map { String(decoding: $0, as: UTF8.self) }
                    == #"{"Info":{"PieceLength":4194304,"PieceSums":[907060870],"#
                    + #""Name":"\#(hex)","Length":5}}"#
            )
            #expect(try AtomicFile.read("\(entry)/_persist", bytesMax: 9) == Array("true".utf8))
            #expect(try Directory.list("\(root)/upload") == [])
            #expect(try await store.namespace(of: blob.digest)?.name == "ns/repo")
            let cached = try #require(try await store.cachedBlob(blob.digest))
            #expect(try cached.read() == blob.bytes)
            // From its write-back on it has an access time instead.
            let namespace = try Namespace("ns/repo")
            for _ in 0..<2 {
                try await store.finishWriteBack(of: blob.digest, namespace: namespace)
                #expect(
                    try Directory.list(entry)?.sorted() == [
                        "_last_access_time", "_namespace", "_torrentmeta", "data",
                    ]
                )
            }
            #expect(
                try AtomicFile.read("\(entry)/_last_access_time", bytesMax: 9)?.count == 8
            )
            #expect(try await !store.isPersisted(blob.digest))
        }
    }

    @Test("takes a blob that is in memory as a whole, once")
    func wholeBlobs() async throws {
        try await withTemporaryFolder { root in
            let store = try await openStore(root)
            let blob = try SampleBlob("hello")
            let options = CommitOptions(
                pieceBytes: 4 << 20,
                isPersisted: true,
                namespace: try Namespace("ns/repo")
            )
            let bytes = ByteBuffer(bytes: blob.bytes)
            let wrong = await #expect(throws: StorageError.self) {
                try await store.store(ByteBuffer(string: "hell"), as: blob.digest, options: options)
            }
            #expect(wrong?.code == .digestMismatch)
            #expect(try await store.info(of: blob.digest) == nil)
            let info = try await store.store(bytes, as: blob.digest, options: options)
            #expect(info == BlobInfo(digest: blob.digest, bytes: 5))
            #expect(try await store.store(bytes, as: blob.digest, options: options) == nil)
            #expect(try await store.cachedBlob(blob.digest)?.read() == blob.bytes)
            #expect(try await store.metaInfo(of: blob.digest)?.pieceSums == [907_060_870])
            #expect(try await store.isPersisted(blob.digest))
            #expect(try Directory.list("\(root)/upload") == [])
        }
    }

    @Test("an emptied note that a blob is owed, as a power cut leaves it, still says so")
    func emptyNote() async throws {
        try await withTemporaryFolder { root in
            let store = try await openStore(root)
            let blob = try SampleBlob("hello")
            let options = CommitOptions(isPersisted: true, namespace: try Namespace("ns/repo"))
            _ = try await store.store(
                ByteBuffer(bytes: blob.bytes),
                as: blob.digest,
                options: options
            )
            let entry = "\(root)/cache/2c/f2/\(blob.digest.hex)"
            for name in ["_persist", "_namespace"] {
                try AtomicFile.write([], to: "\(entry)/\(name)", durable: false)
            }
            #expect(try await store.isPersisted(blob.digest))
            let owed = try await store.persistedBlobs()
            #expect(owed.map(\.digest) == [blob.digest] && owed.allSatisfy(\.namespaces.isEmpty))
        }
    }

    @Test("writes the last access as Go writes a signed varint into eight bytes")
    func writesAccessTimes() async throws {
        try await withTemporaryFolder { root in
            let store = try await openStore(root, clock: ManualClock(1_700_000_000))
            let blob = try SampleBlob("x")
            try await store.add(blob)
            let entry = entryPath(root, of: blob.digest)
            let bytes = try AtomicFile.read("\(entry)/_last_access_time", bytesMax: 100)
            // Go: binary.PutVarint(make([]byte, 8), 1700000000).
            #expect(bytes == [0x80, 0xc4, 0x9f, 0xd5, 0x0c, 0, 0, 0])
        }
    }

    @Test("refuses bytes that hash to something else, and forgets them")
    func refusesWrongBytes() async throws {
        try await withTemporaryFolder { root in
            let store = try await openStore(root)
            let blob = try SampleBlob("right")
            let upload = try await store.startUpload()
            try await upload.append(ByteBuffer(string: "wrong"))
            await #expect { try await upload.commit(as: blob.digest) } throws: {
                isStorageError($0, .digestMismatch)
            }
            #expect(try await store.info(of: blob.digest) == nil)
            #expect(try Directory.list("\(root)/upload") == [])
            await #expect { try await upload.append(ByteBuffer(string: "x")) } throws: {
                isStorageError($0, .uploadEnded)
            }
        }
    }

    @Test("takes an empty blob")
    func takesEmptyBlob() async throws {
        try await withTemporaryFolder { root in
            let store = try await openStore(root)
            let blob = try SampleBlob("", pieceBytes: 4 << 20)
            let upload = try await store.startUpload()
            #expect(try await upload.commit(as: blob.digest, pieceBytes: 4 << 20).bytes == 0)
            let metaInfo = try await store.metaInfo(of: blob.digest)
            #expect(metaInfo?.infoHash.hex == "bd0cf4b9dd85d372bcb5ca5bb3ba752af0ea3e5d")
            #expect(try await store.cachedBlob(blob.digest)?.read() == [])
        }
    }

    @Test("takes a blob that is there already as a success, and adds what the first commit lacked")
    func takesBlobTwice() async throws {
        try await withTemporaryFolder { root in
            let store = try await openStore(root)
            let blob = try SampleBlob("twice")
            try await store.add(blob)
            #expect(try await store.isPersisted(blob.digest) == false)
            let namespace = try Namespace("ns")
            try await store.add(
                blob,
                options: CommitOptions(isPersisted: true, namespace: namespace)
            )
            #expect(try await store.isPersisted(blob.digest))
            #expect(try await store.persistedBlobs().map(\.namespaces) == [[namespace]])
            let other = try Namespace("other")
            try await store.setPersisted(true, blob.digest, namespace: other)
            try await store.finishWriteBack(of: blob.digest, namespace: namespace)
            #expect(try await store.persistedBlobs().map(\.namespaces) == [[other]])
            try await store.finishWriteBack(of: blob.digest, namespace: other)
            #expect(try await store.isPersisted(blob.digest) == false)
            #expect(store.usage.blobCount == 1)
            #expect(try await store.digests() == [blob.digest])
            #expect(try await store.put(blob.bytes, as: blob.digest).bytes == 5)
            #expect(try Directory.list("\(root)/upload") == [])
        }
    }

    @Test("starts no more uploads than the limit says, and ends those nobody continues")
    func boundsUploads() async throws {
        try await withTemporaryFolder { root in
            var limits = Limits()
            limits.uploadSessionsMax = 2
            let clock = ManualClock()
            let store = try await openStore(root, clock: clock, limits: limits)
            let first = try await store.startUpload()
            let second = try await store.startUpload()
            await #expect { try await store.startUpload() } throws: {
                isStorageError($0, .tooManyUploads)
            }
            await first.cancel()
            _ = try await store.startUpload()
            clock.advance(by: 5 * 3600)
            try await second.append(ByteBuffer(string: "still here"))
            clock.advance(by: 2 * 3600)
            #expect(try await store.cleanUp(now: clock.seconds).deletedUploadCount == 1)
            #expect(store.upload(second.id) === second)
            #expect(store.uploadCount == 1)
        }
    }

    @Test("refuses offsets that are none")
    func refusesOffsets() async throws {
        try await withTemporaryFolder { root in
            let upload = try await openStore(root).startUpload()
            for offset in [-1, Int.max] {
                await #expect {
                    try await upload.write(ByteBuffer(string: "x"), at: offset)
                } throws: {
                    isStorageError($0, .outOfBounds)
                }
            }
            await upload.cancel()
        }
    }

    /// Chunks in any order, some written twice or with other bytes first, with every kind of piece length.
    @Test(
        "hashes what ends up in the file, whatever the order of the chunks",
        arguments: Seeds.fresh(40)
    )
    func hashesAnyOrder(seed: UInt64) async throws {
        var generator = Generator(seed: seed)
        try await withTemporaryFolder { root in
            let store = try await openStore(root)
            let pieceBytes = 1 + generator.below(5000)
            let blob = try SampleBlob(
                generator.bytes(generator.below(20_000)),
                pieceBytes: pieceBytes
            )
            var chunks: [Range<Int>] = []
            var start = 0
            while start < blob.bytes.count {
                let end = min(blob.bytes.count, start + 1 + generator.below(4000))
                chunks.append(start..<end)
                start = end
            }
            let upload = try await store.startUpload(
                pieceBytes: generator.chance(Ratio(1, in: 2)) ? pieceBytes : nil
            )
            if generator.chance(Ratio(1, in: 3)) {
                let garbage = generator.bytes(1 + generator.below(blob.bytes.count + 1))
                try await upload.write(
                    ByteBuffer(bytes: garbage.prefix(blob.bytes.count)),
                    at: 0
                )
            }
            if generator.chance(Ratio(1, in: 2)) { generator.shuffle(&chunks) }
            if generator.chance(Ratio(1, in: 2)) {
                try await withThrowingTaskGroup { group in
                    for chunk in chunks {
                        group.addTask {
                            try await upload.write(
                                ByteBuffer(bytes: blob.bytes[chunk]),
                                at: chunk.lowerBound
                            )
                        }
                    }
                    try await group.waitForAll()
                }
            } else {
                for chunk in chunks {
                    let bytes = ByteBuffer(bytes: blob.bytes[chunk])
                    try await upload.write(bytes, at: chunk.lowerBound)
                }
            }
            _ = try await upload.commit(as: blob.digest, pieceBytes: pieceBytes)
            #expect(try await store.metaInfo(of: blob.digest) == blob.metaInfo)
            #expect(try await store.cachedBlob(blob.digest)?.read() == blob.bytes)
        }
    }

    /// Whoever does not know the size yet takes the shortest pieces.
    @Test(
        "takes pieces together when the blob turns out to have longer ones",
        arguments: Seeds.fresh(40)
    )
    func coarsensPieces(seed: UInt64) async throws {
        var generator = Generator(seed: seed)
        try await withTemporaryFolder { root in
            let store = try await openStore(root)
            // Proofs need pieces of whole blocks.
            let fine =
                generator.chance(Ratio(1, in: 2))
                ? 64 * (1 + generator.below(10)) : 1 + generator.below(640)
            let coarse = fine * (2 + generator.below(6))
            let count =
                generator.chance(Ratio(1, in: 4))
                ? coarse * generator.below(5) : generator.below(20_000)
            let blob = try SampleBlob(
                generator.bytes(count),
                pieceBytes: coarse,
                hasStates: coarse.isMultiple(of: 64)
            )
            let upload = try await store.startUpload(pieceBytes: fine)
            try await upload.append(ByteBuffer(bytes: blob.bytes))
            _ = try await upload.commit(as: blob.digest, pieceBytes: coarse)
            #expect(try await store.metaInfo(of: blob.digest) == blob.metaInfo)
        }
    }

    @Test("keeps what is to be passed on unhashed, and still knows its digest")
    func relays() async throws {
        try await withTemporaryFolder { root in
            let store = try await openStore(root)
            let blob = try SampleBlob(Array(repeating: 7, count: 100_000), pieceBytes: 1000)
            let upload = try await store.startUpload(label: "a", use: .relay)
            try await upload.append(ByteBuffer(bytes: blob.bytes[..<50_000]))
            try await upload.append(ByteBuffer(bytes: blob.bytes[50_000...]))
            #expect(try await upload.digest() == blob.digest)
            #expect(try upload.file.size() == 100_000)
            await upload.cancel()
            #expect(try await store.digests() == [])
        }
    }

    /// Were the hash taken from a buffer while another write replaced the bytes in the file, the cache would hold bytes
    /// under a name that is not theirs.
    @Test("never caches wrong bytes when two writes race for one range")
    func survivesRacingWrites() async throws {
        try await withTemporaryFolder { root in
            let store = try await openStore(root)
            let blob = try SampleBlob(Array(repeating: 7, count: 100_000), pieceBytes: 1000)
            let other = ByteBuffer(bytes: Array(repeating: UInt8(9), count: 100_000))
            for _ in 0..<50 {
                let upload = try await store.startUpload(pieceBytes: 1000)
                async let good: Void = upload.write(ByteBuffer(bytes: blob.bytes), at: 0)
                async let bad: Void = upload.write(other, at: 0)
                _ = try await (good, bad)
                do {
                    _ = try await upload.commit(as: blob.digest)
                    #expect(try await store.cachedBlob(blob.digest)?.read() == blob.bytes)
                    try await store.delete(blob.digest)
                } catch {
                    #expect(isStorageError(error, .digestMismatch))
                }
            }
        }
    }
}
