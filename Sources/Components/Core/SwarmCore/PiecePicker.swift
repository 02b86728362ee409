// SPDX-License-Identifier: Apache-2.0

package import Content
package import Primitives

/// HOW A PIECE GETS PICKED: which missing piece to ask a peer for, and why.
///
/// In this order: a piece inside a reader's window; the rarest piece nobody was asked for (or any, by policy); in
/// endgame, a piece that another peer is slow to deliver. Owns no requests; ``Swarm`` tells it what is under way.
package struct PiecePicker: Sendable {
    /// A chosen piece with the reason for it.
    package struct Pick: Hashable, Sendable {
        /// The piece to ask for.
        package let piece: PieceIndex
        /// Why this one.
        package let reason: RequestReason
    }

    private(set) var availability: PieceAvailability
    /// How many connected agents hold each piece; the rest of the availability are origins.
    private var agentCounts: [UInt16]
    /// The pieces that no connected agent holds.
    private var unshared: Bitfield
    /// Which pieces are ours to fetch from origins.
    private var duty: OriginDuty
    /// Those of them that no connected agent holds.
    private var due: Bitfield
    private var windows: [Range<Int>] = []
    private let order: SwarmPolicy.RequestOrder
    private let tieBreak: SwarmPolicy.TieBreak
    private let pieceCount: Int

    /// A picker of `localPeer` for a blob of which `held` is on disk.
    package init(
        held: Bitfield,
        order: SwarmPolicy.RequestOrder,
        tieBreak: SwarmPolicy.TieBreak,
        localPeer: PeerID? = nil
    ) {
        availability = PieceAvailability(held: held)
        agentCounts = Array(repeating: 0, count: held.pieceCount)
        unshared = .full(pieceCount: held.pieceCount)
        due = unshared
        duty = OriginDuty(of: localPeer, pieceCount: held.pieceCount)
        (self.order, self.tieBreak, pieceCount) = (order, tieBreak, held.pieceCount)
    }

    /// The piece that the most urgent reader waits for.
    var readerPiece: PieceIndex? { windows.first.map { PieceIndex($0.lowerBound) } }

    /// The pieces that readers wait for, most urgent first.
    package mutating func setWindows(_ windows: [Range<Int>]) {
        self.windows = windows.map { $0.clamped(to: 0..<pieceCount) }
    }

    /// The piece may be asked for: it is missing and nobody was asked.
    package mutating func want(_ piece: PieceIndex) { availability.want(piece) }
    /// The piece is under way or held.
    package mutating func unwant(_ piece: PieceIndex) { availability.unwant(piece) }
    /// A connected peer turned out to hold `piece`.
    package mutating func peerGained(_ piece: PieceIndex, isOrigin: Bool = false) {
        availability.add(piece)
        guard !isOrigin else { return }
        agentCounts[piece.value] += 1
        unshared.remove(piece)
        due.remove(piece)
    }
    /// A connected peer no longer holds `piece`, or left.
    package mutating func peerLost(_ piece: PieceIndex, isOrigin: Bool = false) {
        availability.subtract(piece)
        guard !isOrigin else { return }
        agentCounts[piece.value] -= 1
        guard agentCounts[piece.value] == 0 else { return }
        unshared.insert(piece)
        if duty.pieces.contains(piece) { due.insert(piece) }
    }

    /// An agent that misses pieces is connected, or dialled: it fetches its share of them from the origins.
    mutating func share(with rival: PeerID) {
        duty.add(rival)
        due = unshared.intersection(duty.pieces)
    }

    /// These agents miss pieces, too, as a tracker says.
    mutating func share(withKnown agents: some Sequence<PeerID>) {
        duty.know(agents)
        due = unshared.intersection(duty.pieces)
    }

    /// Those of `agents` that fetch from the origins what is missing here, all of them taken together.
    func dutyHolders(among agents: [PeerID]) -> Set<PeerID> {
        duty.holders(of: availability.wanted.indices, among: agents)
    }

    /// That agent is gone.
    mutating func shareNoMore(with rival: PeerID) {
        duty.remove(rival)
        due = unshared.intersection(duty.pieces)
    }

    /// What an origin is asked for.
    struct OriginTerms {
        /// Also what is another agent's to fetch, and no agent holds: it seems to be unable to.
        let takesOver: Bool
        /// Also the piece that a reader waits for.
        let isReaderImpatient: Bool
    }

    /// The best piece to ask an origin for that holds `bits`: one that no agent holds and that is ours to fetch, so that each
    /// piece leaves the origins about once. All readers of a new blob want the same first pieces, so that each host fetches
    /// its share of a window.
    func originPick(from bits: Bitfield, _ terms: OriginTerms) -> Pick? {
        if let pick = originPick(from: bits, of: due, terms) { return pick }
        return terms.takesOver ? originPick(from: bits, of: unshared, terms) : nil
    }

    private func originPick(
        from bits: Bitfield,
        of ours: Bitfield,
        _ terms: OriginTerms
    ) -> Pick? {
        if let piece = originReaderPick(from: bits, ours, terms) {
            return Pick(piece: piece, reason: .reader)
        }
        guard let piece = originPiece(in: ours, bits) else { return nil }
        guard order == .rarestFirst else { return Pick(piece: piece, reason: .random) }
        return Pick(piece: piece, reason: reason(for: piece))
    }

    /// All of them are held by origins only, so that none is rarer.
    private func originPiece(in ours: Bitfield, _ bits: Bitfield) -> PieceIndex? {
        switch tieBreak {
        case .random:
            duty.foremost(of: availability.wanted.intersection(ours).intersection(bits).indices)
        case .lowestIndex: availability.any(in: ours.intersection(bits), from: 0)
        }
    }

    /// Why the rarest piece is asked for.
    func reason(for piece: PieceIndex) -> RequestReason {
        let count = availability.count(of: piece)
        return count == 1 ? .onlySource : .rarest(availability: count)
    }

    /// A lone host fetches a window in its order; among others each begins with what is the most its own.
    private func originReaderPick(
        from bits: Bitfield,
        _ ours: Bitfield,
        _ terms: OriginTerms
    ) -> PieceIndex? {
        func isOffered(_ piece: PieceIndex) -> Bool {
            availability.wanted.contains(piece) && bits.contains(piece)
        }
        for window in windows {
            let awaited = PieceIndex(window.lowerBound)
            if terms.isReaderImpatient, unshared.contains(awaited), isOffered(awaited) {
                return awaited
            }
            let pieces = window.lazy.map(PieceIndex.init)
            let choices = pieces.filter { ours.contains($0) && isOffered($0) }
            if let piece = duty.isShared ? duty.foremost(of: choices) : choices.first {
                return piece
            }
        }
        return nil
    }

    /// Whether no connected agent holds `piece`, and it falls to this host to fetch it from the origins.
    func isDue(_ piece: PieceIndex) -> Bool { due.contains(piece) }

    /// How many connected agents hold `piece`.
    func agentCount(of piece: PieceIndex) -> Int { Int(agentCounts[piece.value]) }

    /// Whether others fetch pieces from the origins, too.
    var isDutyShared: Bool { duty.isShared }

    /// Whether a piece may be asked for that no connected agent holds.
    var isAnyUnshared: Bool {
        zip(availability.wanted.words, unshared.words).contains { $0 & $1 != 0 }
    }

    private func start(using generator: inout Generator) -> Int {
        tieBreak == .random && pieceCount > 0 ? generator.below(pieceCount) : 0
    }

    /// The best piece to ask a peer for that holds `bits`; nil when it has none that is wanted.
    /// - Complexity: O(readers' windows + availability levels × pieces / 64).
    package func pick(from bits: Bitfield, using generator: inout Generator) -> Pick? {
        let start = start(using: &generator)
        if let piece = readerPick(from: bits, start: start) {
            return Pick(piece: piece, reason: .reader)
        }
        switch order {
        case .rarestFirst:
            return availability.rarest(in: bits, from: start).map {
                Pick(piece: $0, reason: reason(for: $0))
            }
        case .random:
            return availability.any(in: bits, from: start).map { Pick(piece: $0, reason: .random) }
        }
    }

    /// The rarest wanted piece of the most urgent window that has any; windows are a few pieces wide.
    private func readerPick(from bits: Bitfield, start: Int) -> PieceIndex? {
        for window in windows {
            var best: PieceIndex?
            for step in 0..<window.count {
                // Around from a random place, so that readers of the same window at several hosts spread out.
                let piece = PieceIndex(window.lowerBound + (step + start) % window.count)
                guard availability.wanted.contains(piece), bits.contains(piece) else { continue }
                if best.map({ availability.count(of: piece) < availability.count(of: $0) }) ?? true
                {
                    best = piece
                }
            }
            if let best { return best }
        }
        return nil
    }

    /// The rules that are broken when the connected peers hold what `holders` says; for tests.
    func brokenRules(holders: [(bits: Bitfield, isOrigin: Bool)]) -> [String] {
        var broken = availability.brokenRules()
        if due != unshared.intersection(duty.pieces) { broken.append("due pieces out of step") }
        for index in 0..<pieceCount {
            let piece = PieceIndex(index)
            let all = holders.count { $0.bits.contains(piece) }
            let agents = holders.count { !$0.isOrigin && $0.bits.contains(piece) }
            if availability.count(of: piece) != all || Int(agentCounts[index]) != agents
                || unshared.contains(piece) != (agents == 0)
            {
                broken.append("piece \(index) has \(all) holders, \(agents) of them agents")
            }
        }
        return broken
    }
}
