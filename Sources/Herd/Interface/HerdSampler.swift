// SPDX-License-Identifier: Apache-2.0

import HTTPKit
import Primitives
import Synchronization
import TUI
import Telemetry

/// Looks at the components of this process at a fixed rate, for the terminal UI.
///
/// It takes what `GET /status` would answer straight from each component and reads their event logs from where it left
/// them: neither waits for a transfer, and a component in which nothing happened is not asked.
struct HerdSampler: Sendable {
    /// One look each.
    static let interval = Duration.milliseconds(100)
    /// A component in which nothing happens is looked at only this often.
    private static let idleInterval = Duration.seconds(1)

    private let components: [SupervisedComponent]
    private let machine = ProcessUsage()

    private let faults: @Sendable () -> [FaultRow]
    private let images: ImageDirectory?
    private let interval: Duration

    init(
        components: [SupervisedComponent],
        faults: @escaping @Sendable () -> [FaultRow],
        images: ImageDirectory?,
        interval: Duration = HerdSampler.interval
    ) {
        (self.components, self.faults, self.images) = (components, faults, images)
        self.interval = interval
    }

    /// Hands a sample to `take` each ``interval`` until the task is cancelled.
    func run(take: (Sample) -> Void) async {
        var watched = components.map(Watched.init)
        let clock = ContinuousClock()
        var next = clock.now
        while !Task.isCancelled {
            if var sample = await sample(&watched) {
                sample.faults = faults()
                sample.images = images?.update(sample.snapshot) ?? []
                take(sample)
            }
            next = max(next + interval, clock.now)
            // The rate is the point: there is no event to wait for.
            try? await clock.sleep(until: next)
        }
        await images?.stop()
    }

    /// What is known of one component.
    private struct Watched {
        let component: SupervisedComponent
        var last: ComponentSnapshot
        var lastSequence: UInt64 = 0
        var askedAt: ContinuousClock.Instant?
        var answeredAt = ContinuousClock.now
        var hasAnswered = false

        init(_ component: SupervisedComponent) {
            self.component = component
            last = ComponentSnapshot(
                kind: component.planned.kind,
                id: component.planned.id,
                health: .starting
            )
        }

        /// Whether bytes may be moving in it.
        var isBusy: Bool {
            last.swarms?.contains { $0.phase != .seeding || !$0.peers.isEmpty } ?? false
        }
    }

    /// What is new; nil when nothing happened and no component was due.
    private func sample(_ watched: inout [Watched]) async -> Sample? {
        var events: [ClusterEvent] = []
        var dropped: UInt64 = 0
        var latencies: [String: Double] = [:]
        let asked = Self.due(&watched, &events, &dropped)
        guard !asked.isEmpty || !events.isEmpty else { return nil }
        let answers = await Self.ask(asked.map { ($0, watched[$0].component.snapshots) })
        for (index, snapshot, elapsed) in answers {
            guard let snapshot else { continue }
            watched[index].last = snapshot
            watched[index].hasAnswered = true
            watched[index].answeredAt = .now
            latencies[snapshot.id] = elapsed.seconds * 1000
        }
        var sample = Sample(snapshot: ClusterSnapshot(components: watched.map(\.last)))
        for index in asked {
            let entry = watched[index]
            let silent = entry.answeredAt.duration(to: .now)
            if entry.hasAnswered, silent > interval * 3 {
                sample.silence[entry.component.planned.id] = silent.seconds
            }
        }
        // Time stamps come from one clock, so this is the order in which things happened.
        sample.events = events.sorted { $0.timestamp < $1.timestamp }
        (sample.droppedEvents, sample.latencies) = (dropped, latencies)
        sample.process = machine.now
        return sample
    }

    /// The components to ask now; takes all new events.
    private static func due(
        _ watched: inout [Watched],
        _ events: inout [ClusterEvent],
        _ dropped: inout UInt64
    ) -> [Int] {
        let now = ContinuousClock.now
        var due: [Int] = []
        for index in watched.indices {
            let batch = watched[index].component.events.events(after: watched[index].lastSequence)
            events += batch.events
            dropped += batch.droppedCount
            watched[index].lastSequence = batch.events.last?.sequence ?? watched[index].lastSequence
            let age = watched[index].askedAt.map { $0.duration(to: now) } ?? idleInterval
            guard !batch.events.isEmpty || watched[index].isBusy || age >= idleInterval else {
                continue
            }
            watched[index].askedAt = now
            due.append(index)
        }
        return due
    }

    private static func ask(
        _ sources: [(Int, SnapshotSource)]
    ) async -> [(Int, ComponentSnapshot?, Duration)] {
        // One after another: each is a hop to an event loop and back, and a task for each would cost more than it saves.
        var answers: [(Int, ComponentSnapshot?, Duration)] = []
        for (index, source) in sources {
            let begin = ContinuousClock.now
            let snapshot = await source.snapshot()
            answers.append((index, snapshot, begin.duration(to: .now)))
        }
        return answers
    }
}
