// SPDX-License-Identifier: Apache-2.0

package import Content
package import HTTPKit
import HTTPTypes
package import Primitives

/// One tracker's HTTP API.
/// - Source: uber/kraken tracker/announceclient and tracker/metainfoclient.
package struct TrackerClient: Sendable {
    /// Its `host:port`.
    package let address: String
    private let host: HostConnection
    private let peersMax: Int

    /// The tracker at `address`, reached through `http`.
    package init(address: String, http: HTTPClient, limits: Limits = Limits()) {
        self.address = address
        host = HostConnection(address: address, http: http)
        peersMax = limits.handoutPeersMax
    }

    /// Tells the tracker that `peer` has or wants a blob, and answers whom it hands out.
    /// - Parameter isLeaving: the peer goes away: a tracker of ours hands it out no more, Kraken's overlooks this.
    /// - Throws: ``ClusterError``, here as in every call.
    package func announce(
        _ infoHash: InfoHash,
        digest: Digest,
        peer: PeerInfo,
        isLeaving: Bool = false
    ) async throws -> TrackerHandout {
        var members: [JSON.Member] = [
            .init("name", .string(digest.hex)),
            .init("digest", .string(digest.description)),
            .init("info_hash", infoHash.json),
            .init("peer", peer.json),
        ]
        if isLeaving { members.append(.init("leaving", .bool(true))) }
        return try await host.json(
            .post,
            "/announce/\(infoHash.hex)",
            json: .object(members),
            timeout: .seconds(10)
        ) {
            TrackerHandout(json: $0, peersMax: peersMax)
        }
    }

    /// Asks how `digest` is cut and for peers at once, as `peer` that begins to download it, and tells in which swarms it
    /// is complete by now. Nil when the tracker has no such endpoint, as Kraken's don't; or, since both look alike, does not know the blob.
    package func join(
        _ digest: Digest,
        namespace: Namespace,
        as peer: PeerInfo,
        completed: [SwarmReference]
    ) async throws -> TrackerJoin? {
        let what = "join the swarm of \(digest) at \(address)"
        do {
            return try await host.json(
                .post,
                "/namespace/\(URLEncoding.pathSegment(namespace.name))/blobs/\(digest)/join",
                json: .object([
                    .init("peer", peer.json),
                    .init("completed", .array(completed.map(\.json))),
                ]),
                timeout: .seconds(10),
                answerBytesMax: Limits().metaInfoBytesMax + Limits().jsonBodyBytesMax
            ) { answer in
                let metaInfo = try MetaInfo(json: answer["metainfo"] ?? .null)
                guard metaInfo.digest == digest else {
                    throw ClusterError.unreadable(what, "its meta info is of \(metaInfo.digest)")
                }
                return TrackerJoin(
                    metaInfo: metaInfo,
                    handout: TrackerHandout(json: answer, peersMax: peersMax)
                )
            }
        } catch let error as ClusterError where error.isUnknownRequest { return nil }
    }

    /// How `digest` is cut into pieces. `.accepted` says that the origins have begun to fetch the
    /// blob: ask again.
    package func metaInfo(of digest: Digest, namespace: Namespace) async throws -> MetaInfo {
        let path = "/namespace/\(URLEncoding.pathSegment(namespace.name))/blobs/\(digest)/metainfo"
        return try await host.metaInfo(of: digest, path: path, timeout: .seconds(10))
    }

    /// Whether it and its origins serve.
    package func checkReadiness() async throws {
        try await host.text(.get, "/readiness", timeout: .seconds(5))
    }
}

/// Whom a tracker hands out, and when it wants to hear again.
package struct TrackerHandout: Hashable, Sendable {
    /// The peers in the tracker's order: dial the first ones first.
    package var peers: [PeerInfo]
    /// The time until the next announce; zero when the tracker did not say.
    package var interval: Duration

    /// `peers`, to be asked for again after `interval`.
    package init(peers: [PeerInfo], interval: Duration) {
        (self.peers, self.interval) = (peers, interval)
    }

    /// What a tracker's answer, `json`, hands out; at most `peersMax` of it.
    init(json: JSON, peersMax: Int) {
        self.init(
            peers: (json["peers"]?.array ?? []).prefix(peersMax).compactMap {
                // One peer that can't be read is no reason to do without the others.
                try? PeerInfo(json: $0)
            },
            interval: .nanoseconds(json["interval"]?.integer ?? 0)
        )
    }
}

/// What a tracker tells an agent that joins a swarm.
package struct TrackerJoin: Hashable, Sendable {
    /// How the blob is cut.
    package let metaInfo: MetaInfo
    /// Whom to dial; nil when the agent has still to announce itself.
    package let handout: TrackerHandout?
}
