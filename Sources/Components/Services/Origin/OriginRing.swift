// SPDX-License-Identifier: Apache-2.0

import ClusterClients
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
    /// Yields after a change of who owns what; one that was not seen yet stands for all since.
    let changes: AsyncStream<Void>
    private let change: AsyncStream<Void>.Continuation
    /// Told how many origins there are when that may have changed.
    private let onMembers: @Sendable (_ count: Int) -> Void
    private let reporter: LookUpReporter
    /// Whether the last look-up failed.
    private let isLookUpFailing = Atomic(false)

    private struct State {
        var ring: Ring
        var filter: ActiveHealthFilter
        var ownAddress: String
        /// How many shards each member has first, in the ring's order; nil until counted.
        var shardCounts: [Int]?
    }

    init(
        configuration: OriginConfiguration,
        environment: ComponentEnvironment,
        onMembers: @escaping @Sendable (_ count: Int) -> Void = { _ in }
    ) {
        (self.configuration, self.environment) = (configuration, environment)
        self.onMembers = onMembers
        reporter = LookUpReporter(log: environment.log, counters: environment.counters)
        (changes, change) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        let own = configuration.selfAddress ?? "\(configuration.host):\(configuration.port)"
        let isKnown = !configuration.cluster.isEmpty && !HostNames.needLookUp(configuration.cluster)
        let members = isKnown ? configuration.cluster : [own]
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
        guard configuration.selfAddress == nil, !HostNames.needLookUp(configuration.cluster)
        else { return }
        state.withLock { state in
            let members = state.ring.members.filter { $0 != state.ownAddress } + [address]
            state.ownAddress = address
            state.ring.replaceMembers(configuration.cluster.isEmpty ? [address] : members)
            state.filter.replaceMembers(state.ring.members)
        }
    }

    // MARK: - Members

    /// Finds this origin among the cluster's, which may have to be looked up first: a while is given to name servers to learn
    /// of it. One that is not in its own ring would copy every blob to the others and own none.
    /// - Throws: ``OriginError``.
    func join() async throws {
        guard !configuration.cluster.isEmpty else { return }
        let own = configuration.selfAddress ?? "\(configuration.host):\(configuration.port)"
        guard HostNames.needLookUp(configuration.cluster) else {
            guard configuration.cluster.contains(own) else {
                throw OriginError(own: own, cluster: configuration.cluster)
            }
            return
        }
        let deadline = ContinuousClock.now.advanced(by: configuration.membershipTimeout)
        while true {
            let members = await lookUp() ?? []
            let label =
                members.first { $0 == own }
                ?? members.first { HostNames.isLocal($0, port: configuration.port) }
            if let label {
                state.withLock { state in
                    state.ownAddress = label
                    state.ring.replaceMembers(members)
                    state.filter.replaceMembers(members)
                }
                return
            }
            guard ContinuousClock.now < deadline else {
                throw OriginError(
                    own: own,
                    cluster: members.isEmpty ? configuration.cluster : members
                )
            }
            // A name server does not tell when it has learnt a name.
            try await Task.sleep(for: Self.lookUpInterval)
        }
    }

    /// How long a name server is given to learn this origin's name before it is asked again.
    private static let lookUpInterval = Duration.milliseconds(500)

    /// The members as the name servers have them now; nil when they do not say.
    private func lookUp() async -> [String]? {
        do {
            let found = try await HostNames.lookUp(configuration.cluster, pool: environment.pool)
            let before = isLookUpFailing.exchange(false, ordering: .relaxed)
            // That members have changed is told by the ring.
            reporter.noteSuccess(found, isChange: false, afterFailure: before)
            return found
        } catch {
            let before = isLookUpFailing.exchange(true, ordering: .relaxed)
            reporter.noteFailure(
                "\(error)",
                isFirst: !before,
                keeping: state.withLock { $0.ring.members }
            )
            return nil
        }
    }

    /// Takes over who the name servers say is in the cluster.
    private func refreshMembers() async {
        guard HostNames.needLookUp(configuration.cluster), let found = await lookUp() else {
            return
        }
        let isNews = state.withLock { state -> Bool in
            // One that answers is there, whatever a name server says.
            let members = Set(found).union([state.ownAddress])
            guard state.ring.replaceMembers(Array(members)) else { return false }
            state.filter.replaceMembers(members)
            state.shardCounts = nil
            return true
        }
        guard isNews else { return }
        environment.log.notice(
            "the members of the ring have changed",
            metadata: [LogKey.ringMember: "\(found.joined(separator: ","))"]
        )
        environment.events.record(
            ClusterEvent(
                .membership,
                reason: "members changed",
                detail: ["members": found.joined(separator: ",")]
            )
        )
        noteChange()
        await countShards()
    }

    /// The origin's own label.
    var ownAddress: String { state.withLock { $0.ownAddress } }

    /// The owners of `digest`, best first; never empty.
    func owners(of digest: Digest) -> [String] { state.withLock { $0.ring.owners(of: digest) } }

    /// Whether those are the owners of every other blob, too, though not in the same order.
    var everyoneOwnsAll: Bool { state.withLock { $0.ring.everyoneOwnsAll } }

    /// The owners of `digest` but this origin.
    func otherOwners(of digest: Digest) -> [String] {
        state.withLock { state in
            state.ring.owners(of: digest).filter { $0 != state.ownAddress }
        }
    }

    /// Has ``changes`` yield.
    func noteChange() {
        onMembers(memberCount)
        change.yield()
    }

    /// How many origins there are.
    var memberCount: Int { state.withLock { $0.ring.members.count } }

    /// What this origin, which holds `digest`, has to do so that its owners have it.
    func healingDuty(for digest: Digest) -> Ring.HealingDuty {
        state.withLock { $0.ring.healingDuty(of: $0.ownAddress, for: digest) }
    }

    /// Whether this origin owns `digest`, for good or in place of one that is unhealthy.
    func owns(_ digest: Digest) -> Bool {
        ownRank(of: digest) != nil
            || state.withLock { $0.ring.owners(of: digest).contains($0.ownAddress) }
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
        guard memberCount > 1 || HostNames.needLookUp(configuration.cluster) else { return }
        while !Task.isCancelled {
            do {
                try await Task.sleep(for: configuration.healthInterval)
            } catch {
                return
            }
            await refreshMembers()
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
        if !changed.isEmpty { noteChange() }
    }

    private func answers(_ member: String) async -> Bool {
        let request = ClientRequest(
            .get,
            "\(ClientRequest.memberScheme)\(member)/health",
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
