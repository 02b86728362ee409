// SPDX-License-Identifier: Apache-2.0

package import Primitives

/// How a blob is cut and summed: what a peer must know to download it and check each piece.
/// - Source: uber/kraken core/metainfo.go; JSON and bencode are equal to its, byte for byte.
package struct MetaInfo: Hashable, Sendable {
    /// The blob.
    package let digest: Digest
    /// Its pieces.
    package let layout: PieceLayout
    /// The CRC-32 of each piece, in order.
    package let pieceSums: [UInt32]
    /// Where the SHA-256 of the blob stands at the end of each piece but the last, 32 bytes each; empty when that is not
    /// known. Not Kraken's, and no part of the info hash. See ``proof(of:)``.
    package let pieceStates: [UInt8]
    /// The swarm: the SHA-1 of the bencoded form.
    package let infoHash: InfoHash

    /// The meta info of `digest`, cut by `layout` into pieces whose checksums are `pieceSums`.
    /// - Throws: `.invalidMetaInfo` when their number, or that of the states, is not that of the pieces.
    package init(
        digest: Digest,
        layout: PieceLayout,
        pieceSums: [UInt32],
        pieceStates: [UInt8] = []
    ) throws(ContentError) {
        guard pieceSums.count == layout.pieceCount else {
            let why = "\(pieceSums.count) piece sums for \(layout.pieceCount) pieces"
            throw ContentError(.invalidMetaInfo, what: "meta info of \(digest)", why: why)
        }
        guard pieceStates.isEmpty || PieceProof.isWhole(pieceStates, for: layout) else {
            let why = "\(pieceStates.count) bytes of states for \(layout.pieceCount) pieces"
            throw ContentError(.invalidMetaInfo, what: "meta info of \(digest)", why: why)
        }
        (self.digest, self.layout, self.pieceSums) = (digest, layout, pieceSums)
        self.pieceStates = pieceStates
        infoHash = InfoHash(
            hashing: Self.bencode(digest: digest, layout: layout, pieceSums: pieceSums)
        )
    }

    /// The checksum that the piece at `index` must have.
    /// - Precondition: the blob has the piece.
    package func sum(of index: PieceIndex) -> PieceSum { PieceSum(pieceSums[index.value]) }

    /// The bytes that the info hash is taken over.
    package var bencoded: [UInt8] {
        Self.bencode(digest: digest, layout: layout, pieceSums: pieceSums)
    }

    private static func bencode(digest: Digest, layout: PieceLayout, pieceSums: [UInt32]) -> [UInt8]
    {
        var bytes = Array("d6:Lengthi\(layout.blobBytes)e4:Name64:\(digest.hex)".utf8)
        bytes += "11:PieceLengthi\(layout.pieceBytes)e9:PieceSumsl".utf8
        bytes.reserveCapacity(bytes.count + pieceSums.count * 12 + 2)
        for sum in pieceSums {
            bytes.append(UInt8(ascii: "i"))
            bytes += String(sum).utf8
            bytes.append(UInt8(ascii: "e"))
        }
        return bytes + "ee".utf8
    }
}

// MARK: - JSON

extension MetaInfo {
    /// The document on the wire and on disk; no trailing newline. Without ``pieceStates`` it is Kraken's, byte for byte; with
    /// them it has one more key, which Kraken skips.
    package var json: [UInt8] {
        var bytes = Array("{\"Info\":{\"PieceLength\":\(layout.pieceBytes),\"PieceSums\":".utf8)
        if pieceSums.isEmpty {
            bytes += "null".utf8
        } else {
            bytes.reserveCapacity(bytes.count + pieceSums.count * 11 + 128)
            for (index, sum) in pieceSums.enumerated() {
                bytes.append(index == 0 ? UInt8(ascii: "[") : UInt8(ascii: ","))
                bytes += String(sum).utf8
            }
            bytes.append(UInt8(ascii: "]"))
        }
        bytes += ",\"Name\":\"\(digest.hex)\",\"Length\":\(layout.blobBytes)}".utf8
        if !pieceStates.isEmpty {
            bytes += ",\"\(Self.statesKey)\":\"\(Hex.encode(pieceStates))\"".utf8
        }
        return bytes + "}".utf8
    }

    /// The key of ``pieceStates`` in the document, whose value is hexadecimal.
    private static let statesKey = "SHA256States"

    /// Reads the document that ``json`` writes; unknown keys are skipped, the info hash is computed.
    /// - Throws: `.invalidJSON`, `.invalidMetaInfo`, or `.tooLarge` when it exceeds `limits`.
    package init(
        parsing bytes: some Collection<UInt8>,
        limits: Limits = Limits()
    ) throws(ContentError) {
        guard bytes.count <= limits.metaInfoBytesMax else {
            throw ContentError(.tooLarge, what: "read meta info", why: "\(bytes.count) bytes")
        }
        try self.init(json: try JSON(parsing: bytes), limits: limits)
    }

    /// Reads `document` as ``init(parsing:limits:)`` does.
    /// - Throws: `.invalidMetaInfo`, or `.tooLarge` when it exceeds `limits`.
    package init(json document: JSON, limits: Limits = Limits()) throws(ContentError) {
        func defect(_ why: String) -> ContentError {
            ContentError(.invalidMetaInfo, what: "read meta info", why: why)
        }
        guard let info = document["Info"] else { throw defect("no Info") }
        guard let name = info["Name"]?.string, let digest = Digest(hex: name) else {
            throw defect("Name is not 64 hex digits")
        }
        guard let length = info["Length"]?.integer, let pieceLength = info["PieceLength"]?.integer,
            let layout = PieceLayout(blobBytes: length, pieceBytes: pieceLength)
        else { throw defect("Length and PieceLength do not describe a blob") }
        guard layout.pieceCount <= limits.piecesPerBlobMax,
            layout.pieceBytes <= limits.pieceBytesMax
        else {
            throw ContentError(
                .tooLarge,
                what: "read meta info",
                why: "\(layout.pieceCount) pieces of \(layout.pieceBytes) bytes"
            )
        }
        var sums: [UInt32] = []
        for element in info["PieceSums"]?.array ?? [] {
            guard let integer = element.integer, let sum = UInt32(exactly: integer) else {
                throw defect("a piece sum is not a 32-bit number")
            }
            sums.append(sum)
        }
        guard let states = Hex.decode(document[Self.statesKey]?.string ?? "") else {
            throw defect("\(Self.statesKey) is not hexadecimal")
        }
        try self.init(digest: digest, layout: layout, pieceSums: sums, pieceStates: states)
    }
}
