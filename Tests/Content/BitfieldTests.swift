// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import TestSupport
import Testing

@Suite("Bitfield") struct BitfieldTests {
    struct Vector: Sendable, CustomStringConvertible {
        let count: Int
        let held: [Int]
        let hex: String

        var description: String { "N=\(count)" }
        var bitfield: Bitfield {
            var bitfield = Bitfield(pieceCount: count)
            for index in held { bitfield.insert(PieceIndex(index)) }
            return bitfield
        }
    }

    private static let vectors = [
        Vector(count: 0, held: [], hex: "0000000000000000"),
        Vector(count: 1, held: [], hex: "00000000000000010000000000000000"),
        Vector(count: 1, held: [0], hex: "00000000000000010000000000000001"),
        Vector(count: 10, held: [0, 2, 9], hex: "000000000000000a0000000000000205"),
        Vector(count: 64, held: [63], hex: "00000000000000408000000000000000"),
        Vector(count: 65, held: [64], hex: "000000000000004100000000000000000000000000000001"),
        Vector(
            count: 70,
            held: Array(0..<70),
            hex: "0000000000000046ffffffffffffffff000000000000003f"
        ),
    ]

    @Test("has Kraken's wire form, both ways", arguments: vectors)
    func wire(_ vector: Vector) throws {
        #expect(Hex.encode(vector.bitfield.wireBytes) == vector.hex)
        let bytes = try #require(Hex.decode(vector.hex))
        let read = try Bitfield(wireBytes: bytes, expectedPieceCount: vector.count)
        #expect(read == vector.bitfield)
        #expect(read.heldCount == vector.held.count)
    }

    @Test("ignores surplus bytes and bits, and never counts them")
    func surplus() throws {
        let bytes = try #require(Hex.decode("000000000000000affffffffffffffff0102"))
        let read = try Bitfield(wireBytes: bytes, expectedPieceCount: 10)
        #expect(read == .full(pieceCount: 10))
        #expect(read.heldCount == 10)
        #expect(read.isComplete)
    }

    @Test(
        "refuses what is too short or of another blob",
        arguments: [
            ("", 0), ("00000000000000", 0), ("000000000000000a", 10),
            ("000000000000000a00000000000002", 10), ("000000000000000b0000000000000205", 10),
            ("ffffffffffffffff", 10), ("8000000000000000", 10),
        ]
    )
    func refuses(hex: String, count: Int) throws {
        let bytes = try #require(Hex.decode(hex))
        #expect(throws: ContentError.self) {
            try Bitfield(wireBytes: bytes, expectedPieceCount: count)
        }
    }

    @Test("does not count a piece twice")
    func repetition() {
        var bitfield = Bitfield(pieceCount: 3)
        let inserted = [bitfield.insert(PieceIndex(1)), bitfield.insert(PieceIndex(1))]
        #expect(inserted == [true, false])
        #expect(bitfield.heldCount == 1)
        let removed = [bitfield.remove(PieceIndex(1)), bitfield.remove(PieceIndex(1))]
        #expect(removed == [true, false])
        #expect(bitfield.heldCount == 0)
        #expect(bitfield.description == "...")
    }

    @Test("has no pieces outside the blob")
    func outside() {
        var bitfield = Bitfield.full(pieceCount: 3)
        for index in [-1, 3, 64, Int.max, Int.min] {
            let (inserted, removed) = (
                bitfield.insert(PieceIndex(index)), bitfield.remove(PieceIndex(index))
            )
            #expect(!inserted && !removed && !bitfield.contains(PieceIndex(index)))
        }
        #expect(bitfield.description == "###")
        #expect(Bitfield(pieceCount: 0).isComplete)
    }

    @Test("agrees with a set under any sequence of calls", arguments: Seeds.fresh(6))
    func model(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        let count = generator.below(200)
        var (bitfield, model) = (Bitfield(pieceCount: count), Set<Int>())
        for _ in 0..<1000 {
            let index = generator.below(210) - 5
            if generator.chance(Ratio(2, in: 3)) {
                let isNews = bitfield.insert(PieceIndex(index))
                let isValid = (0..<count).contains(index)
                #expect(isNews == (isValid && model.insert(index).inserted))
            } else {
                let isNews = bitfield.remove(PieceIndex(index))
                #expect(isNews == (model.remove(index) != nil))
            }
            #expect(bitfield.heldCount == model.count)
            #expect(bitfield.missingCount == count - model.count)
        }
        #expect(bitfield.indices.map(\.value) == model.sorted())
        let read = try Bitfield(wireBytes: bitfield.wireBytes, expectedPieceCount: count)
        #expect(read == bitfield)
        bitfield.fill()
        #expect(bitfield == .full(pieceCount: count))
        #expect(bitfield.isComplete)
    }

    @Test("never traps on damaged bytes", arguments: Seeds.fresh(6))
    func fuzz(seed: UInt64) {
        var generator = Generator(seed: seed)
        for _ in 0..<500 {
            var bytes = Bitfield.full(pieceCount: generator.below(130)).wireBytes
            for _ in 0..<generator.below(4) {
                bytes[generator.below(bytes.count)] = UInt8(generator.below(256))
            }
            bytes.removeLast(generator.below(min(9, bytes.count + 1)))
            let count = generator.below(130)
            // Damage may leave a bitfield: then its count must be right.
            if let read = try? Bitfield(wireBytes: bytes, expectedPieceCount: count) {
                #expect(read.heldCount == read.indices.count)
                #expect(read.heldCount <= count)
            }
        }
    }
}
