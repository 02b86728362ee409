// SPDX-License-Identifier: Apache-2.0

package import Content
package import Telemetry

/// One blob and how the cluster does with it.
package struct BlobRow: Equatable, Sendable, Identifiable {
    package var digest: Digest
    /// Its swarm.
    package var infoHash: InfoHash?
    /// The namespace, with the tag where just one names it: `demo/web:v42`.
    package var label = ""
    /// Its size.
    package var blobBytes = 0
    /// The length of a piece.
    package var pieceBytes = 0
    /// How many pieces it has.
    package var pieceCount = 0
    /// Peers that have all of it.
    package var seederCount = 0
    /// Peers that lack some of it.
    package var leecherCount = 0
    /// The mean share held by peers over runs of pieces, at most ``shareCount`` of them, each 0 … 1.
    package var shares: [Float] = []
    /// The share of all pieces that agents hold.
    package var done: Double = 0
    /// Payload bytes per second that agents receive of it.
    package var rate: Double = 0
    /// Seconds left at this rate; nil when nothing moves or nothing is left.
    package var secondsLeft: Double?
    /// Distributed copies: those of the rarest piece, plus the share of pieces that have more.
    package var copies: Double = 0

    /// How many runs ``shares`` has at most.
    package static let shareCount = 64

    package var id: Digest { digest }
    /// Whether something is still to come.
    package var isActive: Bool { leecherCount > 0 || rate > 0 }
    /// A blob of which nothing else is known.
    package init(digest: Digest) { self.digest = digest }
}

/// The swarm of one blob in detail.
package struct SwarmPicture: Equatable, Sendable {
    package var digest: Digest
    /// Its swarm.
    package var infoHash: InfoHash?
    /// What it is called; empty where nobody knows.
    package var label = ""
    /// Its size.
    package var blobBytes = 0
    /// The length of a piece.
    package var pieceBytes = 0
    /// How many pieces it has.
    package var pieceCount = 0
    /// How pieces are picked.
    package var policy = "rarest_first"
    /// Origins first, then agents by number.
    package var peers: [PeerRow] = []
    /// Who is connected to whom.
    package var connections: [ConnectionRow] = []
    /// How many peers hold each piece; empty when there are too many peers to know.
    package var copies: [UInt16] = []
    /// A swarm without peers.
    package init(digest: Digest) { self.digest = digest }

    /// Distributed copies: those of the rarest piece, plus the share of pieces that have more (rtorrent's measure).
    package var distributedCopies: Double { Copies.distributed(copies) }

    /// The position in ``peers`` of the peer called `name`.
    package func index(of name: String) -> Int? { peers.firstIndex { $0.name == name } }
}

/// One peer of a swarm.
package struct PeerRow: Equatable, Sendable, Identifiable {
    /// Its identifier.
    package var peerID: PeerID
    /// `a05`.
    package var name: String
    /// `agent-5`; nil when no component is known by this identifier.
    package var componentID: String?
    /// Where it is, if that is known.
    package var address: String?
    /// Whether it is an origin.
    package var isOrigin = false
    /// It does not answer, or its component is gone.
    package var isDown = false
    /// The pieces it holds.
    package var bits: Bitfield
    /// Pieces that are arriving.
    package var arriving: [Int] = []
    /// Payload bytes per second.
    package var downloadRate: Double = 0
    /// Payload bytes per second that it sends.
    package var uploadRate: Double = 0
    /// Its connections in this swarm.
    package var connectionCount = 0
    /// The most that it may have.
    package var connectionsMax: Int?
    /// Seconds since the swarm came into its memory.
    package var ageSeconds: Double = 0
    /// The peers it refuses, and for how many seconds more.
    package var bans: [Ban] = []
    /// Moves with ``bits``, so that what was drawn of them can be kept.
    package var revision: UInt64 = 0

    /// A peer that is refused for a while.
    package struct Ban: Equatable, Sendable {
        package var name: String
        /// Why.
        package var reason: String
        /// For how much longer.
        package var remainingSeconds: Double
        /// `name` is refused because of `reason`.
        package init(name: String, reason: String, remainingSeconds: Double) {
            (self.name, self.reason, self.remainingSeconds) = (name, reason, remainingSeconds)
        }
    }

    package var id: PeerID { peerID }
    /// Whether it has all pieces.
    package var isComplete: Bool { bits.isComplete }
    /// The share of pieces held, 0 … 1.
    package var done: Double {
        bits.pieceCount == 0 ? 1 : Double(bits.heldCount) / Double(bits.pieceCount)
    }

    /// A peer that holds `bits`.
    package init(peerID: PeerID, name: String, bits: Bitfield) {
        (self.peerID, self.name, self.bits) = (peerID, name, bits)
    }
}

/// One connection of a swarm. `first` and `second` are positions in ``SwarmPicture/peers``, `first` the smaller.
package struct ConnectionRow: Equatable, Sendable {
    /// One end.
    package var first: Int
    /// The other.
    package var second: Int
    /// Payload bytes per second from `first` to `second`, and back.
    package var forwardRate: Double = 0
    /// Payload bytes per second from `second` to `first`.
    package var backwardRate: Double = 0
    /// Pieces that `second` has asked of `first` and does not have yet, and the other way round.
    package var askedOfFirst: [Int] = []
    /// Pieces that `first` has asked of `second` and does not have yet.
    package var askedOfSecond: [Int] = []
    /// The most that may be asked of `first` at a time, and of `second`.
    package var slotsAtFirst: Int?
    /// The most that `first` may ask of `second` at a time.
    package var slotsAtSecond: Int?
    /// When a piece last went from `first` to `second`; nil when it is not known, the beginning of time when that is long ago.
    package var forwardPieceAt: Timestamp?
    /// When a piece last went from `second` to `first`.
    package var backwardPieceAt: Timestamp?
    /// So long after its last piece a connection counts as idle.
    package static let fadeSeconds: Double = 1
    /// A connection over which nothing flows.
    package init(first: Int, second: Int) { (self.first, self.second) = (first, second) }

    /// The faster of both directions.
    package var rate: Double { max(forwardRate, backwardRate) }
}

/// The origins' ring: who owns which share of the shards.
package struct RingPicture: Equatable, Sendable {
    /// One origin.
    package struct Member: Equatable, Sendable {
        /// `o1` where the component is known, else its address.
        package var name: String
        /// Its label in the hash.
        package var address: String
        /// Whether the others find it healthy.
        package var isHealthy: Bool
        /// Of ``shardCount``, those it owns first.
        package var shards: Int?
        /// The origin at `address`.
        package init(name: String, address: String, isHealthy: Bool, shards: Int?) {
            (self.name, self.address) = (name, address)
            (self.isHealthy, self.shards) = (isHealthy, shards)
        }
    }
    /// The origins, in the order of their labels.
    package var members: [Member]
    /// How many owners a blob has at most.
    package var replicasMax: Int
    /// How many shards there are: one for each value of a digest's first four digits.
    package static let shardCount = 65_536
    /// The blob whose owners are known.
    package var owned: Digest?
    /// Its owners by their positions in ``members``, the first one first, whatever their health.
    package var owners: [Int] = []
    /// Who comes after whom, shard by shard; nil until that is worked out.
    package var rankings: RingRankings?
    /// A ring of `members`.
    package init(members: [Member], replicasMax: Int) {
        (self.members, self.replicasMax) = (members, replicasMax)
    }
}
