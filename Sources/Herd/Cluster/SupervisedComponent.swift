// SPDX-License-Identifier: Apache-2.0

import HTTPKit
import Logging
import Primitives
import ServiceLifecycle
import Synchronization
import Telemetry

/// One component while the herd runs: started, restarted when it fails, stopped when asked.
final class SupervisedComponent: Sendable {
    /// Makes the component anew for each start.
    typealias Factory = @Sendable (ComponentEnvironment) throws -> any Service

    /// What a supervisor is told.
    enum Change: Sendable {
        /// It serves, `elapsed` after its start.
        case ready(elapsed: Duration)
        /// It ended although nobody asked; it starts again after `pause`.
        case failed(why: String, pause: Duration)
        /// It ended because somebody asked, and stays down until it is released.
        case held
    }

    /// How long a component must have run for its next failure to count as the first.
    static let steadyAfter = Duration.seconds(60)

    /// Who it is.
    let planned: PlannedComponent
    /// What happened in it, over all its starts.
    let events: EventLog
    /// How to look at it.
    let snapshots = SnapshotSource()
    /// What goes wrong in it on purpose, over all its starts.
    let faults: FaultSwitch
    let counters: Counters
    private let resources: ProcessResources
    private let make: Factory
    private let state: Mutex<State>

    /// What it is about at the moment.
    struct State {
        var isStopping = false
        var isRunning = false
        var stopWaiters: [Int: CheckedContinuation<Void, Never>] = [:]
        var nextWaiter = 0
        var group: ServiceGroup?
        var pause: Task<Void, Never>?
        var backoff: Backoff
        /// How the first start went; nil while it goes on.
        var firstStart: Result<Void, any Error>?
        var waiter: CheckedContinuation<Void, any Error>?
        /// The present life; nil between lives.
        var life: Task<Void, any Error>?
        /// Whether the present life serves.
        var isServing = false
        /// Those who keep it down, by the numbers they chose.
        var holders: Set<Int> = []
        /// Whether the life that ends was taken down.
        var isInterrupted = false
        /// Why the latest life failed; nil once one serves, or was taken down.
        var lastFailure: String?
        /// Resumed whenever something above changes.
        var watchers: [Int: CheckedContinuation<Void, Never>] = [:]
    }

    /// The component `planned`, made by `make`; `limits` bound its events, `seed` draws its pauses.
    init(
        _ planned: PlannedComponent,
        resources: ProcessResources,
        limits: Limits = Limits(),
        seed: UInt64,
        make: @escaping Factory
    ) {
        self.planned = planned
        self.resources = resources
        self.make = make
        events = EventLog(component: planned.id, limits: limits)
        faults = FaultSwitch(events: events)
        counters = Counters(kind: planned.kind)
        state = Mutex(State(backoff: Backoff(generator: Generator(seed: seed))))
    }

    /// Runs the component until ``stop()`` or cancellation; a first start that fails is not repeated.
    func run(onChange: @escaping @Sendable (Change) -> Void) async {
        state.withLock { $0.isRunning = true }
        defer { finishRunning() }
        while !state.withLock({ $0.isStopping }), !Task.isCancelled {
            let begin = ContinuousClock.now
            let why = await runOnce {
                onChange(.ready(elapsed: ContinuousClock.now - begin))
            }
            if takeInterruption() {
                onChange(.held)
                await wait(while: { !$0.holders.isEmpty && !$0.isStopping })
                continue
            }
            let ranSteadily = ContinuousClock.now - begin > Self.steadyAfter
            guard let pause = pauseAfterFailure(ranSteadily) else { return }
            onChange(.failed(why: why, pause: pause.length))
            await withTaskCancellationHandler {
                await pause.task.value
            } onCancel: {
                pause.task.cancel()
            }
        }
    }

    /// Returns once the component serves for the first time.
    /// - Throws: what ended its first start instead.
    func waitUntilReady() async throws {
        try await withCheckedThrowingContinuation { continuation in
            let outcome = state.withLock { state -> Result<Void, any Error>? in
                if state.firstStart == nil { state.waiter = continuation }
                return state.firstStart
            }
            if let outcome { continuation.resume(with: outcome) }
        }
    }

    /// Asks the component to drain and end; ``run(onChange:)`` returns when it has.
    func stop() async {
        let (group, pause) = state.withLock { state in
            state.isStopping = true
            return (state.group, state.pause)
        }
        pause?.cancel()
        noteChange()
        await group?.triggerGracefulShutdown()
    }

    /// Returns once ``run(onChange:)`` has returned, at once when it does not run, or when the task is cancelled.
    func waitUntilStopped() async {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let mustWait = state.withLock { state in
                    guard state.isRunning, !Task.isCancelled else { return false }
                    state.stopWaiters[id] = continuation
                    return true
                }
                if !mustWait { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.stopWaiters.removeValue(forKey: id) }?.resume()
        }
    }

    // MARK: - Being held

    /// Whether somebody keeps it down.
    var isHeld: Bool { state.withLock { !$0.holders.isEmpty } }

    /// Whether the life that has ended was taken down; asked once after each.
    private func takeInterruption() -> Bool {
        state.withLock { state in
            defer { state.isInterrupted = false }
            return state.isInterrupted || !state.holders.isEmpty
        }
    }

    /// Why it does not serve; nil while it does, or may soon.
    var lastFailure: String? { state.withLock { $0.lastFailure } }

    /// Whether it serves at the moment.
    var isServing: Bool { state.withLock { $0.isServing } }

    /// Notes that `id` keeps it down, and answers the life that has to end.
    func beginHolding(_ id: Int) -> (group: ServiceGroup?, life: Task<Void, any Error>?) {
        let (group, life, pause) = state.withLock { state in
            state.holders.insert(id)
            state.isInterrupted = state.life != nil
            state.lastFailure = nil
            return (state.group, state.life, state.pause)
        }
        pause?.cancel()
        return (group, life)
    }

    /// Changes the state and tells those who wait for a change.
    func noteChange(_ body: (inout State) -> Void = { _ in }) {
        let watchers = state.withLock { state in
            body(&state)
            defer { state.watchers = [:] }
            return Array(state.watchers.values)
        }
        for watcher in watchers { watcher.resume() }
    }

    /// Returns when `mustWait` no longer holds, or when the task is cancelled.
    func wait(while mustWait: @Sendable (State) -> Bool) async {
        while !Task.isCancelled, await waitForChange(while: mustWait) {}
    }

    /// Waits for one change, unless there is no need to; answers whether there was.
    private func waitForChange(while mustWait: @Sendable (State) -> Bool) async -> Bool {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let hasToWait = state.withLock { state in
                    guard mustWait(state), !Task.isCancelled else { return false }
                    state.watchers[id] = continuation
                    return true
                }
                if !hasToWait { continuation.resume() }
            }
            return state.withLock { mustWait($0) }
        } onCancel: {
            state.withLock { $0.watchers.removeValue(forKey: id) }?.resume()
        }
    }

    private func finishRunning() {
        finishFirstStart(.failure(CancellationError()))
        let waiters = state.withLock { state in
            state.isRunning = false
            defer { state.stopWaiters = [:] }
            return Array(state.stopWaiters.values)
        }
        for waiter in waiters { waiter.resume() }
        noteChange()
    }

    /// One life of the component; answers why it ended.
    private func runOnce(onReady: @escaping @Sendable () -> Void) async -> String {
        defer { noteChange { ($0.life, $0.group, $0.isServing) = (nil, nil, false) } }
        do {
            let environment = resources.environment(
                id: planned.id,
                events: events,
                counters: counters,
                snapshots: snapshots,
                faults: faults,
                isSecured: planned.kind.speaksTLS
            ) { [self] _ in
                onReady()
                noteChange { ($0.isServing, $0.lastFailure) = (true, nil) }
                finishFirstStart(.success(()))
            }
            defer { snapshots.withdraw() }
            let group = try makeGroup(environment)
            // A task of its own, so that a life can be cut off without the end of this component.
            let life = state.withLock { state -> Task<Void, any Error>? in
                guard !state.isStopping, state.holders.isEmpty else { return nil }
                let life = Task { try await group.run() }
                (state.group, state.life) = (group, life)
                return life
            }
            try await withTaskCancellationHandler {
                try await life?.value
            } onCancel: {
                life?.cancel()
            }
            throw Failure("\(planned.id) ended", why: "it returned without being asked to")
        } catch {
            let why = (error as? Failure)?.why ?? "\(error)"
            let isInterrupted = state.withLock { state in
                if !state.isInterrupted, state.holders.isEmpty { state.lastFailure = why }
                return state.isInterrupted || !state.holders.isEmpty
            }
            // A start that was taken down is made again.
            if !isInterrupted { finishFirstStart(.failure(error)) }
            return why
        }
    }

    private func makeGroup(_ environment: ComponentEnvironment) throws -> ServiceGroup {
        var log = resources.logger(planned.id)
        log.logLevel = max(log.logLevel, .warning)
        return ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [
                    .init(
                        service: try make(environment),
                        successTerminationBehavior: .gracefullyShutdownGroup
                    )
                ],
                logger: log
            )
        )
    }

    private func finishFirstStart(_ outcome: Result<Void, any Error>) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, any Error>? in
            guard state.firstStart == nil else { return nil }
            state.firstStart = outcome
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(with: outcome)
    }

    /// The pause before the next start; nil when there will be none.
    private func pauseAfterFailure(
        _ ranSteadily: Bool
    ) -> (length: Duration, task: Task<Void, Never>)? {
        state.withLock { state in
            state.group = nil
            guard !state.isStopping, !Task.isCancelled, case .success = state.firstStart else {
                return nil
            }
            if ranSteadily { state.backoff.reset() }
            let length = state.backoff.next()
            // A task of its own, so that a stop can end the pause without cancelling the component's task.
            let task = Task<Void, Never> {
                // Back-off: nothing will tell us when a retry may succeed. Cancelled early: then there is no retry.
                try? await Task.sleep(for: length)
            }
            state.pause = task
            return (length, task)
        }
    }
}
