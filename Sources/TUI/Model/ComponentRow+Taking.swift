// SPDX-License-Identifier: Apache-2.0

import Content
import Telemetry

extension ComponentRow {
    /// Takes what a component says of itself; rates are measured from `reference`, what it said about a second ago.
    mutating func take(_ snapshot: ComponentSnapshot, reference: ComponentSnapshot?) {
        freshness = .fresh
        (health, healthReason) = (snapshot.health, snapshot.healthReason)
        (addresses, uptimeSeconds) = (snapshot.addresses, snapshot.uptimeSeconds)
        (counters, gauges) = (snapshot.counters, snapshot.gauges ?? [:])
        (storage, tracking, tagCount) = (
            snapshot.storage, snapshot.tracking, snapshot.tags?.tagCount
        )
        (peerID, faults) = (snapshot.peerID ?? peerID, snapshot.faults ?? [])
        // Said when it is new only.
        settings = snapshot.settings ?? settings
        takeRates(snapshot, reference)
        takeSwarms(snapshot.swarms ?? [])
    }

    mutating func take(latency milliseconds: Double) {
        latencies.append(milliseconds)
        if latencies.count > Self.latencyCount { latencies.removeFirst() }
    }

    private mutating func takeRates(_ snapshot: ComponentSnapshot, _ reference: ComponentSnapshot?)
    {
        rates = [:]
        guard let reference else { return }
        let nanoseconds = snapshot.takenAt.unixNanoseconds - reference.takenAt.unixNanoseconds
        // A component that was restarted counts from zero again.
        guard nanoseconds > 0, snapshot.uptimeSeconds >= reference.uptimeSeconds else { return }
        let seconds = Double(nanoseconds) / 1e9
        for (name, value) in snapshot.counters {
            let gained = value &- (reference.counters[name] ?? 0)
            if gained > 0 { rates[name] = Double(gained) / seconds }
        }
        downloadRate =
            (rates["bytes_downloaded_from_agents"] ?? 0)
            + (rates["bytes_downloaded_from_origins"] ?? 0)
        uploadRate = rates["bytes_uploaded"] ?? 0
    }

    private mutating func takeSwarms(_ swarms: [SwarmStatus]) {
        swarmCount = swarms.count
        leechingCount = 0
        connectionCount = 0
        var (held, wanted) = (0, 0)
        for swarm in swarms {
            connectionCount += swarm.peers.count
            guard swarm.phase != .seeding else { continue }
            leechingCount += 1
            held += swarm.pieces.bitfield.heldCount
            wanted += swarm.pieces.bitfield.pieceCount
        }
        completion = wanted == 0 ? 1 : min(1, Double(held) / Double(wanted))
        if leechingCount > 0, completion >= 1 { completion = 0.999 }
    }
}
