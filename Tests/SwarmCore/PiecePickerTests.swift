// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import SwarmCore
import Testing

@Suite("Piece picker") struct PiecePickerTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let availability: String
        let have: String
        let peer: String
        let picks: [Int]
        init(_ name: String, availability: String, have: String, peer: String, picks: [Int]) {
            (testDescription, self.availability, self.have) = (name, availability, have)
            (self.peer, self.picks) = (peer, picks)
        }
    }

    private func bits(_ drawing: String) -> Bitfield {
        var bits = Bitfield(pieceCount: drawing.count)
        for (index, character) in drawing.enumerated() where character == "#" {
            bits.insert(PieceIndex(index))
        }
        return bits
    }

    private func picker(
        _ example: Case,
        order: SwarmPolicy.RequestOrder = .rarestFirst
    ) -> PiecePicker {
        var picker = PiecePicker(held: bits(example.have), order: order, tieBreak: .lowestIndex)
        for (index, character) in example.availability.enumerated() {
            for _ in 0..<(character.wholeNumberValue ?? 0) { picker.peerGained(PieceIndex(index)) }
        }
        return picker
    }

    private func picks(_ picker: inout PiecePicker, _ peer: Bitfield, quota: Int) -> [Int] {
        var generator = Generator(seed: 1)
        var picks: [Int] = []
        while picks.count < quota, let pick = picker.pick(from: peer, using: &generator) {
            picks.append(pick.piece.value)
            picker.unwant(pick.piece)
        }
        return picks
    }

    @Test(
        "asks for the rarest missing piece first",
        arguments: [
            Case(
                "Kraken's own example",
                availability: "2310",
                have: "....",
                peer: "##.#",
                picks: [3, 0]
            ),
            Case(
                "skips owned pieces",
                availability: "3132",
                have: ".#..",
                peer: "####",
                picks: [3, 0]
            ),
            Case(
                "breaks ties by index",
                availability: "2222",
                have: "....",
                peer: "####",
                picks: [0, 1]
            ),
            Case(
                "asks only for what the peer holds",
                availability: "1111",
                have: "....",
                peer: "..#.",
                picks: [2]
            ),
            Case(
                "has nothing to ask when all is held",
                availability: "11",
                have: "##",
                peer: "##",
                picks: []
            ),
        ]
    )
    func rarestFirst(_ example: Case) {
        var picker = picker(example)
        #expect(picks(&picker, bits(example.peer), quota: 2) == example.picks)
    }

    @Test("what a reader waits for comes first, with that reason")
    func readers() throws {
        let example = Case("", availability: "11119", have: ".....", peer: "#####", picks: [])
        var picker = picker(example)
        picker.setWindows([4..<5])
        var generator = Generator(seed: 1)
        let pick = try #require(picker.pick(from: bits("#####"), using: &generator))
        #expect(pick.piece == PieceIndex(4))
        #expect(pick.reason == .reader)
        picker.unwant(pick.piece)
        #expect(picker.pick(from: bits("#####"), using: &generator)?.reason == .onlySource)
    }

    @Test("random ties spread peers of one source over the pieces")
    func spreads() {
        var firsts: Set<Int> = []
        for seed in 0..<32 {
            var picker = PiecePicker(
                held: Bitfield(pieceCount: 64),
                order: .rarestFirst,
                tieBreak: .random
            )
            for index in 0..<64 { picker.peerGained(PieceIndex(index)) }
            var generator = Generator(seed: UInt64(seed))
            let pick = picker.pick(from: .full(pieceCount: 64), using: &generator)
            firsts.insert(pick?.piece.value ?? -1)
        }
        #expect(firsts.count > 16)
    }

    // p2p §10.1-1: nothing is recounted for a pick; each change is booked when it happens, so the books must agree.
    @Test("counts follow what peers hold, whatever the order of changes", arguments: 1...20)
    func availability(_ seed: Int) throws {
        var generator = Generator(seed: UInt64(seed))
        let count = 1 + generator.below(200)
        var counts = [Int](repeating: 0, count: count)
        var wanted = Set(0..<count)
        var picker = PiecePicker(
            held: Bitfield(pieceCount: count),
            order: .rarestFirst,
            tieBreak: .random
        )
        for _ in 0..<1000 {
            let index = generator.below(count)
            switch generator.below(4) {
            case 0:
                counts[index] += 1
                picker.peerGained(PieceIndex(index))
            case 1 where counts[index] > 0:
                counts[index] -= 1
                picker.peerLost(PieceIndex(index))
            case 2:
                wanted.remove(index)
                picker.unwant(PieceIndex(index))
            default:
                wanted.insert(index)
                picker.want(PieceIndex(index))
            }
            let pick = picker.pick(from: .full(pieceCount: count), using: &generator)
            let rarest = wanted.map { counts[$0] }.min()
            #expect(pick.map { counts[$0.piece.value] } == rarest)
        }
    }
}
