// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import CollectionCore
import Content
import Primitives

/// One collection: finds out what is kept, then drives the sweep of the rest over HTTP.
struct CollectionRun: Sendable {
    let cluster: CollectionCluster
    let grace: Duration
    let isDryRun: Bool
    let keepsUntagged: Bool
    let sweepsBackends: Bool
    /// The name of this collection at the origins.
    private let run = UInt64.random(in: .min ... .max)

    init(
        cluster: CollectionCluster,
        grace: Duration,
        isDryRun: Bool,
        keepsUntagged: Bool,
        sweepsBackends: Bool
    ) {
        (self.cluster, self.grace, self.isDryRun) = (cluster, grace, isDryRun)
        (self.keepsUntagged, self.sweepsBackends) = (keepsUntagged, sweepsBackends)
    }

    /// Does all of it.
    /// - Throws: ``Failure``, before anything was removed.
    func collect() async throws -> CollectionReport {
        // First of all: what is used from now on is in use, whatever the lists below miss.
        var starts: [CollectionStart] = []
        var mark = CollectionMark(cluster)
        do {
            for origin in cluster.origins { starts.append(try await origin.begin()) }
            try await mark.list(withBackends: sweepsBackends)
            try await mark.readTags(keepingUntagged: keepsUntagged)
            try await mark.follow()
        } catch let error as ClusterError {
            throw CollectionMark.failure("\(error)")
        }
        var rules = Sweep.Rules()
        (rules.isDryRun, rules.sweepsBackends) = (isDryRun, sweepsBackends)
        var sweep = Sweep(
            mark.graph,
            stored: Set(mark.stored.keys),
            originCount: cluster.origins.count,
            rules: rules
        )
        await drive(&sweep, starts, rules, mark.records)
        return CollectionReport(
            isDryRun: isDryRun,
            sweep: sweep.report,
            sizes: mark.stored,
            tagCount: mark.tagCount,
            backendNames: mark.backendNames,
            uploadCount: cluster.uploadCount
        )
    }

    private func drive(
        _ sweep: inout Sweep,
        _ starts: [CollectionStart],
        _ rules: Sweep.Rules,
        _ records: [Digest: [QualifiedTag]]
    ) async {
        await withTaskGroup(of: Sweep.Event?.self) { group in
            var effects: [Sweep.Effect] = []
            sweep.begin(at: LiveClock.now(), into: &effects)
            while true {
                for effect in effects {
                    group.addTask { await perform(effect, starts, rules, records) }
                }
                effects = []
                guard let result = await group.next() else { break }
                guard let event = result else { continue }
                sweep.handle(event, at: LiveClock.now(), into: &effects)
                sweep.begin(at: LiveClock.now(), into: &effects)
            }
        }
    }

    /// Carries out `effect`; nil when it needs no answer.
    private func perform(
        _ effect: Sweep.Effect,
        _ starts: [CollectionStart],
        _ rules: Sweep.Rules,
        _ records: [Digest: [QualifiedTag]]
    ) async -> Sweep.Event? {
        do {
            switch effect {
            case .condemn(let digests, let index):
                let order = CondemnOrder(
                    run: run,
                    start: starts[index],
                    grace: grace,
                    duration: rules.condemnation,
                    isDryRun: isDryRun,
                    digests: digests
                )
                let answer = try await cluster.origins[index].condemn(order)
                return .condemned(origin: index, refused: answer.refused)
            case .forget(let digests):
                for digest in digests {
                    for tag in records[digest] ?? [] { try await cluster.delete(tag) }
                }
                return .forgotten(refused: [:])
            case .remove(let digests, let index):
                let order = RemoveOrder(run: run, digests: digests)
                let answer = try await cluster.origins[index].remove(order)
                return .removed(origin: index, bytes: answer.removed, refused: answer.refused)
            case .removeFromBackends(let digests):
                let order = RemoveOrder(run: run, digests: digests)
                let answer = try await cluster.origins[0].removeFromBackends(order)
                return .removedFromBackends(
                    removed: Array(answer.removed.keys),
                    refused: answer.refused
                )
            case .release(let digests, let index):
                try await cluster.origins[index].release(RemoveOrder(run: run, digests: digests))
                return nil
            }
        } catch {
            // A condemnation that is not ended ends by itself.
            if case .release = effect { return nil }
            return .failed(why: "\(error)")
        }
    }
}
