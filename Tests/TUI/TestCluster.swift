// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import TUI
import Telemetry

/// A cluster whose components say what a test makes them say, second by second.
struct TestCluster {
    static let start: Int64 = 1_700_000_000_000_000_000
    let blob: Digest
    let infoHash: InfoHash
    let pieceCount: Int
    var builder = PictureBuilder(name: "devcluster", source: .herd)
    var agents: [Agent]
    var now = TestCluster.start
    var sequences: [String: UInt64] = [:]

    /// What one agent has.
    struct Agent {
        var id: String
        var peerID: PeerID
        var bits: Bitfield
        var fromAgents = 0
        var fromOrigins = 0
        var asked: [Int] = []
    }

    static let pieceBytes = 1 << 20

    init(agents count: Int, pieces: Int = 10, seed: UInt64 = 1) {
        var random = Generator(seed: seed)
        let bytes = (0..<32).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        blob = Digest(bytes: bytes) ?? Digest.ofNothing
        infoHash = InfoHash(hashing: bytes)
        pieceCount = pieces
        agents = (0..<count).map {
            Agent(
                id: "agent-\($0)",
                peerID: PeerID(randomFrom: &random),
                bits: Bitfield(pieceCount: pieces)
            )
        }
    }

    private func swarm(_ agent: Agent) -> SwarmStatus {
        var status = SwarmStatus(
            digest: blob,
            infoHash: infoHash,
            namespace: "demo/web",
            phase: agent.bits.isComplete ? .seeding : .leeching,
            blobBytes: pieceCount * Self.pieceBytes,
            pieceBytes: Self.pieceBytes,
            pieces: PieceMap(agent.bits),
            bytesDownloadedFromAgents: agent.fromAgents,
            bytesDownloadedFromOrigins: agent.fromOrigins
        )
        status.peers = agents.filter { $0.id != agent.id }.map { other in
            PeerStatus(
                peerID: other.peerID,
                state: .active,
                direction: .outgoing,
                pieces: PieceMap(other.bits),
                requestedPieces: other.id == "agent-0" ? agent.asked : [],
                requestsMax: 3,
                bytesDownloaded: other.id == "agent-0" ? agent.fromAgents : 0
            )
        }
        return status
    }

    /// What all components say now.
    func snapshot() -> ClusterSnapshot {
        let at = Timestamp(unixNanoseconds: now)
        var components = agents.map { agent in
            var snapshot = ComponentSnapshot(
                kind: .agent,
                id: agent.id,
                takenAt: at,
                health: .ok,
                addresses: ["http": "127.0.0.1:1\(agent.id.suffix(1))02"],
                uptimeSeconds: Double(now - Self.start) / 1e9,
                counters: [
                    "bytes_downloaded_from_agents": agent.fromAgents,
                    "bytes_downloaded_from_origins": agent.fromOrigins,
                ]
            )
            snapshot.peerID = agent.peerID
            snapshot.swarms = [swarm(agent)]
            return snapshot
        }
        var proxy = ComponentSnapshot(kind: .proxy, id: "proxy-0", takenAt: at, health: .ok)
        proxy.uptimeSeconds = Double(now - Self.start) / 1e9
        components.append(proxy)
        var index = ComponentSnapshot(
            kind: .buildIndex,
            id: "build-index-0",
            takenAt: at,
            health: .ok
        )
        index.tags = TagStatus(
            tagCount: 1,
            latest: [.init(tag: "demo/web:v42", digest: .ofNothing)]
        )
        var queue = QueueStatus(
            name: "replication",
            target: "zone-b",
            pendingCount: 2,
            failedCount: 1
        )
        queue.oldestSeconds = 41
        index.queues = [queue]
        components.append(index)
        return ClusterSnapshot(takenAt: at, components: components)
    }

    /// An event of `component` now.
    mutating func event(
        _ kind: EventKind,
        by component: String,
        piece: Int? = nil,
        peer: PeerID? = nil
    ) -> ClusterEvent {
        var event = ClusterEvent(kind, torrent: infoHash, blob: blob, peer: peer, piece: piece)
        sequences[component, default: 0] += 1
        event.sequence = sequences[component] ?? 0
        event.component = component
        event.localPeer = agents.first { $0.id == component }?.peerID
        event.timestamp = Timestamp(unixNanoseconds: now)
        return event
    }

    /// Lets `milliseconds` pass and takes a picture.
    mutating func picture(
        after milliseconds: Int = 0,
        events: [ClusterEvent] = [],
        changing change: (inout Sample) -> Void = { _ in }
    ) -> ClusterPicture {
        now += Int64(milliseconds) * 1_000_000
        var sample = Sample(snapshot: snapshot())
        sample.events = events
        change(&sample)
        return builder.take(sample, interest: Interest(blob: blob))
    }
}

extension Digest {
    /// The digest of no bytes.
    static var ofNothing: Digest {
        guard
            let digest = Digest(
                hex: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
            )
        else { preconditionFailure("a digest has 64 digits") }
        return digest
    }
}
