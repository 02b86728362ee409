// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import Content
import Files
import Foundation
import Primitives
import TestSupport
import Testing

@Suite("Downloads", .timeLimit(.minutes(1))) struct DownloadTests {
    @Test("completes when all pieces are there and moves into the cache")
    func completes() async throws {
        try await withTemporaryFolder { root in
            let store = try await openStore(root)
            let blob = try SampleBlob("hello world")
            let download = try await store.download(blob)
            #expect(try await store.download(blob) === download)
            for index in [2, 0, 1] { try download.receive(PieceIndex(index), of: blob) }
            #expect(download.bitfield.isComplete)
            let cached = try await download.commit()
            #expect(try cached.read() == blob.bytes)
            #expect(try await store.metaInfo(of: blob.digest) == blob.metaInfo)
            #expect(try await store.unfinishedDownloads().isEmpty)
            guard
                case .cached(let again) = try await store.openDownload(
                    blob.metaInfo,
                    namespace: .proxyUploads
                )
            else { throw TestFailure("not cached") }
            #expect(again === cached)
            #expect(throws: StorageError.self) {
                try download.markComplete(PieceIndex(0), isProved: false)
            }
        }
    }

    @Test("of a single piece leaves nothing to go on with: it is there once it is committed")
    func onePiece() async throws {
        try await withTemporaryFolder { root in
            let store = try await openStore(root)
            let blob = try SampleBlob("one")
            try #require(blob.metaInfo.layout.pieceCount == 1)
            let first = try await store.download(blob)
            #expect(try await store.unfinishedDownloads().isEmpty)
            await first.close()
            #expect(try Directory.list("\(root)/upload") == [])
            let second = try await store.download(blob)
            try second.receive(PieceIndex(0), of: blob)
            #expect(try await second.commit().read() == blob.bytes)
            #expect(try Directory.list("\(root)/upload") == [])
            #expect(try Directory.list("\(root)/download") == [])
        }
    }

    @Test("takes an empty blob without a piece")
    func takesEmptyBlob() async throws {
        try await withTemporaryFolder { root in
            let store = try await openStore(root)
            let blob = try SampleBlob("")
            #expect(try await store.download(blob).commit().bytes == 0)
        }
    }

    @Test("refuses to commit while pieces are missing, and pieces that the blob does not have")
    func refusesIncomplete() async throws {
        try await withTemporaryFolder { root in
            let store = try await openStore(root)
            let blob = try SampleBlob("hello world")
            let download = try await store.download(blob)
            try download.receive(PieceIndex(0), of: blob)
            await #expect { try await download.commit() } throws: {
                isStorageError($0, .incomplete)
            }
            for index in [-1, 3] {
                #expect { try download.markComplete(PieceIndex(index), isProved: true) } throws: {
                    isStorageError($0, .outOfBounds)
                }
            }
        }
    }

    @Test("finds that the whole is wrong although every sum was right, and begins again")
    func refusesWrongBlob() async throws {
        try await withTemporaryFolder { root in
            let store = try await openStore(root)
            let right = try SampleBlob("hello world")
            let wrong = try SampleBlob("HELLO WORLD")
            // Meta info that a broken origin made: sums of other bytes than the digest's.
            let metaInfo = try MetaInfo(
                digest: right.digest,
                layout: wrong.metaInfo.layout,
                pieceSums: wrong.metaInfo.pieceSums
            )
            guard
                case .download(let download) = try await store.openDownload(
                    metaInfo,
                    namespace: .proxyUploads
                )
            else { throw TestFailure("cached") }
            for index in 0..<3 { try download.receive(PieceIndex(index), of: wrong) }
            await #expect { try await download.commit() } throws: {
                isStorageError($0, .digestMismatch)
            }
            #expect(try await store.info(of: right.digest) == nil)
            try await download.reset()
            #expect(download.bitfield.heldCount == 0)
            for index in 0..<3 {
                try download.receive(PieceIndex(index), of: right, isChecked: false)
            }
            #expect(try await download.commit().read() == right.bytes)
        }
    }

    @Test("does not mix one blob's pieces of two lengths")
    func refusesOtherMetaInfo() async throws {
        try await withTemporaryFolder { root in
            let store = try await openStore(root)
            let blob = try SampleBlob("hello world", pieceBytes: 4)
            let other = try SampleBlob("hello world", pieceBytes: 5)
            var download: BlobDownload? = try await store.download(blob)
            try download?.receive(PieceIndex(0), of: blob)
            await #expect { try await store.download(other) } throws: {
                isStorageError($0, .metaInfoDiffers)
            }
            await download?.close()
            download = nil
            #expect(try await store.download(other).bitfield.heldCount == 0)
        }
    }

    @Test("resumes after a restart and trusts no claim that the bytes don't bear out")
    func resumes() async throws {
        try await withTemporaryFolder { root in
            let blob = try SampleBlob("hello world")
            let download = try await openStore(root).download(blob)
            try download.receive(PieceIndex(0), of: blob)
            try download.receive(PieceIndex(2), of: blob)
            await download.close()
            // A claim without bytes, as a power cut may leave it.
            let hex = blob.digest.hex
            let status =
                "\(root)/download/\(hex.prefix(2))/\(hex.dropFirst(2).prefix(2))/\(hex)/_status"
            #expect(try AtomicFile.read(status, bytesMax: 10) == [1, 0, 1])
            try AtomicFile.write([1, 1, 1], to: status, durable: false)

            let store = try await openStore(root)
            let (metaInfo, namespace) = try #require(try await store.unfinishedDownloads().first)
            #expect(metaInfo == blob.metaInfo)
            #expect(namespace == .proxyUploads)
            let resumed = try await store.download(blob)
            #expect(resumed.bitfield.description == "#.#")
            #expect(try AtomicFile.read(status, bytesMax: 10) == [1, 0, 1])
            try resumed.receive(PieceIndex(1), of: blob)
            #expect(try await resumed.commit().read() == blob.bytes)
        }
    }

    @Test("is removed with its bytes, and can be opened again")
    func deletes() async throws {
        try await withTemporaryFolder { root in
            let store = try await openStore(root)
            let blob = try SampleBlob("hello world")
            let download = try await store.download(blob)
            try download.receive(PieceIndex(0), of: blob)
            #expect(try await store.delete(blob.digest) == false, "it is in use")
            await download.delete()
            #expect(try await store.unfinishedDownloads().isEmpty)
            #expect(try await store.download(blob).bitfield.heldCount == 0)
        }
    }

    @Test("says that the disk can't take the blob before a byte is fetched")
    func reportsFullDisk() async throws {
        try await withTemporaryFolder { root in
            let store = try await openStore(root)
            let layout = try #require(PieceLayout(blobBytes: 1 << 50, pieceBytes: 1 << 40))
            let blob = try SampleBlob("x")
            let metaInfo = try MetaInfo(
                digest: blob.digest,
                layout: layout,
                pieceSums: Array(repeating: 0, count: layout.pieceCount)
            )
            await #expect(throws: FileError.self) {
                _ = try await store.openDownload(metaInfo, namespace: .proxyUploads)
            }
            #expect(try Directory.list("\(root)/upload") == [])
        }
    }

    /// Pieces in random orders with random restarts, resets and deletions in between.
    @Test(
        "ends with the right bytes for any order of pieces and restarts",
        arguments: Seeds.fresh(30)
    )
    func endsRight(seed: UInt64) async throws {
        var generator = Generator(seed: seed)
        try await withTemporaryFolder { root in
            let hasStates = generator.chance(Ratio(1, in: 2))
            let pieceBytes =
                hasStates ? 64 * (1 + generator.below(600)) : 1 + generator.below(40_000)
            let blob = try SampleBlob(
                generator.bytes(generator.below(400_000)),
                pieceBytes: pieceBytes,
                hasStates: hasStates
            )
            var store = try await openStore(root)
            var download = try await store.download(blob)
            var restarts = generator.below(4)
            while !download.bitfield.isComplete {
                let missing = (0..<blob.metaInfo.layout.pieceCount).map { PieceIndex($0) }
                    .filter { !download.bitfield.contains($0) }
                try download.receive(generator.pick(missing), of: blob)
                guard restarts > 0, generator.chance(Ratio(1, in: 8)) else { continue }
                restarts -= 1
                switch generator.below(3) {
                case 0: try await download.reset()
                case 1: await download.delete()
                default:
                    let held = download.bitfield
                    await download.close()
                    store = try await openStore(root)
                    download = try await store.download(blob)
                    #expect(download.bitfield == held)
                }
                download = try await store.download(blob)
            }
            let cached = try await download.commit()
            #expect(try cached.read() == blob.bytes)
        }
    }
}
