// SPDX-License-Identifier: Apache-2.0

package import Content
package import Telemetry

/// What the screens show of a cluster at one moment. Every part is shared with the picture before it where nothing changed.
package struct ClusterPicture: Equatable, Sendable {
    /// Where the picture comes from, and so what can be done to it.
    package enum Source: String, Codable, Sendable {
        /// This process runs the cluster.
        case herd
        /// Components that run elsewhere.
        case remote
        /// A recording.
        case replay
        /// A simulation.
        case simulator
    }

    /// What the cluster is called.
    package var name = "herd"
    /// Where it comes from.
    package var source = Source.herd
    /// Moves whenever something else in the picture does.
    package var version: UInt64 = 0
    /// When the picture was taken; an empty picture has 0.
    package var takenAt = Timestamp(unixNanoseconds: 0)
    /// Proxies, build-indexes, trackers, origins, testfs, then agents, each kind by number.
    package var components: [ComponentRow] = []
    /// Sums over the cluster.
    package var totals = Totals()
    /// Rates of the last minute.
    package var series = RateSeries()
    /// The blobs that swarms move or keep, by digest.
    package var blobs: [BlobRow] = []
    /// The swarm of the blob that is looked at.
    package var swarm: SwarmPicture?
    /// Work that must finish.
    package var queues: [QueueRow] = []
    /// The origins' ring.
    package var ring: RingPicture?
    /// Faults that someone switched on.
    package var faults: [FaultRow] = []
    /// Tags by the digest of the manifest they name.
    package var tags: [TagStatus.Entry] = []
    /// Images whose content is known, the newest last; at most ``imagesMax``.
    package var images: [ImageRow] = []
    /// How many images are kept.
    package static let imagesMax = 64
    /// The short names of peers.
    package var names: [PeerID: String] = [:]
    /// The latest events.
    package var events = EventWindow()
    /// The latest lines logged.
    package var logs = LogWindow()
    /// What was done with the cluster's moments that matter: pushes, first seeders, faults; oldest first.
    package var marks: [TimeMark] = []
    /// The latest moment that a lesson wants to be looked at, and what there is to see.
    package var lesson: TimeMark?
    /// The time before and after the moment shown, as far as it is kept.
    package var timeline = Timeline()
    /// The rules by which the swarms go.
    package var rules = SwarmRules()

    /// A picture of nothing, before the first sample.
    package init() {}

    /// Whether nothing has come yet.
    package var isEmpty: Bool { takenAt.unixNanoseconds == 0 }

    /// The agents among ``components``.
    package var agents: [ComponentRow] { components.filter { $0.kind == .agent } }

    /// The name of a peer: of its component where that is known, else the beginning of its identifier.
    package func name(of peer: PeerID) -> String { names[peer] ?? String(peer.hex.prefix(6)) }

    /// The component called `name`, by its long or its short name.
    package func component(_ name: String) -> ComponentRow? {
        components.first { $0.id == name || $0.shortName == name }
    }

    /// Whether images can be pushed and pulled, and queues be told what to do: this process runs the components.
    package var canControl: Bool { source == .herd }

    /// Whether faults can be switched on.
    package var canInjectFaults: Bool { source == .herd || source == .simulator }

    /// Whether `needs` is given.
    package func allows(_ needs: KeyBinding.Needs) -> Bool {
        switch needs {
        case .nothing: true
        case .faults: canInjectFaults
        case .control: canControl
        }
    }
}

/// One component.
package struct ComponentRow: Equatable, Sendable, Identifiable {
    /// How well what is shown is known.
    package enum Freshness: Equatable, Sendable {
        /// It was asked just now.
        case fresh
        /// It did not answer for so many seconds; what is shown is old.
        case stale(seconds: Double)
        /// It is gone, for so many seconds.
        case down(seconds: Double)
        /// It answers health checks only (stock Kraken).
        case limited
    }

    /// `agent-5`.
    package var id: String
    /// `a05`.
    package var shortName: String
    package var kind: ComponentKind
    /// How well it is known.
    package var freshness = Freshness.fresh
    /// What it says of itself.
    package var health = Health.starting
    /// Why it is not well, in words.
    package var healthReason: String?
    /// Where it listens, by purpose.
    package var addresses: [String: String] = [:]
    /// Seconds since it started.
    package var uptimeSeconds: Double = 0
    /// Its counters by name.
    package var counters: [String: Int] = [:]
    /// Its levels by name.
    package var gauges: [String: Double] = [:]
    /// What it stores.
    package var storage: StorageStatus?
    /// The swarms it tracks.
    package var tracking: TrackingStatus?
    /// Tags that it knows.
    package var tagCount: Int?
    /// What it is called in swarms.
    package var peerID: PeerID?
    /// Payload bytes per second, averaged over the last second.
    package var downloadRate: Double = 0
    /// The same for what it sends.
    package var uploadRate: Double = 0
    /// The rates of counters per second, by the counter's name.
    package var rates: [String: Double] = [:]
    /// The share held of all pieces in its unfinished swarms; 1 when there is none.
    package var completion: Double = 1
    /// Swarms in memory, and how many of them are unfinished.
    package var swarmCount = 0
    /// How many of ``swarmCount`` are unfinished.
    package var leechingCount = 0
    /// Connections to peers, over all its swarms.
    package var connectionCount = 0
    /// How long it took to answer, in milliseconds, the latest last; at most ``latencyCount``.
    package var latencies: [Double] = []
    /// Faults that someone switched on, in words.
    package var faults: [String] = []
    /// Its configuration as far as it tells, and whether a value differs from its default.
    package var settings: [SettingStatus] = []

    /// How many latencies are kept.
    package static let latencyCount = 30

    /// Whether the row can be taken at its word.
    package enum Light: Equatable, Sendable { case ok, starting, warning, down }

    /// The light that sums the component up.
    package var light: Light {
        if case .down = freshness { return .down }
        switch health {
        case .stopped: return .down
        case .failing: return .warning
        case .starting: return .starting
        case .ok:
            if case .stale = freshness { return .warning }
            return faults.isEmpty ? .ok : .warning
        }
    }

    /// A component of which nothing else is known.
    package init(id: String, shortName: String, kind: ComponentKind) {
        (self.id, self.shortName, self.kind) = (id, shortName, kind)
    }
}

/// An image, and how it came.
package struct ImageRow: Equatable, Sendable {
    /// What it consists of.
    package var content: ImageContent
    /// When it was pushed, if that was seen.
    package var pushedAt: Timestamp?
    /// Through whom.
    package var pushedBy: String?
    /// An image that consists of `content`.
    package init(_ content: ImageContent) { self.content = content }

    /// Whether `blob` is a part of it.
    package func contains(_ blob: Digest) -> Bool {
        content.manifest == blob || content.config == blob || content.layers.contains(blob)
    }
}

/// Sums over the cluster.
package struct Totals: Equatable, Sendable {
    /// Payload bytes per second into agents, out of origins and out of agents.
    package var downloadRate: Double = 0
    /// Payload bytes per second out of origins.
    package var originUploadRate: Double = 0
    /// Payload bytes per second out of agents.
    package var agentUploadRate: Double = 0
    /// The share of the agents' payload bytes of the last minute that other agents sent; nil when nothing came.
    package var agentShare: Double?
    /// Bytes agents received since the start.
    package var downloadedBytes = 0
    /// The highest ``downloadRate`` so far.
    package var peakDownloadRate: Double = 0
    /// Announces per second.
    package var announceRate: Double = 0
    /// Pieces received per second.
    package var pieceRate: Double = 0
    /// Events per second.
    package var eventRate: Double = 0
    /// Pieces that arrived with wrong bytes.
    package var badPieces = 0
    /// Pieces that arrived twice.
    package var duplicatePieces = 0
    /// Connections between peers.
    package var connectionCount = 0
    /// The most that there may be, where that is known.
    package var connectionsMax: Int?
    /// Pairs of peers of which one refuses the other.
    package var banCount = 0
    /// Tasks that wait or run, over all queues.
    package var pendingTasks = 0
    /// Tasks that failed and wait to be tried again.
    package var failedTasks = 0
    /// Seconds since the oldest unfinished task was asked for.
    package var oldestTaskSeconds: Double?
    /// Times of whole downloads in seconds: median, 95th and 99th percentile of the latest.
    package var pullSeconds: [Double] = []
    /// Bytes of all blobs stored.
    package var diskUsedBytes: Int?
    /// Bytes of the volume.
    package var diskTotalBytes: Int?
    /// Of the process that runs the cluster; nil for remote ones.
    package var residentBytes: Int?
    /// Files and sockets that it has open.
    package var openFiles: Int?
    /// How many it may have.
    package var openFilesMax: Int?
    /// Sums over nothing.
    package init() {}
}

/// Something happened here that people may want to go back to.
package struct TimeMark: Hashable, Sendable, Codable {
    /// When it was.
    package var at: Timestamp
    /// `push`, `first seed a00`, `kill a20`.
    package var label: String
    /// `label` happened at `at`.
    package init(at: Timestamp, label: String) { (self.at, self.label) = (at, label) }
}

/// A fault that someone switched on.
package struct FaultRow: Equatable, Sendable, Identifiable {
    /// Names it in commands.
    package var id: Int
    /// `kill`, `throttle`, `outage`.
    package var kind: String
    /// The components it hits.
    package var targets: [String]
    /// What it does, in words.
    package var detail: String
    /// Seconds until it is undone by itself; nil when it stays.
    package var remainingSeconds: Double?
    /// The fault number `id` on `targets`.
    package init(
        id: Int,
        kind: String,
        targets: [String],
        detail: String,
        remainingSeconds: Double?
    ) {
        (self.id, self.kind, self.targets) = (id, kind, targets)
        (self.detail, self.remainingSeconds) = (detail, remainingSeconds)
    }
}
