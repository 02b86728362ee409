// SPDX-License-Identifier: Apache-2.0

package import Content
package import HTTPKit
package import Logging
import Placement
import Primitives

/// All trackers as one: a blob's announces go to the tracker that rendezvous hashing picks for it,
/// or the next one when that gives no answer.
/// - Source: uber/kraken lib/hashring/passive_ring.go, tracker/announceclient,
///   tracker/metainfoclient.
package struct TrackerRing: Sendable {
    /// The trackers, `host:port`.
    package let hosts: HostList
    private let http: HTTPClient
    let poll: PollPolicy
    let notJoining = UnawareHosts()
    private let replicasMax: Int
    private let log: Logger

    /// The trackers in `hosts`, reached through `http`; each blob has `replicasMax` of them.
    package init(
        hosts: HostList,
        http: HTTPClient,
        poll: PollPolicy = PollPolicy(),
        replicasMax: Int = 3,
        log: Logger
    ) {
        (self.hosts, self.http, self.poll) = (hosts, http, poll)
        (self.replicasMax, self.log) = (replicasMax, log)
    }

    /// The trackers of `digest`, best first; empty only when none is configured.
    package func trackers(of digest: Digest) async -> [String] {
        let healthy = Set(await hosts.healthyHosts().filter(hosts.isHealthy))
        let members = hosts.hosts
        guard !members.isEmpty else { return [] }
        var ring = Ring(members: members, replicasMax: replicasMax)
        ring.replaceHealthy(healthy)
        return ring.owners(of: digest)
    }

    /// Tells the blob's tracker that `peer` has or wants it, or goes away, and answers whom it hands out.
    /// - Throws: ``ClusterError``, here as in every call.
    package func announce(
        _ infoHash: InfoHash,
        digest: Digest,
        peer: PeerInfo,
        isLeaving: Bool = false
    ) async throws -> TrackerHandout {
        try await asking(digest, "announce \(digest)") {
            try await $0.announce(infoHash, digest: digest, peer: peer, isLeaving: isLeaving)
        }
    }

    /// How `digest` is cut into pieces; waits while the origins fetch the blob. `.notFound` when
    /// nobody has it.
    package func metaInfo(of digest: Digest, namespace: Namespace) async throws -> MetaInfo {
        try await poll.untilDone {
            try await asking(digest, "meta info of \(digest)") {
                try await $0.metaInfo(of: digest, namespace: namespace)
            }
        }
    }

    /// Whether the first tracker of a random digest is ready.
    package func checkReadiness() async throws {
        let words = (0..<Digest.byteCount).map { _ in UInt8.random(in: .min ... .max) }
        guard let digest = Digest(bytes: words), let address = await trackers(of: digest).first
        else {
            throw hosts.noHosts("readiness of the trackers")
        }
        try await TrackerClient(address: address, http: http).checkReadiness()
    }

    /// What the first tracker of `digest` that gives any answer says; an HTTP error is an answer.
    func asking<Value>(
        _ digest: Digest,
        _ what: String,
        ask: (TrackerClient) async throws -> Value
    ) async throws -> Value {
        try await hosts.firstAnswer(from: await trackers(of: digest), what, log: log) {
            try await ask(TrackerClient(address: $0, http: http))
        }
    }
}
