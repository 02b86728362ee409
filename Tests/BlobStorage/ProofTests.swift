// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import Content
import Files
import Primitives
import TestSupport
import Testing

@Suite("Proved pieces", .timeLimit(.minutes(1))) struct ProofTests {
    /// Whether `bytes`, in two parts, are `piece` of `metaInfo`'s blob.
    private func isRight(
        _ bytes: [UInt8],
        _ piece: Int,
        of metaInfo: MetaInfo,
        trustsProofs: Bool = true
    ) -> Bool {
        var check = PieceCheck(PieceIndex(piece), of: metaInfo, trustsProofs: trustsProofs)
        for part in [bytes[..<(bytes.count / 3)], bytes[(bytes.count / 3)...]] {
            part.withUnsafeBytes { check.update($0) }
        }
        return check.isRight
    }

    @Test("an upload's meta info proves each piece, whatever the parts it came in")
    func uploaded() async throws {
        var generator = Generator(seed: 3)
        let blob = try SampleBlob(generator.bytes(5000), pieceBytes: 1024, hasStates: true)
        try await withTemporaryFolder { root in
            let store = try await openStore(root)
            let options = CommitOptions(pieceBytes: 1024, isDurable: false)
            _ = try await store.add(blob, options: options)
            #expect(try await store.metaInfo(of: blob.digest) == blob.metaInfo)
            #expect(
                try await store.makeMetaInfo(of: blob.digest, pieceBytes: 1024) == blob.metaInfo
            )
            // Blocks and pieces don't end together: such meta info is Kraken's.
            let odd = try await store.makeMetaInfo(of: blob.digest, pieceBytes: 1000)
            #expect(odd.pieceStates.isEmpty)
        }
        for index in 0..<5 {
            let bytes = blob.piece(PieceIndex(index)).bytes
            #expect(isRight(bytes, index, of: blob.metaInfo))
            for place in [0, bytes.count - 5] {
                let other = forged(bytes, at: place)
                #expect(!isRight(other, index, of: blob.metaInfo))
                #expect(isRight(other, index, of: blob.metaInfo, trustsProofs: false), "its CRC")
            }
            #expect(!isRight(Array(bytes.dropLast()), index, of: blob.metaInfo))
        }
    }

    @Test("a proved download is committed, with the bytes that were proved")
    func commits() async throws {
        var generator = Generator(seed: 4)
        let blob = try SampleBlob(generator.bytes(3000), pieceBytes: 1024, hasStates: true)
        try await withTemporaryFolder { root in
            let store = try await openStore(root)
            let download = try await store.download(blob)
            for index in [2, 0, 1] { try download.receive(PieceIndex(index), of: blob) }
            #expect(download.isProved)
            #expect(try await download.commit().read() == blob.bytes)
        }
    }

    @Test("one piece that was not proved makes the commit check the whole blob")
    func doubted() async throws {
        var generator = Generator(seed: 5)
        let blob = try SampleBlob(generator.bytes(3000), pieceBytes: 1024, hasStates: true)
        try await withTemporaryFolder { root in
            let download = try await openStore(root).download(blob)
            for index in [2, 0] { try download.receive(PieceIndex(index), of: blob) }
            let (bytes, offset) = blob.piece(PieceIndex(1))
            try forged(bytes).withUnsafeBytes { try download.file.write($0, at: offset) }
            #expect(try download.hasRightSum(PieceIndex(1)))
            try download.markComplete(PieceIndex(1), isProved: false)
            #expect(!download.isProved)
            await #expect { try await download.commit() } throws: {
                isStorageError($0, .digestMismatch)
            }
        }
    }

    @Test("a restart proves again what it finds, and drops what was changed meanwhile")
    func resumes() async throws {
        var generator = Generator(seed: 6)
        let blob = try SampleBlob(generator.bytes(3000), pieceBytes: 1024, hasStates: true)
        try await withTemporaryFolder { root in
            let download = try await openStore(root).download(blob)
            for index in 0..<3 { try download.receive(PieceIndex(index), of: blob) }
            let (bytes, offset) = blob.piece(PieceIndex(1))
            try forged(bytes).withUnsafeBytes { try download.file.write($0, at: offset) }
            await download.close()
            let resumed = try await openStore(root).download(blob)
            #expect(resumed.bitfield.description == "#.#")
            try resumed.receive(PieceIndex(1), of: blob)
            #expect(try await resumed.commit().read() == blob.bytes)
        }
    }

    @Test("two checks at once agree with each alone", arguments: Seeds.fresh(20))
    func pairs(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        let blob = try SampleBlob(generator.bytes(4096), pieceBytes: 1024, hasStates: true)
        let isSummed = generator.chance(Ratio(1, in: 3))
        var first = PieceCheck(PieceIndex(0), of: blob.metaInfo, trustsProofs: !isSummed)
        var second = PieceCheck(PieceIndex(3), of: blob.metaInfo)
        var (one, other) = (
            blob.piece(PieceIndex(0)).bytes[...], blob.piece(PieceIndex(3)).bytes[...]
        )
        let isWrong = generator.chance(Ratio(1, in: 2))
        if isWrong { other[other.startIndex + 700] ^= 1 }
        while !one.isEmpty || !other.isEmpty {
            let (left, right) = (
                one.prefix(generator.below(300)), other.prefix(generator.below(300))
            )
            left.withUnsafeBytes { left in
                right.withUnsafeBytes { PieceCheck.update(&first, left, &second, $0) }
            }
            (one, other) = (one.dropFirst(left.count), other.dropFirst(right.count))
        }
        #expect(first.isRight)
        #expect(second.isRight == !isWrong)
    }
}
