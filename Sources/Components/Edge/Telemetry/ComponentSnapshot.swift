// SPDX-License-Identifier: Apache-2.0

package import Content

/// What one component says of itself at one moment: the body of `GET /status`.
///
/// Keys are in snake case, numbers carry their unit in the key, absent parts do not concern the component.
package struct ComponentSnapshot: Codable, Hashable, Sendable {
    /// The version of this document; readers accept higher ones, which only add keys.
    package static let currentVersion = 1

    /// The version of the document.
    package var version = ComponentSnapshot.currentVersion
    /// What it is.
    package var kind: ComponentKind
    /// Its name in the cluster: `agent-0`.
    package var id: String
    /// When the snapshot was taken.
    package var takenAt: Timestamp
    /// How it does.
    package var health: Health
    /// Why ``health`` is not `ok`, in words.
    package var healthReason: String?
    /// Where it listens, by purpose (`http`, `registry`, `peer`): `127.0.0.1:16002`.
    package var addresses: [String: String]
    /// What it is called in swarms (agents, origins).
    package var peerID: PeerID?
    /// Seconds since it started.
    package var uptimeSeconds: Double
    /// Its counters by name.
    package var counters: [String: Int]
    /// Levels and rates by name with the unit at its end: `download_bytes_per_second`.
    package var gauges: [String: Double]?
    /// Sequence number of its latest event; 0 before the first.
    package var eventSequence: UInt64?
    /// The blobs in its swarm scheduler (agents, origins).
    package var swarms: [SwarmStatus]?
    /// What it stores (agents, origins, build-indexes).
    package var storage: StorageStatus?
    /// The ring it belongs to or asks (origins; agents for trackers).
    package var ring: RingStatus?
    /// Its queues of work that must finish: write-back, replication.
    package var queues: [QueueStatus]?
    /// Its tags (build-indexes).
    package var tags: TagStatus?
    /// The swarms it knows (trackers).
    package var tracking: TrackingStatus?
    /// Faults that someone switched on, in words.
    package var faults: [String]?
    /// Its effective configuration, without secrets. `GET /config` tells it, `/status` leaves it out.
    package var settings: [SettingStatus]?

    /// A snapshot with the parts that every component has.
    package init(
        kind: ComponentKind,
        id: String,
        takenAt: Timestamp = .now,
        health: Health,
        healthReason: String? = nil,
        addresses: [String: String] = [:],
        uptimeSeconds: Double = 0,
        counters: [String: Int] = [:]
    ) {
        (self.kind, self.id, self.takenAt) = (kind, id, takenAt)
        (self.health, self.healthReason) = (health, healthReason)
        (self.addresses, self.uptimeSeconds, self.counters) = (addresses, uptimeSeconds, counters)
    }

    private enum CodingKeys: String, CodingKey {
        case version, kind, id, health, addresses, counters, gauges, swarms, storage, ring, queues
        case tags, tracking, faults, settings
        case peerID = "peer_id"
        case takenAt = "taken_at"
        case healthReason = "health_reason"
        case uptimeSeconds = "uptime_seconds"
        case eventSequence = "event_sequence"
    }
}

/// The whole cluster at one moment: the snapshots of its components, in a fixed order.
package struct ClusterSnapshot: Codable, Hashable, Sendable {
    /// The version of this document; readers accept higher ones, which only add keys.
    package static let currentVersion = 1

    /// What the document is, for programs that read several kinds.
    package private(set) var schema: String? = ClusterSnapshot.schema
    /// The name of this kind of document with its version.
    package static let schema = "herd.snapshot/\(currentVersion)"
    /// The version of the document.
    package var version = ClusterSnapshot.currentVersion
    /// When it was put together.
    package var takenAt: Timestamp
    /// Every component, in the order of the configuration.
    package var components: [ComponentSnapshot]

    /// A snapshot of `components`.
    package init(takenAt: Timestamp = .now, components: [ComponentSnapshot]) {
        (self.takenAt, self.components) = (takenAt, components)
    }

    private enum CodingKeys: String, CodingKey {
        case schema, version, components
        case takenAt = "taken_at"
    }
}
