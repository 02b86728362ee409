// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import Files
import HTTPKit
import HTTPTypes
import Logging
import Placement
import Primitives
import Synchronization
import Telemetry

/// The origins of the cluster: which of them own a blob, and which answer.
/// - Source: uber/kraken lib/hashring and lib/healthcheck.
final class OriginRing: Sendable {
    private let configuration: OriginConfiguration
    private let environment: ComponentEnvironment
    private let state: Mutex<State>

    private struct State {
        var ring: Ring
        var filter: ActiveHealthFilter
        var ownAddress: String
        /// How many shards each member has first, in the ring's order; nil until counted.
        var shardCounts: [Int]?
    }

    init(configuration: OriginConfiguration, environment: ComponentEnvironment) {
        (self.configuration, self.environment) = (configuration, environment)
        let own = configuration.selfAddress ?? "\(configuration.host):\(configuration.port)"
        let members = configuration.cluster.isEmpty ? [own] : configuration.cluster
        var filter = ActiveHealthFilter(
            failsMax: configuration.healthFailsMax,
            passesMin: configuration.healthPassesMin
        )
        filter.replaceMembers(members)
        state = Mutex(
            State(
                ring: Ring(members: members, replicasMax: configuration.replicasMax),
                filter: filter,
                ownAddress: own
            )
        )
    }

    /// Notes where the origin listens, which is its label when none was configured.
    func serve(at address: String) {
        guard configuration.selfAddress == nil else { return }
        state.withLock { state in
            let members = state.ring.members.filter { $0 != state.ownAddress } + [address]
            state.ownAddress = address
            state.ring.replaceMembers(configuration.cluster.isEmpty ? [address] : members)
            state.filter.replaceMembers(state.ring.members)
        }
    }

    /// The origin's own label.
    var ownAddress: String { state.withLock { $0.ownAddress } }

    /// The owners of `digest`, best first; never empty.
    func owners(of digest: Digest) -> [String] { state.withLock { $0.ring.owners(of: digest) } }

    /// The owners of `digest` but this origin.
    func otherOwners(of digest: Digest) -> [String] {
        state.withLock { state in
            state.ring.owners(of: digest).filter { $0 != state.ownAddress }
        }
    }

    /// This origin's place among the owners of `digest` when all are healthy, from zero; nil when it is none of them.
    func ownRank(of digest: Digest) -> Int? {
        state.withLock { state in
            state.ring.ranking(of: digest).prefix(state.ring.replicasMax)
                .firstIndex(of: state.ownAddress)
        }
    }

    /// The ring for `GET /status`.
    func status() -> RingStatus {
        state.withLock { state in
            RingStatus(
                kind: .origin,
                replicasMax: state.ring.replicasMax,
                members: state.ring.members.enumerated().map { index, member in
                    RingStatus.Member(
                        address: member,
                        isHealthy: state.ring.isHealthy(member),
                        shardCount: state.shardCounts?[index]
                    )
                }
            )
        }
    }

    /// Probes the other origins now and then, until the task is cancelled.
    func watch() async {
        await countShards()
        guard state.withLock({ $0.ring.members.count > 1 }) else { return }
        while !Task.isCancelled {
            do {
                try await Task.sleep(for: configuration.healthInterval)
            } catch {
                return
            }
            await probe()
        }
    }

    private func countShards() async {
        let ring = state.withLock { $0.ring }
        do {
            let counts = try await environment.pool.run { ring.shardCounts() }
            state.withLock { state in
                if state.ring.members == ring.members { state.shardCounts = counts }
            }
        } catch {
            // Only a stopping pool refuses; nobody will ask for the shares any more.
        }
    }

    private func probe() async {
        let own = ownAddress
        let others = state.withLock { $0.ring.members.filter { $0 != own } }
        let passed = await withTaskGroup(of: (String, Bool).self) { group in
            for member in others {
                group.addTask { (member, await self.answers(member)) }
            }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        guard !Task.isCancelled else { return }
        let changed = state.withLock { state -> [String] in
            let before = state.filter.healthyMembers
            for (member, passed) in passed { state.filter.record(member, passed: passed) }
            // An origin that asks is up, whatever others think of it.
            state.filter.record(own, passed: true)
            state.ring.replaceHealthy(state.filter.healthyMembers)
            return state.filter.healthyMembers.symmetricDifference(before).sorted()
        }
        for member in changed { report(member, isHealthy: passed[member] ?? true) }
    }

    private func answers(_ member: String) async -> Bool {
        let request = ClientRequest(
            .get,
            "http://\(member)/health",
            timeout: configuration.healthTimeout,
            retry: .never
        )
        do {
            _ = try await environment.httpClient.collect(request, upTo: 1 << 16)
            return true
        } catch {
            return false
        }
    }

    private func report(_ member: String, isHealthy: Bool) {
        environment.log.notice(
            isHealthy ? "origin is healthy again" : "origin does not answer",
            metadata: [LogKey.ringMember: "\(member)"]
        )
        environment.events.record(
            ClusterEvent(
                .membership,
                reason: isHealthy ? "healthy" : "unhealthy",
                detail: ["member": member]
            )
        )
    }
}
