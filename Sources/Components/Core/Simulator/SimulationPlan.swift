// SPDX-License-Identifier: Apache-2.0

package import Primitives
package import SwarmCore
package import TrackerCore

/// What is simulated: the cluster, its network, the blobs, and what goes wrong. Equal plans give equal runs.
package struct SimulationPlan: Sendable, Hashable {
    /// Hosts that want every blob.
    package var agents = 100
    /// Hosts that have the blobs.
    package var origins = 1
    /// Origins that have each blob; all of them when there are fewer.
    package var replicas = 3
    /// Trackers; each blob belongs to one, the others take over when it is down.
    package var trackers = 1
    /// The size of each blob of the image.
    package var blobBytes: [Int] = [256 << 20]
    /// The length of a piece.
    package var pieceBytes = 4 << 20
    /// What an agent sends and, apart from that, receives at most.
    package var bandwidth = ByteRate(bytesPerSecond: 300 << 20)
    /// What an origin sends at most; the agents' bandwidth when nil.
    package var originBandwidth: ByteRate?
    /// The time a message takes from host to host.
    package var latency = Duration.microseconds(500)
    /// Up to this much is added to a host's messages of one moment.
    package var jitter = Duration.microseconds(50)
    /// Zones that the hosts are dealt out to.
    package var zones = 1
    /// The latency between hosts of different zones.
    package var zoneLatency = Duration.milliseconds(10)
    /// What all hosts of one zone together send to other zones at most; nil means no limit.
    package var zoneBandwidth: ByteRate?
    /// The agents begin at random moments within this time.
    package var join = Duration.seconds(1)
    /// The time a tracker takes over an answer.
    package var trackerResponse = Duration.milliseconds(2)
    /// How often trackers want to hear from a peer.
    package var announceInterval = Duration.seconds(3)
    /// Agents in one handout; the origins come on top.
    package var handoutAgents = 50
    /// The order of handouts.
    package var handoutPolicy = HandoutPolicy.completeness
    /// From the last piece to the blob in the cache.
    package var commitTime = Duration.milliseconds(5)
    /// The rules of every scheduler.
    package var policy = SwarmPolicy()
    /// The bounds of every scheduler and tracker.
    package var limits = Limits()
    /// What goes wrong.
    package var faults = FaultPlan()
    /// Decides every random choice.
    package var seed: UInt64 = 1
    /// How much virtual time the downloads have; nil means twenty times the bound and ten minutes.
    package var deadline: Duration?
    /// Every how many events of a scheduler its books are audited; nil chooses by the number of hosts.
    package var auditInterval: Int?

    /// A hundred agents, one origin, one blob of 256 MiB.
    package init() {}

    /// All hosts: origins first.
    package var hostCount: Int { origins + agents }
    /// The size of all blobs together.
    package var imageBytes: Int { blobBytes.reduce(0, +) }

    /// The plan itself, once its numbers make sense.
    /// - Throws: ``PlanError`` naming the first that does not.
    package func validated() throws(PlanError) -> SimulationPlan {
        func require(_ holds: Bool, _ what: String, _ why: String) throws(PlanError) {
            guard holds else { throw PlanError(what: what, why: why) }
        }
        try require((1...100_000).contains(agents), "agents \(agents)", "1 to 100000 are possible")
        try require((1...1000).contains(origins), "origins \(origins)", "1 to 1000 are possible")
        try require(replicas > 0, "replicas \(replicas)", "a blob needs an origin")
        try require((1...1000).contains(trackers), "trackers \(trackers)", "1 to 1000 are possible")
        try require((1...255).contains(zones), "zones \(zones)", "1 to 255 are possible")
        try require((1...64).contains(blobBytes.count), "blobs", "an image has 1 to 64")
        try require(
            (1...limits.pieceBytesMax).contains(pieceBytes),
            "piece \(pieceBytes)",
            "a piece has 1 to \(limits.pieceBytesMax) bytes"
        )
        for bytes in blobBytes {
            let pieces = bytes <= 0 ? 0 : (bytes - 1) / pieceBytes + 1
            try require(
                (1...limits.piecesPerBlobMax).contains(pieces),
                "blob of \(ByteCount(bytes))",
                "\(pieces) pieces of \(ByteCount(pieceBytes)), 1 to \(limits.piecesPerBlobMax) are possible"
            )
        }
        let times = [latency, jitter, zoneLatency, join, trackerResponse, commitTime]
        try require(times.allSatisfy { $0 >= .zero }, "a time", "no time is negative")
        try require(latency > .zero, "latency", "it must be more than nothing")
        try require(handoutAgents >= 0, "handout \(handoutAgents)", "it can't be negative")
        try require((auditInterval ?? 1) > 0, "audit interval", "it must be at least 1")
        try faults.validate(for: self)
        return self
    }
}

/// Why a plan, a fault or a scenario can't be simulated.
package struct PlanError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong.
    package let what: String
    /// What it may be.
    package let why: String

    /// `what` is wrong, because of `why`.
    package init(what: String, why: String) { (self.what, self.why) = (what, why) }

    package var description: String { "\(what): \(why)" }
}

// MARK: - Presets

extension SimulationPlan {
    /// Plans with a name.
    package enum Preset: String, CaseIterable, Sendable {
        /// Kraken's published benchmark: 3 GB in two layers to 2600 hosts.
        case kraken
        /// The same image to 15,000 hosts.
        case fifteenThousand = "15k"
        /// Kraken's road map: 100 GB to 10,000 hosts.
        case hundredGigabytes = "100gb"
        /// Three zones with narrow links between them.
        case zones
    }

    /// The plan called `preset`.
    package init(_ preset: Preset) {
        self.init()
        (agents, origins, trackers) = (2600, 5, 5)
        blobBytes = [1_500_000_000, 1_500_000_000]
        bandwidth = ByteRate(bytesPerSecond: 300_000_000)
        switch preset {
        case .kraken: break
        case .fifteenThousand: agents = 15_000
        case .hundredGigabytes:
            agents = 10_000
            blobBytes = [100_000_000_000]
            pieceBytes = 64 << 20
        case .zones:
            (agents, origins, trackers, zones) = (900, 3, 3, 3)
            zoneLatency = .milliseconds(20)
            zoneBandwidth = ByteRate(bytesPerSecond: 3 << 30)
        }
    }
}
