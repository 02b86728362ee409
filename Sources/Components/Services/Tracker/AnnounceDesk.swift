// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import ClusterConfiguration
import Content
import HTTPKit
import Primitives
import Synchronization
import Telemetry
import TrackerCore

/// Takes announces and hands out peers: the only one who touches the peer table.
///
/// The table is behind a lock, not an actor: an announce holds it for a few microseconds and arrives 15,000 times a second.
final class AnnounceDesk: Sendable {
    private let configuration: TrackerConfiguration
    private let origins: OriginDirectory
    private let policy: HandoutPolicy
    private let table: Mutex<PeerTable>
    private let events: EventLog
    private let meters: Meters

    /// What is counted and measured.
    private struct Meters {
        let announces, rejected, left, handedOut, swarms, peers: Counter
        let seeders, originSeeders, completeAgents, incompleteAgents: MetricRecorder

        init(_ environment: ComponentEnvironment) {
            announces = environment.counters.counter("announces")
            rejected = environment.counters.counter("announces_rejected")
            left = environment.counters.counter("announces_left")
            handedOut = environment.counters.counter("peers_handed_out")
            swarms = environment.counters.counter("swarms_tracked")
            peers = environment.counters.counter("peers_tracked")
            func recorder(_ name: String) -> MetricRecorder {
                MetricRecorder(
                    "herd_tracker_" + name,
                    component: environment.id,
                    bounds: [0, 1, 2, 3, 5, 10, 19],
                    registry: environment.metrics
                )
            }
            seeders = recorder("total_seeders")
            originSeeders = recorder("origin_seeders")
            completeAgents = recorder("complete_agent_seeders")
            incompleteAgents = recorder("incomplete_agent_seeders")
        }
    }

    init(
        origins: OriginDirectory,
        configuration: TrackerConfiguration,
        environment: ComponentEnvironment,
        seed: UInt64
    ) {
        (self.origins, self.configuration) = (origins, configuration)
        policy = configuration.handoutOrder == .completeness ? .completeness : .unordered
        events = environment.events
        meters = Meters(environment)
        table = Mutex(
            PeerTable(
                timeToLive: configuration.peerTimeToLive,
                limits: configuration.limits,
                seed: seed
            )
        )
    }

    /// Notes who announced and answers whom to dial.
    /// - Throws: 503 when there is nobody to hand out, as an agent can only come back later.
    func answer(
        _ request: AnnounceRequest,
        in infoHash: InfoHash
    ) async throws -> AnnounceResponse {
        let response = await introduce(request, in: infoHash)
        guard response.peers?.isEmpty == true else { return response }
        meters.rejected.add()
        throw HTTPProblem.unavailable(
            "no peers to hand out for \(request.digest): no other agent has announced it, and "
                + "no origin that owns it answers",
            retryAfter: response.interval
        )
    }

    /// Notes that `peer` is complete in `swarm`.
    func noteCompletion(of swarm: SwarmReference, by peer: PeerInfo) {
        meters.announces.add()
        let request = AnnounceRequest(infoHash: swarm.infoHash, digest: swarm.digest, peer: peer)
        _ = note(request, in: swarm.infoHash)
    }

    /// Notes who announced and answers whom to dial, perhaps nobody.
    func introduce(
        _ request: AnnounceRequest,
        in infoHash: InfoHash
    ) async -> AnnounceResponse {
        meters.announces.add()
        let interval = configuration.announceInterval
        let agents = note(request, in: infoHash)
        guard let agents else { return AnnounceResponse(peers: nil, interval: interval) }
        let origins = await origins.origins(of: request.digest)
        let handout = Handout(
            agents: agents,
            origins: origins,
            requester: request.peer.peerID,
            policy: policy
        )
        record(handout, for: request, in: infoHash)
        return AnnounceResponse(peers: handout.peers, interval: interval)
    }

    /// Notes the announce and draws agents for it; nil when the peer wants none, being complete or about to leave.
    private func note(_ request: AnnounceRequest, in infoHash: InfoHash) -> [PeerInfo]? {
        let now = LiveClock.now()
        let wantsPeers = !request.isLeaving && !request.peer.isComplete
        let (agents, swarms, peers) = table.withLock { table in
            if request.isLeaving {
                table.remove(request.peer.peerID, from: infoHash)
            } else {
                table.note(request.peer, in: infoHash, of: request.digest, at: now)
            }
            let agents =
                wantsPeers
                ? table.sample(
                    configuration.handoutAgentsMax,
                    of: infoHash,
                    excluding: request.peer.peerID,
                    at: now
                ) : nil
            return (agents, table.swarmCount, table.peerCount)
        }
        meters.swarms.set(swarms)
        meters.peers.set(peers)
        if request.isLeaving { meters.left.add() }
        if !wantsPeers {
            let kind = request.isLeaving ? EventKind.leave : .announce
            let detail = request.isLeaving ? nil : ["complete": "true"]
            record(kind, of: request, in: infoHash, detail: detail)
        }
        return agents
    }

    private func record(_ handout: Handout, for request: AnnounceRequest, in infoHash: InfoHash) {
        meters.handedOut.add(handout.peers.count)
        // Kraken looks at the first ten: the ones an agent will dial.
        let dialled = handout.peers.prefix(10)
        let origins = dialled.count { $0.isOrigin }
        let complete = dialled.count { !$0.isOrigin && $0.isComplete }
        meters.seeders.record(dialled.count)
        meters.originSeeders.record(origins)
        meters.completeAgents.record(complete)
        meters.incompleteAgents.record(dialled.count - origins - complete)
        record(
            .announce,
            of: request,
            in: infoHash,
            detail: [
                "peers": "\(handout.peers.count)", "origins": "\(handout.originCount)",
                "seeders": "\(handout.seederCount)", "policy": configuration.handoutOrder.rawValue,
            ]
        )
    }

    private func record(
        _ kind: EventKind,
        of request: AnnounceRequest,
        in infoHash: InfoHash,
        detail: [String: String]?
    ) {
        events.record(
            ClusterEvent(
                kind,
                torrent: infoHash,
                blob: request.digest,
                peer: request.peer.peerID,
                detail: detail
            )
        )
    }

    /// What the tracker knows now, with the `count` swarms that announced latest.
    func status(latest count: Int) -> TrackingStatus {
        let now = LiveClock.now()
        return table.withLock { table in
            table.expireSwarms(at: now)
            let swarms = table.latestSwarms(count).map {
                TrackingStatus.Swarm(
                    infoHash: $0.infoHash,
                    digest: $0.digest,
                    peerCount: $0.peerCount,
                    completeCount: $0.completeCount
                )
            }
            return TrackingStatus(
                swarmCount: table.swarmCount,
                peerCount: table.peerCount,
                swarms: swarms
            )
        }
    }
}
