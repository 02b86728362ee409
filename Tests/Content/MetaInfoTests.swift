// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import TestSupport
import Testing

@Suite("Meta info") struct MetaInfoTests {
    struct Vector: Sendable, CustomStringConvertible {
        let name: String
        let length: Int
        let pieceLength: Int
        let sums: [UInt32]
        let infoHash: String

        var description: String { "\(name.prefix(8)), \(length) bytes" }

        func metaInfo() throws -> MetaInfo {
            try MetaInfo(
                digest: try #require(Digest(hex: name)),
                layout: try #require(PieceLayout(blobBytes: length, pieceBytes: pieceLength)),
                pieceSums: sums
            )
        }
    }

    private static let vectors = [
        Vector(
            name: "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9",
            length: 11,
            pieceLength: 4,
            sums: [478_544_099, 3_342_855_505, 732_161_222],
            infoHash: "7cb82993df4e14590d01ab2a374a99a1c86256a9"
        ),
        Vector(
            name: "ef797c8118f02dfb649607dd5d3f8c7623048c9c063d532cc95c5ed7a898a64f",
            length: 8,
            pieceLength: 4,
            sums: [2_615_402_659, 2_119_325_191],
            infoHash: "ae9739fe5967ac0be624c06b63ba2c010bfa92bf"
        ),
        Vector(
            name: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            length: 0,
            pieceLength: 4_194_304,
            sums: [],
            infoHash: "bd0cf4b9dd85d372bcb5ca5bb3ba752af0ea3e5d"
        ),
        Vector(
            name: "3bdba7b1d544a8c6ea0cf12e2ea75ee95ebe37800210a88d34824628c888dea8",
            length: 236,
            pieceLength: 4_194_304,
            sums: [2_007_316_188],
            infoHash: "7636fd718e520078472f7cbfc833e4f5acc46f7f"
        ),
        Vector(
            name: "289314c356bc2a19802c3e31505506db30ea81a0bcaea4ec3e079524c8ac3cf5",
            length: 236,
            pieceLength: 4_194_304,
            sums: [2_131_691_452],
            infoHash: "85b978c4377625b3963df406d0dd3a1da5a7d9c3"
        ),
    ]

    @Test("hashes to Kraken's info hashes", arguments: vectors)
    func infoHash(_ vector: Vector) throws {
        #expect(try vector.metaInfo().infoHash.hex == vector.infoHash)
    }

    @Test("has Kraken's JSON, both ways", arguments: vectors)
    func json(_ vector: Vector) throws {
        let metaInfo = try vector.metaInfo()
        let sums =
            vector.sums.isEmpty
            ? "null" : "[" + vector.sums.map(String.init).joined(separator: ",") + "]"
        let text =
            "{\"Info\":{\"PieceLength\":\(vector.pieceLength),\"PieceSums\":\(sums),"
            + "\"Name\":\"\(vector.name)\",\"Length\":\(vector.length)}}"
        #expect(String(decoding: metaInfo.json, as: UTF8.self) == text)
        #expect(try MetaInfo(parsing: metaInfo.json) == metaInfo)
    }

    @Test("bencodes the way the info hash wants it")
    func bencode() throws {
        let metaInfo = try Self.vectors[1].metaInfo()
        #expect(
            String(decoding: metaInfo.bencoded, as: UTF8.self)
                == "d6:Lengthi8e4:Name64:ef797c8118f02dfb649607dd5d3f8c7623048c9c063d532cc95c5ed7a898a64f"
                + "11:PieceLengthi4e9:PieceSumsli2615402659ei2119325191eee"
        )
    }

    @Test("skips the further keys of old documents")
    func oldDocuments() throws {
        let info = String(decoding: try Self.vectors[1].metaInfo().json, as: UTF8.self)
        let old =
            "{\"Announce\":\"\",\"AnnounceList\":null,\"CreationDate\":0,\"Comment\":\"\","
            + "\"CreatedBy\":\"\"," + info.dropFirst()
        #expect(try MetaInfo(parsing: old.utf8) == Self.vectors[1].metaInfo())
    }

    @Test(
        "refuses documents that describe no blob",
        arguments: [
            "", "{}", "{\"Info\":null}", "{\"Info\":{}}",
            #"{"Info":{"PieceLength":4,"PieceSums":[1],"Name":"x","Length":4}}"#,
            #"{"Info":{"PieceLength":0,"PieceSums":[1],"Name":"NAME","Length":4}}"#,
            #"{"Info":{"PieceLength":-4,"PieceSums":[1],"Name":"NAME","Length":4}}"#,
            #"{"Info":{"PieceLength":4,"PieceSums":[1],"Name":"NAME","Length":-1}}"#,
            #"{"Info":{"PieceLength":4,"PieceSums":[1,2],"Name":"NAME","Length":4}}"#,
            #"{"Info":{"PieceLength":4,"PieceSums":null,"Name":"NAME","Length":4}}"#,
            #"{"Info":{"PieceLength":4,"PieceSums":[-1],"Name":"NAME","Length":4}}"#,
            #"{"Info":{"PieceLength":4,"PieceSums":[4294967296],"Name":"NAME","Length":4}}"#,
            #"{"Info":{"PieceLength":4,"PieceSums":["1"],"Name":"NAME","Length":4}}"#,
            #"{"Info":{"PieceLength":1,"PieceSums":[],"Name":"NAME","Length":9223372036854775807}}"#,
            #"{"Info":{"PieceLength":9223372036854775807,"PieceSums":[1],"Name":"NAME","Length":4}}"#,
        ]
    )
    func refuses(text: String) {
        let document = text.replacing("NAME", with: String(repeating: "0", count: 64))
        #expect(throws: ContentError.self) { try MetaInfo(parsing: document.utf8) }
    }

    @Test("needs one sum a piece")
    func sums() throws {
        let layout = try #require(PieceLayout(blobBytes: 9, pieceBytes: 4))
        let digest = try #require(Digest(hex: Self.vectors[0].name))
        #expect(throws: ContentError.self) {
            try MetaInfo(digest: digest, layout: layout, pieceSums: [1, 2])
        }
        let metaInfo = try MetaInfo(digest: digest, layout: layout, pieceSums: [1, 2, 3])
        #expect(metaInfo.sum(of: PieceIndex(2)) == PieceSum(3))
    }

    @Test("never traps on damaged documents", arguments: Seeds.fresh(6))
    func fuzz(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        for _ in 0..<400 {
            var json = try generator.pick(Self.vectors).metaInfo().json
            for _ in 0...generator.below(3) {
                json[generator.below(json.count)] = generator.pick(Array("0919-{}[]\",:nx".utf8))
            }
            // Damage may leave meta info: what is read must be written and read the same.
            if let read = try? MetaInfo(parsing: json) {
                #expect(try MetaInfo(parsing: read.json) == read)
            }
        }
    }
}

@Suite("Piece layout") struct PieceLayoutTests {
    @Test(
        "cuts blobs as Kraken does",
        arguments: [
            (0, 4, []), (1, 4, [1]), (4, 4, [4]), (5, 4, [4, 1]), (8, 4, [4, 4]),
            (11, 4, [4, 4, 3]),
            (3, 1, [1, 1, 1]), (236, 4_194_304, [236]),
        ]
    )
    func lengths(blobBytes: Int, pieceBytes: Int, lengths: [Int]) throws {
        let layout = try #require(PieceLayout(blobBytes: blobBytes, pieceBytes: pieceBytes))
        #expect(layout.pieceCount == lengths.count)
        #expect((0..<layout.pieceCount).map { layout.bytes(of: PieceIndex($0)) } == lengths)
        for outside in [-1, layout.pieceCount, Int.max, Int.min] {
            #expect(layout.bytes(of: PieceIndex(outside)) == 0)
            #expect(!layout.contains(PieceIndex(outside)))
        }
    }

    @Test("has no layout for impossible sizes", arguments: [(-1, 4), (4, 0), (4, -1)])
    func refuses(blobBytes: Int, pieceBytes: Int) {
        #expect(PieceLayout(blobBytes: blobBytes, pieceBytes: pieceBytes) == nil)
    }

    @Test("survives the largest sizes")
    func extremes() throws {
        let layout = try #require(PieceLayout(blobBytes: .max, pieceBytes: .max))
        #expect(layout.pieceCount == 1)
        #expect(layout.bytes(of: PieceIndex(0)) == .max)
        let fine = try #require(PieceLayout(blobBytes: .max, pieceBytes: 1))
        #expect(fine.pieceCount == .max)
        #expect(fine.offset(of: PieceIndex(.max - 1)) == .max - 1)
    }

    @Test(
        "covers ranges with exactly the pieces that hold a byte of them",
        arguments: Seeds.fresh(6)
    )
    func covering(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        for _ in 0..<300 {
            let layout = try #require(
                PieceLayout(blobBytes: generator.below(100), pieceBytes: 1 + generator.below(20))
            )
            let lower = generator.below(120)
            let range = lower..<lower + generator.below(60)
            let expected = (0..<layout.pieceCount).filter { index in
                let offset = layout.offset(of: PieceIndex(index))
                return range.overlaps(offset..<offset + layout.bytes(of: PieceIndex(index)))
            }
            #expect(Array(layout.pieces(covering: range)) == expected)
        }
    }
}
