// SPDX-License-Identifier: Apache-2.0

package import Content
package import Primitives

/// Who announced what, and how lately: all that a tracker remembers.
///
/// Bounded thrice. The peer of a swarm that announced longest ago makes room in its swarm, the swarm longest without an
/// announce makes room among the swarms, and it also makes room when the peers are too many in all. Expiry costs a few
/// steps per announce: the oldest peers of the announced swarm and the oldest swarms are looked at each time.
/// - Source: uber/kraken tracker/peerstore/local.go for the time to live and the uniformly random choice.
package struct PeerTable: Sendable {
    /// What one swarm's peer said last. Its id is the key.
    struct Peer: Sendable {
        var ip: String
        var port: UInt16
        var isComplete: Bool
    }

    /// One swarm.
    struct Swarm: Sendable {
        var digest: Digest
        var peers = RecencyMap<PeerID, Peer>()
        var completeCount = 0
    }

    private let timeToLive: Duration
    private let swarmsMax: Int
    private let peersPerSwarmMax: Int
    private let peersMax: Int
    private var swarms = RecencyMap<InfoHash, Swarm>()
    private var generator: Generator

    /// Peers remembered, over all swarms.
    package private(set) var peerCount = 0
    /// Swarms remembered.
    package var swarmCount: Int { swarms.count }

    /// An empty table whose peers are forgotten `timeToLive` after their last announce.
    package init(timeToLive: Duration = .hours(5), limits: Limits = Limits(), seed: UInt64) {
        self.timeToLive = timeToLive
        swarmsMax = max(1, limits.trackedSwarmsMax)
        peersPerSwarmMax = max(1, limits.trackedPeersPerSwarmMax)
        peersMax = max(1, limits.trackedPeersMax)
        generator = Generator(seed: seed)
    }

    /// Notes that `peer` is in the swarm `infoHash` of `digest`, with all it says of itself.
    package mutating func note(
        _ peer: PeerInfo,
        in infoHash: InfoHash,
        of digest: Digest,
        at now: Instant
    ) {
        expireSwarms(at: now)
        let fresh = Peer(
            ip: peer.ip,
            port: UInt16(clamping: peer.port),
            isComplete: peer.isComplete
        )
        let deadline = expiryBound(at: now)
        let peersPerSwarmMax = peersPerSwarmMax
        let added = swarms.touch(
            infoHash,
            at: now,
            initial: { Swarm(digest: digest) },
            change: { swarm in
                swarm.digest = digest
                let before = swarm.peers.count
                swarm.expire(touchedBefore: deadline)
                swarm.note(peer.peerID, fresh, at: now)
                if swarm.peers.count > peersPerSwarmMax { swarm.removeOldest() }
                return swarm.peers.count - before
            }
        )
        peerCount += added
        while swarms.count > swarmsMax || (peerCount > peersMax && swarms.count > 1) {
            removeOldestSwarm()
        }
    }

    /// Forgets `peer` in the swarm `infoHash`; answers whether it was there.
    @discardableResult package mutating func remove(_ peer: PeerID, from infoHash: InfoHash) -> Bool
    {
        let emptied = swarms.update(infoHash) { swarm -> (wasThere: Bool, isEmpty: Bool) in
            let wasThere = swarm.remove(peer)
            return (wasThere, swarm.peers.isEmpty)
        }
        guard let emptied, emptied.wasThere else { return false }
        peerCount -= 1
        if emptied.isEmpty { swarms.remove(infoHash) }
        return true
    }

    /// At most `count` distinct peers of the swarm, uniformly at random and in random order, without `requester` and
    /// without any that has expired.
    package mutating func sample(
        _ count: Int,
        of infoHash: InfoHash,
        excluding requester: PeerID?,
        at now: Instant
    ) -> [PeerInfo] {
        expirePeers(of: infoHash, at: now)
        guard count > 0, let swarm = swarms[infoHash] else { return [] }
        // One more than asked for, in case the requester is among them.
        let positions = generator.distinct(
            min(count + 1, swarm.peers.count),
            below: swarm.peers.count
        )
        var result: [PeerInfo] = []
        result.reserveCapacity(count)
        for position in positions where result.count < count {
            let entry = swarm.peers.entries[position]
            if entry.key != requester { result.append(PeerInfo(entry.key, entry.value)) }
        }
        return result
    }

    /// Forgets every peer and swarm whose time is over, a few swarms at a time.
    /// - Complexity: amortised constant; at most `stepsMax` swarms are dropped.
    package mutating func expireSwarms(at now: Instant, stepsMax: Int = 4) {
        let deadline = expiryBound(at: now)
        for _ in 0..<stepsMax {
            guard let oldest = swarms.oldest, oldest.touchedAt <= deadline else { return }
            removeOldestSwarm()
        }
    }

    private mutating func expirePeers(of infoHash: InfoHash, at now: Instant) {
        let deadline = expiryBound(at: now)
        let outcome = swarms.update(infoHash) { swarm -> (expiredCount: Int, isEmpty: Bool) in
            let before = swarm.peers.count
            swarm.expire(touchedBefore: deadline)
            return (before - swarm.peers.count, swarm.peers.isEmpty)
        }
        guard let outcome else { return }
        peerCount -= outcome.expiredCount
        if outcome.isEmpty { swarms.remove(infoHash) }
    }

    private mutating func removeOldestSwarm() {
        guard let (_, swarm) = swarms.removeOldest() else { return }
        peerCount -= swarm.peers.count
    }

    /// A peer that announced at or before this instant has expired at `now`.
    private func expiryBound(at now: Instant) -> Instant {
        now.advanced(by: .zero - timeToLive)
    }
}

// MARK: - Looking in

extension PeerTable {
    /// What is known of one swarm, in numbers.
    package struct SwarmSummary: Hashable, Sendable {
        /// The swarm.
        package let infoHash: InfoHash
        /// Its blob.
        package let digest: Digest
        /// Its peers.
        package let peerCount: Int
        /// Those that said they are complete.
        package let completeCount: Int
    }

    /// At most `count` swarms, the ones that announced latest first.
    package func latestSwarms(_ count: Int) -> [SwarmSummary] {
        swarms.newest(count).map { entry in
            SwarmSummary(
                infoHash: entry.key,
                digest: entry.value.digest,
                peerCount: entry.value.peers.count,
                completeCount: entry.value.completeCount
            )
        }
    }

    /// Every peer of the swarm, in no particular order.
    package func peers(of infoHash: InfoHash) -> [PeerInfo] {
        swarms[infoHash]?.peers.entries.map { PeerInfo($0.key, $0.value) } ?? []
    }

    /// Traps unless the running counts are right.
    /// - Complexity: O(peers); for tests.
    package func checkInvariants() {
        let counts = swarms.entries.map(\.value.peers.count)
        precondition(counts.reduce(0, +) == peerCount, "the number of peers has drifted")
        precondition(
            counts.allSatisfy { $0 > 0 && $0 <= peersPerSwarmMax },
            "a swarm out of bounds"
        )
        precondition(swarms.count <= swarmsMax, "too many swarms")
        for swarm in swarms.entries.map(\.value) {
            let complete = swarm.peers.entries.count { $0.value.isComplete }
            precondition(complete == swarm.completeCount, "the number of seeders has drifted")
        }
    }
}

extension PeerTable.Swarm {
    mutating func note(_ peerID: PeerID, _ peer: PeerTable.Peer, at now: Instant) {
        // A new peer is first put in as incomplete: nothing was counted for it yet.
        let blank = PeerTable.Peer(ip: peer.ip, port: peer.port, isComplete: false)
        let wasComplete = peers.touch(peerID, at: now, initial: { blank }) { known in
            defer { known = peer }
            return known.isComplete
        }
        completeCount += (peer.isComplete ? 1 : 0) - (wasComplete ? 1 : 0)
    }

    mutating func remove(_ peerID: PeerID) -> Bool {
        guard let peer = peers.remove(peerID) else { return false }
        if peer.isComplete { completeCount -= 1 }
        return true
    }

    mutating func removeOldest() {
        if let (_, peer) = peers.removeOldest(), peer.isComplete { completeCount -= 1 }
    }

    mutating func expire(touchedBefore deadline: Instant) {
        while let oldest = peers.oldest, oldest.touchedAt <= deadline { removeOldest() }
    }
}

extension PeerInfo {
    fileprivate init(_ peerID: PeerID, _ peer: PeerTable.Peer) {
        self.init(
            peerID: peerID,
            ip: peer.ip,
            port: Int(peer.port),
            isComplete: peer.isComplete
        )
    }
}

extension Generator {
    /// `count` distinct integers in `0 ..< bound`, every choice and order equally likely.
    ///
    /// The first steps of a Fisher–Yates shuffle of all the integers, of which only the displaced ones are kept.
    /// - Complexity: O(count²) with a tiny constant; `count` is some 50.
    /// - Precondition: `count` is at most `bound`.
    package mutating func distinct(_ count: Int, below bound: Int) -> [Int] {
        precondition(count <= bound, "more distinct integers than there are")
        var displaced: [(position: Int, value: Int)] = []
        var result: [Int] = []
        result.reserveCapacity(count)
        for step in 0..<count {
            let position = step + below(bound - step)
            let here = displaced.last { $0.position == step }?.value ?? step
            let there = displaced.last { $0.position == position }?.value ?? position
            result.append(there)
            displaced.append((position, here))
        }
        return result
    }
}
