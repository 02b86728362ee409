// SPDX-License-Identifier: Apache-2.0

package import Content
package import Primitives

/// The removal of what nothing keeps, over all origins and the backends behind them, a batch at a time.
///
/// A blob goes only when every origin has condemned it, whichever of them has it: a push asks any one of them whether the blob
/// is there, and whoever was asked refuses. What is refused keeps what it refers to. Disks come first and backends last, so
/// that whatever breaks off leaves the copy that lasts; and backends only while all origins still hold the blob condemned.
package struct Sweep: Sendable {
    /// How the sweep works.
    package struct Rules: Hashable, Sendable {
        /// Blobs condemned at a time.
        package var batchMax = 256
        /// How long origins hold a batch condemned by themselves.
        package var condemnation = Duration.minutes(2)
        /// How long after it was condemned a batch may still be removed from backends: what is asked of them then has to be
        /// over when the condemnation is.
        package var backendWindow = Duration.minutes(1)
        /// Whether only to find out what would be removed.
        package var isDryRun = false
        /// Whether backends are swept, too.
        package var sweepsBackends = false

        /// The defaults.
        package init() {}
    }

    /// What to do next; each is answered by one event.
    package enum Effect: Hashable, Sendable {
        /// Ask an origin to condemn, or with a dry run whether it would.
        case condemn([Digest], origin: Int)
        /// Remove what repositories remember of these, except that a subject is gone of which something may be left.
        case forget([Digest])
        /// Have an origin remove what it has condemned.
        case remove([Digest], origin: Int)
        /// Have an origin remove from its backends what all have removed from their disks.
        case removeFromBackends([Digest])
        /// Tell an origin that the batch is over. Needs no answer.
        case release([Digest], origin: Int)
    }

    /// What came of an effect.
    package enum Event: Sendable {
        /// An origin has condemned the batch, except for some.
        case condemned(origin: Int, refused: [Digest: String])
        /// Nothing is remembered of the batch, except for some.
        case forgotten(refused: [Digest: String])
        /// An origin has removed the batch from its disk, except for some; `bytes` were on it.
        case removed(origin: Int, bytes: [Digest: Int], refused: [Digest: String])
        /// The backends have nothing left of the batch, except for some.
        case removedFromBackends(removed: [Digest], refused: [Digest: String])
        /// No answer: what was asked may be done or not.
        case failed(why: String)
    }

    private enum Phase { case idle, condemning, forgetting, removing, clearing }

    private let graph: ContentGraph
    private let originCount: Int
    private let rules: Rules
    private var waiting: ArraySlice<Digest>
    /// What is not in a batch yet.
    private var candidates: Set<Digest>
    private let stored: Set<Digest>
    private var phase = Phase.idle
    private var batch: [Digest] = []
    private var condemnedAt = Instant.origin
    private var answersDue = 0
    /// What of the batch can't go, with why.
    private var refusals: [Digest: String] = [:]
    /// What stays because something spared refers to it.
    private var keptBySpared: [Digest: ContentGraph.Keeper] = [:]

    /// What has come of it so far.
    package private(set) var report = SweepReport()

    /// The sweep of all of `stored` that `graph` does not keep, over `originCount` origins.
    package init(_ graph: ContentGraph, stored: Set<Digest>, originCount: Int, rules: Rules) {
        precondition(originCount > 0 && rules.batchMax > 0, "a sweep of nothing")
        (self.graph, self.originCount, self.rules) = (graph, originCount, rules)
        self.stored = stored
        let kept = graph.kept { stored.contains($0) }
        report.kept = kept.filter { stored.contains($0.key) }
        var candidates = stored.filter { kept[$0] == nil }
        for subject in graph.absentSubjects(of: candidates, stored: stored)
        where kept[subject] == nil {
            candidates.insert(subject)
        }
        (self.candidates, waiting) = (candidates, graph.ordered(candidates)[...])
    }

    /// Whether all batches are done.
    package var isDone: Bool { phase == .idle && waiting.isEmpty }

    /// Begins the next batch, when there is one and none is under way.
    package mutating func begin(at now: Instant, into effects: inout [Effect]) {
        while phase == .idle, !waiting.isEmpty {
            batch = []
            while batch.count < rules.batchMax, let next = waiting.popFirst() { add(next) }
            guard !batch.isEmpty else { continue }
            (phase, condemnedAt, refusals, answersDue) = (.condemning, now, [:], originCount)
            for origin in 0..<originCount { effects.append(.condemn(batch, origin: origin)) }
        }
    }

    /// Puts `digest` into the batch, and with it what has it as its subject: were these to go later, the subject could be back
    /// by then.
    private mutating func add(_ digest: Digest) {
        var group = [digest]
        while let next = group.popLast() {
            guard candidates.remove(next) != nil else { continue }
            if let keeper = keptBySpared[next] {
                spare(next, "\(keeper)")
            } else {
                batch.append(next)
            }
            group += graph.referrers(of: next)
        }
    }

    /// Takes what came of an effect.
    package mutating func handle(_ event: Event, at now: Instant, into effects: inout [Effect]) {
        precondition(answersDue > 0, "an answer to nothing")
        answersDue -= 1
        switch event {
        case .condemned(_, let refused), .forgotten(let refused): refuse(refused)
        case .removed(_, let bytes, let refused):
            for (digest, count) in bytes { report.bytes[digest, default: 0] += count }
            refuse(refused)
        case .removedFromBackends(let removed, let refused):
            report.removedFromBackends.formUnion(removed)
            refuse(refused)
        case .failed(let why):
            for digest in batch { refusals[digest] = refusals[digest] ?? why }
        }
        guard answersDue == 0 else { return }
        advance(at: now, into: &effects)
    }

    private mutating func advance(at now: Instant, into effects: inout [Effect]) {
        let agreed = settle(into: &effects)
        switch phase {
        case .idle: preconditionFailure("no answer is due between batches")
        case .condemning where !rules.isDryRun && !agreed.isEmpty:
            (phase, answersDue) = (.forgetting, 1)
            effects.append(.forget(agreed.filter(stored.contains)))
        case .forgetting where !agreed.isEmpty:
            phase = .removing
            answersDue = originCount
            for origin in 0..<originCount { effects.append(.remove(agreed, origin: origin)) }
        case .removing where rules.sweepsBackends && !agreed.isEmpty:
            count(agreed)
            guard condemnedAt.duration(to: now) < rules.backendWindow else {
                for digest in agreed { report.leftInBackends[digest] = "there was no time left" }
                return end(into: &effects)
            }
            phase = .clearing
            answersDue = 1
            effects.append(.removeFromBackends(agreed))
        case .condemning, .forgetting, .removing:
            count(agreed)
            end(into: &effects)
        case .clearing: end(into: &effects)
        }
    }

    private mutating func count(_ removed: [Digest]) {
        report.removed.formUnion(removed.filter(stored.contains))
    }

    /// Takes out of the batch what was refused, and what that keeps; answers the rest.
    private mutating func settle(into effects: inout [Effect]) -> [Digest] {
        guard !refusals.isEmpty else { return batch }
        if phase == .clearing {
            for (digest, why) in refusals { report.leftInBackends[digest] = why }
            return batch
        }
        for digest in batch {
            if let why = refusals[digest] { spare(digest, why) }
        }
        for digest in batch where report.spared[digest] == nil {
            if let keeper = keptBySpared[digest] { spare(digest, "\(keeper)") }
        }
        let gone = batch.filter { report.spared[$0] != nil }
        release(gone, into: &effects)
        batch.removeAll { report.spared[$0] != nil }
        refusals = [:]
        return batch
    }

    private mutating func end(into effects: inout [Effect]) {
        release(batch, into: &effects)
        (phase, batch) = (.idle, [])
    }

    private func release(_ digests: [Digest], into effects: inout [Effect]) {
        guard !rules.isDryRun, !digests.isEmpty else { return }
        for origin in 0..<originCount { effects.append(.release(digests, origin: origin)) }
    }

    private mutating func refuse(_ refused: [Digest: String]) {
        // The first reason stands; an origin can't speak of what was not asked.
        for digest in batch {
            if let why = refused[digest], refusals[digest] == nil { refusals[digest] = why }
        }
    }

    private mutating func spare(_ digest: Digest, _ why: String) {
        guard report.spared[digest] == nil else { return }
        report.spared[digest] = why
        graph.addKept(by: digest, to: &keptBySpared)
    }
}

/// What a sweep did, blob by blob.
package struct SweepReport: Hashable, Sendable {
    /// What something keeps, with what.
    package var kept: [Digest: ContentGraph.Keeper] = [:]
    /// What nothing keeps and was not removed all the same, with why.
    package var spared: [Digest: String] = [:]
    /// What no origin has any more, or would have with a dry run.
    package var removed: Set<Digest> = []
    /// How many bytes of each were removed, over all origins.
    package var bytes: [Digest: Int] = [:]
    /// What was removed from backends.
    package var removedFromBackends: Set<Digest> = []
    /// What backends may have still, with why.
    package var leftInBackends: [Digest: String] = [:]

    /// The report of a sweep that has not begun.
    package init() {}
}
