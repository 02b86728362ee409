// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import SwarmCore
import TrackerCore

/// A tracker: the shipped table, and whether it is up.
struct SimulatedTracker: Sendable {
    var table: PeerTable
    var isUp = true

    init(seed: UInt64, limits: Limits) { table = PeerTable(limits: limits, seed: seed) }
}

/// Announces and handouts, as the tracker service makes them.
extension Simulation {
    mutating func announce(_ hash: InfoHash, isComplete: Bool, by host: Int) {
        guard let blob = blob(of: hash) else { return }
        tally.announces += 1
        let announce = announces.insert(
            Announce(
                host: Int32(host),
                blob: Int32(blob),
                isComplete: isComplete,
                incarnation: hosts[host].incarnation
            )
        )
        if !isComplete {
            hosts[host].announceCount += 1
            refresh(host)
        }
        // Who is cut off waits for its client's patience to end.
        let delay = hosts[host].isCutOff ? Self.announcePatience : plan.latency.nanoseconds
        queue.push(.announce, at: now + delay, host: host, argument: announce)
    }

    /// An agent's HTTP client gives up after this time.
    private static let announcePatience: Int64 = 10_000_000_000

    mutating func announceArrived(_ position: Int32) {
        let announce = announces[position]
        let (host, blob) = (Int(announce.host), Int(announce.blob))
        var delay = plan.latency.nanoseconds
        if !hosts[host].isCutOff {
            // The blob's own tracker first; a connection refused costs a round trip each.
            for step in 0..<trackers.count {
                let index = (blob + step) % trackers.count
                guard trackers[index].isUp else {
                    delay += 2 * plan.latency.nanoseconds
                    continue
                }
                delay += plan.trackerResponse.nanoseconds
                announces[position].peers = handout(announce, by: index)
                break
            }
        }
        queue.push(.announceAnswer, at: now + delay, host: host, argument: position)
    }

    /// Whom tracker `index` hands out; nil when that is nobody.
    private mutating func handout(_ announce: Announce, by index: Int) -> [PeerInfo]? {
        let blob = blobs[Int(announce.blob)]
        var peer = hosts[Int(announce.host)].info
        peer.isComplete = announce.isComplete
        let instant = Instant(nanoseconds: now)
        trackers[index].table.note(peer, in: blob.hash, of: blob.metaInfo.digest, at: instant)
        // Nobody waits for the answer of a complete peer.
        if announce.isComplete { return [] }
        let agents = trackers[index].table.sample(
            plan.handoutAgents,
            of: blob.hash,
            excluding: peer.peerID,
            at: instant
        )
        let origins = blob.origins.filter(isBelievedUp).map { hosts[$0].info }
        let handout = Handout(
            agents: agents,
            origins: origins,
            requester: peer.peerID,
            policy: plan.handoutPolicy
        )
        return handout.isEmpty ? nil : handout.peers
    }

    /// Whether trackers hand the origin out: they remember for a while that it answered.
    private func isBelievedUp(_ origin: Int) -> Bool {
        hosts[origin].isAlive || now < hosts[origin].believedUpUntil
    }

    /// For how long a tracker does not ask an origin again that answered.
    static let originMemory: Int64 = 10_000_000_000

    mutating func announceAnswered(_ position: Int32) {
        let announce = announces[position]
        announces[position].peers = nil
        announces.remove(position)
        let host = Int(announce.host)
        guard hosts[host].isAlive, hosts[host].incarnation == announce.incarnation else { return }
        let hash = blobs[Int(announce.blob)].hash
        if !announce.isComplete {
            hosts[host].announceCount -= 1
            refresh(host)
        }
        guard let peers = announce.peers else {
            tally.announcesFailed += 1
            return deliver(.announceFailed(hash), to: host)
        }
        guard !announce.isComplete else { return }
        let answer = SwarmScheduler.Event.announceAnswered(
            hash,
            peers,
            interval: plan.announceInterval
        )
        deliver(answer, to: host)
    }
}
