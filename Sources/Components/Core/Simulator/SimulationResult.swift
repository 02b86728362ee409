// SPDX-License-Identifier: Apache-2.0

import Primitives

/// How long downloads took, in seconds of virtual time from each agent's own start.
package struct DownloadTimes: Sendable, Hashable {
    /// The median.
    package let p50: Double
    /// Nine of ten took no longer.
    package let p90: Double
    /// Of a hundred, 99 took no longer.
    package let p99: Double
    /// Of a thousand, 999 took no longer.
    package let p999: Double
    /// From the start of the simulation to the last completion.
    package let makespan: Double
    /// Agents that completed.
    package let count: Int
    /// What nobody can beat.
    package let bound: SwarmBound

    /// - Parameter spans: nanoseconds, in any order.
    init(_ spans: [Int64], lastAt: Int64, bound: SwarmBound) {
        let sorted = spans.sorted()
        /// The smallest that at least `share` thousandths do not exceed.
        func rank(_ share: Int) -> Double {
            guard !sorted.isEmpty else { return 0 }
            let position = (sorted.count * share + 999) / 1000 - 1
            return Double(sorted[max(0, position)]) / 1e9
        }
        (p50, p90, p99, p999) = (rank(500), rank(900), rank(990), rank(999))
        makespan = Double(lastAt) / 1e9
        (count, self.bound) = (sorted.count, bound)
    }
}

/// What came of a simulation.
package struct SimulationResult: Sendable {
    /// What was simulated.
    package let plan: SimulationPlan
    /// All blobs of an agent.
    package let image: DownloadTimes
    /// Each blob.
    package let blobs: [DownloadTimes]
    /// Agents that were alive at the end of the downloads.
    package let survivors: Int
    /// What each origin sent, in copies of the image.
    package let originCopies: [Double]
    /// What uplinks did.
    package let ledger: UplinkLedger
    /// How often each invariant did not hold.
    package let invariants: [(invariant: Invariant, violations: Int)]
    /// The first violations in words.
    package let violations: [InvariantViolation]
    /// Schedulers audited.
    package let audits: Int
    /// A sum over all that schedulers did.
    package let trace: TraceHash
    /// Numbers by name.
    package let counters: [(name: String, value: Int)]
    /// Messages of the peer protocol.
    package let controlMessages: Int
    /// Their bytes.
    package let controlBytes: Int
    /// Bytes of pieces that arrived and counted.
    package let payloadBytes: Int
    /// Pieces that arrived and counted.
    package let payloads: Int

    /// Whether nothing was violated.
    package var isSound: Bool { violations.isEmpty }
}

/// How far a simulation has come.
package struct SimulationProgress: Sendable, Hashable {
    /// Virtual time, in seconds.
    package let seconds: Double
    /// Downloads that are not complete.
    package let pending: Int
    /// Downloads in all.
    package let downloads: Int
    /// The share of all payload bytes that arrived, 0 to 1.
    package let share: Double
    /// Events handled.
    package let events: Int
}

extension Simulation {
    /// How far it has come.
    package var progress: SimulationProgress {
        let total = Double(plan.imageBytes) * Double(plan.agents)
        return SimulationProgress(
            seconds: Double(now) / 1e9,
            pending: pendingBlobs,
            downloads: plan.agents * blobs.count,
            share: min(1, Double(tally.payloadBytes) / max(1, total)),
            events: tally.events
        )
    }

    /// What came of it; complete once ``run(events:)`` says that nothing is left to do.
    package func result() -> SimulationResult {
        let agents = (plan.origins..<plan.hostCount).filter { hosts[$0].isAlive }
        let blobTimes = blobs.indices.map { blob in
            times(agents, [blob], SwarmBound(blob: blob, of: plan))
        }
        return SimulationResult(
            plan: plan,
            image: times(agents, Array(blobs.indices), SwarmBound(image: plan)),
            blobs: blobTimes,
            survivors: agents.count,
            originCopies: (0..<plan.origins).map {
                Double(hosts[$0].bytesSent) / Double(plan.imageBytes)
            },
            ledger: ledger,
            invariants: zip(Invariant.allCases, auditor.counts).map { ($0, $1) },
            violations: auditor.violations,
            audits: auditor.audits,
            trace: trace,
            counters: tally.counters,
            controlMessages: tally.controlMessages,
            controlBytes: tally.controlBytes,
            payloadBytes: Int(tally.payloadBytes),
            payloads: tally.payloads
        )
    }

    private func times(_ agents: [Int], _ blobs: [Int], _ bound: SwarmBound) -> DownloadTimes {
        var spans: [Int64] = []
        var lastAt: Int64 = 0
        for agent in agents {
            let seats = blobs.map { self.seats[seat(agent, $0)] }
            guard seats.allSatisfy(\.isCommitted) else { continue }
            let end = seats.reduce(Int64(0)) { max($0, $1.committedAt) }
            let start = seats.reduce(Int64.max) { min($0, $1.joinedAt) }
            spans.append(end - start)
            lastAt = max(lastAt, end)
        }
        return DownloadTimes(spans, lastAt: lastAt, bound: bound)
    }
}

extension Tally {
    fileprivate var counters: [(name: String, value: Int)] {
        [
            ("events", events), ("scheduler_events", handled), ("requests", requests),
            ("endgame_requests", endgameRequests), ("requests_expired", requestsExpired),
            ("pieces_duplicate", duplicatePieces), ("pieces_bad", badPieces), ("dials", dials),
            ("dials_failed", dialsFailed), ("connections_refused", dialsRefused),
            ("announces", announces), ("announces_failed", announcesFailed),
            ("downloads_given_up", timedOutDownloads), ("crashes", crashes),
        ]
    }
}
