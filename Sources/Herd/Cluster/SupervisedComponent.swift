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
    }

    /// How long a component must have run for its next failure to count as the first.
    static let steadyAfter = Duration.seconds(60)

    /// Who it is.
    let planned: PlannedComponent
    /// What happened in it, over all its starts.
    let events: EventLog
    private let counters: Counters
    private let resources: ProcessResources
    private let make: Factory
    private let state: Mutex<State>

    private struct State {
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

    private func finishRunning() {
        finishFirstStart(.failure(CancellationError()))
        let waiters = state.withLock { state in
            state.isRunning = false
            defer { state.stopWaiters = [:] }
            return Array(state.stopWaiters.values)
        }
        for waiter in waiters { waiter.resume() }
    }

    /// One life of the component; answers why it ended.
    private func runOnce(onReady: @escaping @Sendable () -> Void) async -> String {
        do {
            let environment = resources.environment(
                id: planned.id,
                events: events,
                counters: counters
            ) { [self] _ in
                onReady()
                finishFirstStart(.success(()))
            }
            var log = resources.logger(planned.id)
            log.logLevel = max(log.logLevel, .warning)
            let group = ServiceGroup(
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
            let isStopping = state.withLock { state in
                if !state.isStopping { state.group = group }
                return state.isStopping
            }
            if !isStopping { try await group.run() }
            throw Failure("\(planned.id) ended", why: "it returned without being asked to")
        } catch {
            finishFirstStart(.failure(error))
            return (error as? Failure)?.why ?? "\(error)"
        }
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
