// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives

/// Which pieces this host fetches from the origins, among connected agents that all miss them.
///
/// Each piece is the duty of the agent whose weight for it is the greatest, as in rendezvous hashing, so that agents which
/// begin together fetch different pieces without a word: every one of them computes the same answer from the ids it is
/// connected to or dials. Their views differ a little, and then a piece leaves the origins twice; nothing depends on their
/// agreeing. Each begins with what is the most its own, so that the first ones, who know nobody yet, seldom fetch what falls
/// to a later one.
struct OriginDuty: Sendable {
    private let own: UInt64
    private var rivals: [UInt64] = []
    /// Agents that a tracker named.
    private var known: [UInt64] = []
    /// The pieces that are ours to fetch.
    private(set) var pieces: Bitfield

    /// Whether there is anybody to share with.
    var isShared: Bool { !rivals.isEmpty || !known.isEmpty }

    /// Everything is the duty of `localPeer` until it has a rival.
    init(of localPeer: PeerID?, pieceCount: Int) {
        own = localPeer?.dutySeed ?? 0
        pieces = .full(pieceCount: pieceCount)
    }

    /// An agent that misses pieces is connected.
    mutating func add(_ rival: PeerID) {
        rivals.append(rival.dutySeed)
        for piece in pieces.indices where isOutweighed(piece, by: rival.dutySeed) {
            pieces.remove(piece)
        }
    }

    /// That agent is gone; its duties fall to the others.
    mutating func remove(_ rival: PeerID) {
        guard let index = rivals.firstIndex(of: rival.dutySeed) else { return }
        rivals.remove(at: index)
        for index in 0..<pieces.pieceCount {
            let piece = PieceIndex(index)
            guard !pieces.contains(piece) else { continue }
            if isOurs(piece) { pieces.insert(piece) }
        }
    }

    /// These are the agents that miss pieces and that a tracker knows of, connected or not.
    mutating func know(_ peers: some Sequence<PeerID>) {
        known = peers.map(\.dutySeed)
        var ours = Bitfield(pieceCount: pieces.pieceCount)
        for index in 0..<pieces.pieceCount where isOurs(PieceIndex(index)) {
            ours.insert(PieceIndex(index))
        }
        pieces = ours
    }

    private func isOurs(_ piece: PieceIndex) -> Bool {
        !rivals.contains { isOutweighed(piece, by: $0) }
            && !known.contains { isOutweighed(piece, by: $0) }
    }

    /// Of `pieces` the one that is the most ours: which is still ours when more rivals come, and hardly anybody else's first
    /// choice.
    func foremost(of pieces: some Sequence<PieceIndex>) -> PieceIndex? {
        pieces.map { (piece: $0, weight: Self.weight(own, $0)) }.max { $0.weight < $1.weight }?
            .piece
    }

    /// Those of `peers` whose duty `pieces` are rather than ours, whoever else there may be.
    func holders(of pieces: some Sequence<PieceIndex>, among peers: [PeerID]) -> Set<PeerID> {
        let rivals = peers.map { (peer: $0, seed: $0.dutySeed) }
        return Set(
            pieces.compactMap { piece in
                let heaviest = rivals.max {
                    Self.weight($0.seed, piece) < Self.weight($1.seed, piece)
                }
                return heaviest.flatMap { isOutweighed(piece, by: $0.seed) ? $0.peer : nil }
            }
        )
    }

    private func isOutweighed(_ piece: PieceIndex, by rival: UInt64) -> Bool {
        Self.weight(rival, piece) > Self.weight(own, piece)
    }

    private static func weight(_ seed: UInt64, _ piece: PieceIndex) -> UInt64 {
        var generator = Generator(seed: seed ^ UInt64(bitPattern: Int64(piece.value)) << 20)
        return generator.next()
    }
}

extension PeerID {
    /// The id in 64 bits, the same on every host.
    fileprivate var dutySeed: UInt64 {
        var generator = Generator(seed: words.first)
        generator = Generator(seed: generator.next() ^ words.second)
        generator = Generator(seed: generator.next() ^ UInt64(words.third))
        return generator.next()
    }
}
