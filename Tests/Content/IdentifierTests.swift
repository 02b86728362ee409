// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import TestSupport
import Testing

@Suite("Identifiers") struct IdentifierTests {
    @Test(
        "hashes addresses to Kraken's peer ids",
        arguments: [
            ("127.0.0.1", 16001, "9c75fb13be5bb5a239ab02b8aac07397a65176c6"),
            ("10.0.0.1", 15001, "19ea27e5923f34c9255505f5ca863c5700e9a2c9"),
        ]
    )
    func addressHash(ip: String, port: Int, hex: String) {
        #expect(PeerID(hashOfAddress: ip, port: port).hex == hex)
    }

    @Test("orders bytewise and reads both cases")
    func order() throws {
        let low = try #require(PeerID(hex: String(repeating: "0", count: 39) + "F"))
        let high = try #require(PeerID(hex: "01" + String(repeating: "0", count: 38)))
        #expect(low < high)
        #expect(low.hex == String(repeating: "0", count: 39) + "f")
    }

    @Test(
        "refuses text that is not 40 hexadecimal digits",
        arguments: ["", "0", String(repeating: "g", count: 40), String(repeating: "0", count: 41)]
    )
    func refuses(text: String) { #expect(PeerID(hex: text) == nil) }

    @Test("counts the digits that two digests begin with", arguments: 0..<64)
    func commonDigits(count: Int) throws {
        let zeros = String(repeating: "0", count: 64)
        let other = String(repeating: "0", count: count) + String(repeating: "1", count: 64 - count)
        let digests = (try #require(Digest(hex: zeros)), try #require(Digest(hex: other)))
        #expect(digests.0.commonDigits(with: digests.1) == count)
        #expect(digests.0.commonDigits(with: digests.0) == 64)
    }

    @Test("survives every form", arguments: Seeds.fresh(4))
    func roundTrip(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        for _ in 0..<100 {
            let id = PeerID(randomFrom: &generator)
            #expect(id.bytes.count == 20)
            #expect(PeerID(bytes: id.bytes) == id)
            #expect(PeerID(hex: id.hex) == id)
            #expect(try PeerID(json: id.json) == id)
            let other = PeerID(randomFrom: &generator)
            #expect((id < other) == id.bytes.lexicographicallyPrecedes(other.bytes))
        }
    }

    @Test("reads integer arrays as Go does")
    func goArrays() throws {
        let short = try PeerID(json: .array([.integer(1), .integer(255)]))
        #expect(short.bytes == [1, 255] + Array(repeating: 0, count: 18))
        let long = try PeerID(json: .array(Array(repeating: .integer(9), count: 25)))
        #expect(long.bytes == Array(repeating: 9, count: 20))
        #expect(try PeerID(json: .null).bytes == Array(repeating: 0, count: 20))
        let refused: [JSON] = [
            .string("00"), .array([.integer(256)]), .array([.integer(-1)]), .array([.number(1.5)]),
            .object([]),
        ]
        for json in refused {
            #expect(throws: ContentError.self) { try PeerID(json: json) }
        }
    }
}

@Suite("Digest") struct DigestTests {
    private let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    @Test("reads and writes sha256:<hex>, and knows its shard")
    func forms() throws {
        let digest = try Digest(parsing: "sha256:\(hex)")
        #expect(digest.description == "sha256:\(hex)")
        #expect(digest.hex == hex)
        #expect(digest.shardID == "e3b0")
        #expect(Digest(bytes: digest.bytes) == digest)
        #expect(try Digest(parsing: "sha256:\(hex.uppercased())") == digest)
    }

    @Test(
        "refuses other text",
        arguments: [
            "", "sha256:", "sha256:e3", "sha512:" + String(repeating: "0", count: 64),
            "sha256:" + String(repeating: "0", count: 65),
            "sha256:" + String(repeating: "x", count: 64),
            "sha256:" + String(repeating: "é", count: 32),
        ]
    )
    func refuses(text: String) {
        #expect(throws: ContentError.self) { try Digest(parsing: text) }
    }

    @Test("orders as its text does", arguments: Seeds.fresh(4))
    func order(seed: UInt64) {
        var generator = Generator(seed: seed)
        for _ in 0..<200 {
            let (left, right) = (Digest.random(&generator), Digest.random(&generator))
            #expect((left < right) == (left.hex < right.hex))
        }
    }
}

@Suite("Layout of values") struct LayoutTests {
    // Digest once was a SIMD4<UInt64>. Async functions that held one wrote past the end of their frames, for these are
    // aligned to 16 bytes, not 32: "freed pointer was not the last allocation", far from the cause.
    @Test("needs no more alignment than the frames of asynchronous functions have")
    func alignment() {
        #expect(MemoryLayout<Digest>.alignment <= 16)
        #expect(MemoryLayout<InfoHash>.alignment <= 16)
        #expect(MemoryLayout<PeerID>.alignment <= 16)
        #expect(MemoryLayout<MetaInfo>.alignment <= 16)
        #expect(MemoryLayout<PeerInfo>.alignment <= 16)
    }
}

@Suite("Hexadecimal text") struct HexTests {
    @Test("survives both ways and refuses the rest", arguments: Seeds.fresh(4))
    func roundTrip(seed: UInt64) {
        var generator = Generator(seed: seed)
        for count in 0..<50 {
            let bytes = generator.bytes(count)
            #expect(Hex.decode(Hex.encode(bytes)) == bytes)
            #expect(Hex.decode(Hex.encode(bytes).uppercased()) == bytes)
            #expect(Hex.decode(Hex.encode(bytes) + "0") == nil)
            #expect(Hex.decode(Hex.encode(bytes) + "0g") == nil)
        }
    }
}
