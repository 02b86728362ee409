// SPDX-License-Identifier: Apache-2.0

package import Content
package import Files

/// A piece's bytes as they come in, from a peer or from a file, in order, and whether they are right.
///
/// By its proof where the meta info has one, which nobody can forge; else by its CRC-32, which finds accidents only.
package struct PieceCheck: Sendable {
    private enum Method: Sendable {
        case proof(RunningHash, PieceProof.End)
        case sum(UInt32, expected: UInt32)
    }

    private var method: Method

    /// A check of `piece`, which the blob of `metaInfo` has.
    /// - Parameter trustsProofs: false to check the CRC-32 alone.
    package init(_ piece: PieceIndex, of metaInfo: MetaInfo, trustsProofs: Bool = true) {
        method = .sum(0, expected: metaInfo.pieceSums[piece.value])
        guard trustsProofs, let proof = metaInfo.proof(of: piece) else { return }
        let hash =
            if let start = proof.start {
                RunningHash(after: proof.precedingBytes, state: start)
            } else { RunningHash() as RunningHash? }
        if let hash { method = .proof(hash, proof.end) }
    }

    /// Whether it is a proof.
    package var isProof: Bool { if case .proof = method { true } else { false } }

    /// Takes in the next bytes.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        switch method {
        case .proof(var hash, let end):
            hash.update(bytes)
            method = .proof(hash, end)
        case .sum(let sum, let expected):
            method = .sum(crc32(bytes, seed: sum), expected: expected)
        }
    }

    /// Takes in the next bytes of two pieces; side by side, where both are proved.
    package static func update(
        _ first: inout PieceCheck,
        _ firstBytes: UnsafeRawBufferPointer,
        _ second: inout PieceCheck,
        _ secondBytes: UnsafeRawBufferPointer
    ) {
        guard case .proof(var one, let oneEnd) = first.method,
            case .proof(var other, let otherEnd) = second.method
        else {
            first.update(firstBytes)
            second.update(secondBytes)
            return
        }
        RunningHash.update(&one, firstBytes, &other, secondBytes)
        (first.method, second.method) = (.proof(one, oneEnd), .proof(other, otherEnd))
    }

    /// Whether the bytes so far are the piece.
    package var isRight: Bool {
        switch method {
        case .proof(let hash, .state(let state)): hash.state.elementsEqual(state)
        case .proof(let hash, .digest(let digest)): Digest(bytes: hash.digest) == digest
        case .sum(let sum, let expected): sum == expected
        }
    }

    /// Whether `file` holds `piece` of the blob of `metaInfo`; reads it through one buffer.
    /// - Throws: `FileError`, `.wrongSize` when the file ends before.
    package static func holds(
        _ piece: PieceIndex,
        of metaInfo: MetaInfo,
        in file: SharedFile,
        trustsProofs: Bool = true
    ) throws -> Bool {
        var check = PieceCheck(piece, of: metaInfo, trustsProofs: trustsProofs)
        let start = metaInfo.layout.offset(of: piece)
        let end = start + metaInfo.layout.bytes(of: piece)
        try withUnsafeTemporaryAllocation(
            byteCount: min(BlobHasher.readBytes, end - start),
            alignment: RunningHash.blockBytes
        ) { buffer in
            var offset = start
            while offset < end {
                let count = min(buffer.count, end - offset)
                let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
                try file.readWhole(part, at: offset)
                check.update(UnsafeRawBufferPointer(part))
                offset += count
            }
        }
        return check.isRight
    }
}
