// SPDX-License-Identifier: Apache-2.0

import Content
import Glibc
import Primitives
import Synchronization
import TUI
import Telemetry

/// Does what the interface asks of a running herd, and says in a sentence what came of it.
final class ClusterCommands: Sendable {
    /// The components.
    let control: ClusterControl
    /// The faults that are on.
    let faults: FaultDesk
    let resources: ProcessResources
    /// Told each line of a scenario as it runs.
    let narrate: @Sendable (String) -> Void
    private let isPlaying = Mutex(false)

    /// The repository of the images that are made here.
    static let repository = "demo/app"

    /// Commands for the components of `control`.
    init(
        _ control: ClusterControl,
        faults: FaultDesk,
        resources: ProcessResources,
        narrate: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        (self.control, self.faults, self.resources) = (control, faults, resources)
        self.narrate = narrate
    }

    /// Does `command`, and returns when it is done.
    /// - Throws: ``Failure``, or `CancellationError`.
    func perform(_ command: ClusterCommand) async throws -> String {
        do {
            return try await perform(unexplained: command)
        } catch let error as RegistryFailure {
            throw error.failure
        }
    }

    private func perform(unexplained command: ClusterCommand) async throws -> String {
        switch command {
        case .push(let bytes): return try await push(bytes: bytes).sentence
        case .pull(let reference, let agents, let stagger):
            return try await pull(
                reference,
                by: agents,
                stagger: .milliseconds(max(0, stagger))
            ).sentence
        case .fault(let request): return try await faults.start(request)
        case .undo(let id): return try faults.undo(id)
        case .slowLinks(let rate): return try await faults.slowLinks(rate)
        case .retryTask(let queue, let task): return try await retry(task, in: queue)
        case .dropTask(let queue, let task): return try await drop(task, from: queue)
        case .scenario(let name): return try await play(name)
        case .crash:
            raise(SIGSEGV)
            return "the process has survived a SIGSEGV"
        }
    }

    // MARK: - Scenarios

    /// Plays the scenario `name`; answers how it went.
    /// - Throws: ``Failure`` when there is no such scenario, one is playing, or an expectation did not hold.
    func play(_ name: String) async throws -> String {
        let scenario = try Scenarios.named(name)
        let isFree = isPlaying.withLock { isPlaying in
            defer { isPlaying = true }
            return !isPlaying
        }
        guard isFree else {
            throw Failure("cannot play \(name)", why: "another scenario is playing")
        }
        defer { isPlaying.withLock { $0 = false } }
        return try await ScenarioRun(scenario, self).play()
    }
}
