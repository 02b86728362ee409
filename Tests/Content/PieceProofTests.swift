// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import TestSupport
import Testing

@Suite("Piece proofs") struct PieceProofTests {
    private static func metaInfo(
        blobBytes: Int,
        pieceBytes: Int,
        states: [UInt8]
    ) throws -> MetaInfo {
        let layout = try #require(PieceLayout(blobBytes: blobBytes, pieceBytes: pieceBytes))
        return try MetaInfo(
            digest: Digest(hashing: [1, 2, 3]),
            layout: layout,
            pieceSums: (0..<layout.pieceCount).map { UInt32($0) },
            pieceStates: states
        )
    }

    @Test("leads from state to state, and at last to the digest")
    func chain() throws {
        let states = (0..<64).map { UInt8($0) }
        let metaInfo = try Self.metaInfo(blobBytes: 300, pieceBytes: 128, states: states)
        #expect(metaInfo.hasProofs)
        let proofs = (0..<3).map { metaInfo.proof(of: PieceIndex($0)) }
        #expect(
            proofs[0].map { ($0.start, $0.precedingBytes, $0.end) } ?? (nil, -1, .state([]))
                == (nil, 0, .state(states[0..<32]))
        )
        #expect(proofs[1]?.start == states[0..<32])
        #expect(proofs[1]?.end == .state(states[32..<64]))
        #expect(proofs[2]?.start == states[32..<64])
        #expect(proofs[2]?.precedingBytes == 256)
        #expect(proofs[2]?.end == .digest(metaInfo.digest))
    }

    @Test("a single piece needs no states, several do, and of no piece there is nothing to prove")
    func withoutStates() throws {
        let single = try Self.metaInfo(blobBytes: 5, pieceBytes: 128, states: [])
        #expect(single.proof(of: PieceIndex(0))?.end == .digest(single.digest))
        let several = try Self.metaInfo(blobBytes: 129, pieceBytes: 128, states: [])
        #expect(!several.hasProofs)
        #expect(several.proof(of: PieceIndex(0)) == nil)
        #expect(try !Self.metaInfo(blobBytes: 0, pieceBytes: 128, states: []).hasProofs)
    }

    @Test("states are one key more in the document, and no part of the swarm's name")
    func json() throws {
        let states = (0..<32).map { UInt8(200 + $0) }
        let proved = try Self.metaInfo(blobBytes: 129, pieceBytes: 128, states: states)
        let plain = try Self.metaInfo(blobBytes: 129, pieceBytes: 128, states: [])
        let text = String(decoding: proved.json, as: UTF8.self)
        let plainText = String(decoding: plain.json, as: UTF8.self)
        let hex = states.map { String($0, radix: 16) }.joined()
        #expect(text == plainText.dropLast() + ",\"SHA256States\":\"\(hex)\"}")
        #expect(try MetaInfo(parsing: proved.json) == proved)
        #expect(proved.infoHash == plain.infoHash)
        #expect(proved.bencoded == plain.bencoded)
    }

    @Test(
        "refuses states of another number, or where pieces don't end with blocks",
        arguments: [(300, 128, 32), (300, 128, 96), (300, 128, 63), (100, 128, 32), (300, 100, 64)]
    )
    func refusals(blobBytes: Int, pieceBytes: Int, stateBytes: Int) {
        let states = [UInt8](repeating: 7, count: stateBytes)
        #expect(throws: ContentError.self) {
            try Self.metaInfo(blobBytes: blobBytes, pieceBytes: pieceBytes, states: states)
        }
    }

    @Test("refuses a document whose states are no hexadecimal text")
    func malformed() throws {
        let plain = try Self.metaInfo(blobBytes: 129, pieceBytes: 128, states: [])
        let text = String(decoding: plain.json, as: UTF8.self).dropLast()
        for states in ["zz", "0", String(repeating: "0", count: 62)] {
            #expect(throws: ContentError.self) {
                try MetaInfo(parsing: (text + ",\"SHA256States\":\"\(states)\"}").utf8)
            }
        }
    }
}
