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
        /// The members as the configuration says them, names to be looked up among them.
        var entries: [String]
        /// How many shards each member has first, in the ring's order; nil until counted.
        var shardCounts: [Int]?

        /// Makes `members` the ring's; answers whether that is news.
        mutating func replaceMembers(_ members: [String]) -> Bool {
            guard ring.replaceMembers(members) else { return false }
            filter.replaceMembers(members)
            shardCounts = nil
            return true
        }
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
                ownAddress: own,
                entries: configuration.cluster
            )
        )
    }

    /// Notes where the origin listens, which is its label when none was configured.
    func serve(at address: String) {
        guard configuration.selfAddress == nil else { return }
        state.withLock { state in
            guard !HostNames.needLookUp(state.entries) else { return }
            let members = state.ring.members.filter { $0 != state.ownAddress } + [address]
            state.ownAddress = address
            state.ring.replaceMembers(state.entries.isEmpty ? [address] : members)
            state.filter.replaceMembers(state.ring.members)
        }
    }

    // MARK: - Members

    /// Finds this origin among the cluster's, which may have to be looked up first: a while is given to name servers to learn
    /// of it. One that is not in its own ring would copy every blob to the others and own none.
    /// - Throws: ``OriginError``.
    func join() async throws {
        let entries = configuration.cluster
        guard !entries.isEmpty else { return }
        let own = configuration.selfAddress ?? "\(configuration.host):\(configuration.port)"
        guard HostNames.needLookUp(entries) else {
            guard entries.contains(own) else { throw OriginError(own: own, cluster: entries) }
            return
        }
        let deadline = ContinuousClock.now.advanced(by: configuration.membershipTimeout)
        while true {
            let members = await lookUp(entries) ?? []
            if let label = label(own, amongLookedUp: members) {
                replace(members, label: label, from: entries)
                return
            }
            guard ContinuousClock.now < deadline else {
                throw OriginError(own: own, cluster: members.isEmpty ? entries : members)
            }
            // A name server does not tell when it has learnt a name.
            try await Task.sleep(for: Self.lookUpInterval)
        }
    }

    /// Makes `entries` the cluster, as a configuration has it that was read again. Those that stay keep their health; blobs are
    /// copied to those who own them from now on.
    /// - Throws: ``OriginError`` when this origin would not be among them; then all stays as it was.
    func reconfigure(_ entries: [String]) async throws {
        let own = configuration.selfAddress ?? ownAddress
        let (members, label): ([String], String?)
        if HostNames.needLookUp(entries) {
            members = await lookUp(entries) ?? []
            label = self.label(own, amongLookedUp: members)
        } else {
            members = entries.isEmpty ? [own] : entries
            // As at a start, which will come some day.
            label = [own, "\(configuration.host):\(configuration.port)"].first(
                where: members.contains
            )
        }
        guard let label else {
            throw OriginError(own: own, cluster: members.isEmpty ? entries : members)
        }
        if replace(members, label: label, from: entries) { await tellChange() }
    }

    /// What this origin is called among `members`, which name servers say there are; nil when it is none of them.
    private func label(_ own: String, amongLookedUp members: [String]) -> String? {
        members.first { $0 == own }
            ?? members.first { HostNames.isLocal($0, port: configuration.port) }
    }

    /// Makes `members` the ring, in which this origin is `label`, because `entries` stand for them; answers whether that is news.
    @discardableResult private func replace(
        _ members: [String],
        label: String,
        from entries: [String]
    ) -> Bool {
        state.withLock { state in
            (state.entries, state.ownAddress) = (entries, label)
            return state.replaceMembers(members)
        }
    }

    /// How long a name server is given to learn this origin's name before it is asked again.
    private static let lookUpInterval = Duration.milliseconds(500)

    /// The members that `entries` stand for, as the name servers have them now; nil when they do not say.
    private func lookUp(_ entries: [String]) async -> [String]? {
        do {
            let found = try await HostNames.lookUp(entries, pool: environment.pool)
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
        let entries = state.withLock { $0.entries }
        guard HostNames.needLookUp(entries), let found = await lookUp(entries) else { return }
        let isNews = state.withLock { state -> Bool in
            // Another configuration may have come meanwhile.
            guard state.entries == entries else { return false }
            // One that answers is there, whatever a name server says.
            return state.replaceMembers(Array(Set(found).union([state.ownAddress])))
        }
        if isNews { await tellChange() }
    }

    /// Tells that there are other members, and has blobs copied to those who own them now.
    private func tellChange() async {
        let members = state.withLock { $0.ring.members }.joined(separator: ",")
        environment.log.notice(
            "the members of the ring have changed",
            metadata: [LogKey.ringMember: "\(members)"]
        )
        environment.events.record(
            ClusterEvent(.membership, reason: "members changed", detail: ["members": members])
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
        // Alone, too: others may come with another configuration.
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
