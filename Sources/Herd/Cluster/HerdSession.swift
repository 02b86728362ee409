// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import TUI
import Telemetry

/// A herd in this process from its start to its end: the supervisor, who watches it, and what it was started for.
struct HerdSession: Sendable {
    let supervisor: Supervisor
    let plan: ClusterPlan
    let signals: StopSignals
    let files: ReadyFiles
    /// How its components are asked over TLS; nil: over plain HTTP.
    let transport: TransportSettings?
    /// Tells a collector until its task is cancelled; nil: there is none.
    let recording: (@Sendable () async -> Void)?
    let report: ClusterReport
    let lines: LineSink
    /// The terminal UI; nil without one.
    let interface: LiveInterface?
    let sampler: HerdSampler
    /// The scenario to play; nil for none.
    let lesson: Lesson?

    /// Runs until the cluster fails to start, somebody stops it, or the lesson is over.
    func run() async -> Result<Void, any Error> {
        let stop = StopRequest()
        // The screen is there before the cluster, so that one sees it start, and goes after it has stopped.
        let showing = Task { await show(until: stop) }
        let outcome = await superviseUntilStopped(stop)
        interface?.stop()
        if interface == nil { showing.cancel() }
        await showing.value
        if case .success = outcome, let failure = lesson?.failure { return .failure(failure) }
        return outcome
    }

    private func show(until stop: StopRequest) async {
        if let interface {
            await interface.run(over: sampler) { stop.request() }
        } else {
            await BlobReport(lines: lines).follow(sampler)
        }
    }

    private func superviseUntilStopped(_ stop: StopRequest) async -> Result<Void, any Error> {
        let ready = StopRequest()
        return await withTaskGroup(of: Result<Void, any Error>?.self) { group in
            group.addTask {
                await signals.watch { signal in
                    report.stopping("\(signal)")
                    files.remove()
                    stop.request()
                }
                return nil
            }
            group.addTask {
                do {
                    try await supervisor.run(untilStopped: stop) {
                        try files.write(ReadyFile(plan, transport: transport))
                        ready.request()
                    }
                    return .success(())
                } catch {
                    return .failure(error)
                }
            }
            if let recording {
                group.addTask {
                    await recording()
                    return nil
                }
            }
            if let lesson {
                group.addTask {
                    await ready.wait()
                    guard ready.isRequested else { return nil }
                    await lesson.play()
                    if lesson.endsHerd { stop.request() }
                    return nil
                }
            }
            var outcome: Result<Void, any Error>?
            while outcome == nil, let next = await group.next() { outcome = next }
            group.cancelAll()
            // A lesson that was called off has failed as well.
            while await group.next() != nil {}
            return outcome ?? .success(())
        }
    }
}
