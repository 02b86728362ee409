// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import ClusterConfiguration
import Content
import HTTPKit
import Logging
import Primitives
import Synchronization
import Telemetry

/// Which origins own a blob and how peers reach them, remembered so that an announce seldom waits for an origin.
///
/// An answer past its time to live is still used, for a while, as the new one is fetched; so an announce waits only when
/// no owner at all is known to be reachable, and then at most `originLookupTimeout`. An origin that does not answer is left
/// out of the next handouts and asked again every `originUnavailableTimeToLive`.
/// - Source: uber/kraken tracker/originstore.
struct OriginDirectory: Sendable {
    /// How old an answer may be while a newer one is fetched.
    private static let staleMax = Duration.seconds(60)

    private let cluster: OriginCluster
    private let configuration: TrackerConfiguration
    private let log: Logger
    private let events: EventLog
    private let unreachable = Unreachable()
    private let owners: LookupCache<Digest, [String]>
    private let contexts: LookupCache<String, PeerInfo?>

    init(
        cluster: OriginCluster,
        configuration: TrackerConfiguration,
        environment: ComponentEnvironment
    ) {
        (self.cluster, self.configuration) = (cluster, configuration)
        (log, events) = (environment.log, environment.events)
        let limits = configuration.limits
        owners = LookupCache(
            answersMax: limits.trackedSwarmsMax,
            lookupsMax: limits.originLookupsMax
        )
        contexts = LookupCache(answersMax: 1024, lookupsMax: limits.originLookupsMax)
    }

    /// The reachable owners of `digest` as peers, best first; empty when none can be named in time.
    func origins(of digest: Digest) async -> [PeerInfo] {
        let deadline = LiveClock.now().advanced(by: configuration.originLookupTimeout)
        let addresses = await addresses(of: digest)
        let known = addresses.compactMap { knownContext(of: $0) ?? nil }
        guard known.isEmpty, !addresses.isEmpty else { return known }
        return await fetchedContexts(of: addresses, until: deadline)
    }

    private func addresses(of digest: Digest) async -> [String] {
        let lookUp = { @Sendable in await lookUpOwners(of: digest) }
        let known = owners.remembered(digest, staleMax: Self.staleMax, lookUp: lookUp)
        if let known, !known.isEmpty { return known }
        let timeout = configuration.originLookupTimeout
        return await owners.value(of: digest, timeout: timeout, lookUp: lookUp) ?? []
    }

    private func lookUpOwners(of digest: Digest) async -> LookupCache<Digest, [String]>.Answer {
        do {
            let addresses = try await cluster.owners(of: digest).map(\.address)
            return .init(value: addresses, timeToLive: configuration.locationsTimeToLive)
        } catch {
            log.warning(
                "owners of a blob unknown",
                metadata: [LogKey.blobDigest: "\(digest)", LogKey.error: "\(error)"]
            )
            return .init(value: [], timeToLive: configuration.locationsErrorTimeToLive)
        }
    }

    /// The origin at `address` as a peer: `.some(nil)` when it is known not to answer, nil when nothing is known.
    private func knownContext(of address: String) -> PeerInfo?? {
        contexts.remembered(address, staleMax: Self.staleMax) { await lookUpContext(of: address) }
    }

    /// The owners that answer until `deadline`, asked at the same time, in the order of `addresses`.
    private func fetchedContexts(
        of addresses: [String],
        until deadline: Instant
    ) async -> [PeerInfo] {
        let timeout = LiveClock.now().duration(to: deadline)
        guard timeout > .zero else { return [] }
        return await withTaskGroup(of: (Int, PeerInfo?).self) { group in
            for (index, address) in addresses.enumerated() {
                group.addTask {
                    let found = await contexts.value(of: address, timeout: timeout) {
                        await lookUpContext(of: address)
                    }
                    return (index, found ?? nil)
                }
            }
            var found: [(index: Int, peer: PeerInfo)] = []
            for await (index, peer) in group {
                if let peer { found.append((index, peer)) }
            }
            return found.sorted { $0.index < $1.index }.map(\.peer)
        }
    }

    private func lookUpContext(of address: String) async -> LookupCache<String, PeerInfo?>.Answer {
        do {
            let context = try await cluster.client(address).peerContext()
            let peer = PeerInfo(
                peerID: context.peerID,
                ip: context.ip,
                port: context.port,
                isOrigin: true,
                isComplete: true
            )
            note(address, unreachableBecause: nil)
            return .init(value: peer, timeToLive: configuration.originContextTimeToLive)
        } catch {
            note(address, unreachableBecause: "\(error)")
            return .init(value: nil, timeToLive: configuration.originUnavailableTimeToLive)
        }
    }

    /// Tells, once a change, that the origin at `address` does not answer and why, or that it answers again.
    private func note(_ address: String, unreachableBecause reason: String?) {
        guard unreachable.set(address, isUnreachable: reason != nil) else { return }
        let message: Logger.Message =
            reason == nil ? "origin handed out again" : "origin left out of handouts"
        log.log(
            level: reason == nil ? .notice : .warning,
            message,
            metadata: [LogKey.address: "\(address)", LogKey.error: "\(reason ?? "none")"]
        )
        events.record(
            ClusterEvent(
                .membership,
                reason: reason,
                detail: ["origin": address, "state": reason == nil ? "handed out" : "left out"]
            )
        )
    }
}

/// The origins that did not answer when last asked.
private final class Unreachable: Sendable {
    private let addresses = Mutex<Set<String>>([])

    /// Notes the state of `address`; answers whether that is news.
    func set(_ address: String, isUnreachable: Bool) -> Bool {
        addresses.withLock {
            isUnreachable ? $0.insert(address).inserted : $0.remove(address) != nil
        }
    }
}
