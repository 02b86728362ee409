// SPDX-License-Identifier: Apache-2.0

import Glibc
import Primitives
import Synchronization
import TUI
import Telemetry
import Terminal

/// The terminal UI over a cluster: feeds it pictures, does what it asks for.
///
/// Everything that can wait does so in tasks of its own: the cluster never waits for the screen, nor the screen for it.
final class LiveInterface: Sendable {
    /// Carries out a command and answers a sentence about it.
    typealias Perform = @Sendable (ClusterCommand) async throws -> String

    private let display: any Display
    private let recording: String?
    private let perform: Perform
    private let interest = Mutex(Interest())
    private let end = Ending()
    private let commands = TaskBag()

    /// How the UI ended, for whoever waits for it.
    private final class Ending: Sendable {
        let request = StopRequest()
        let kind = Mutex<QuitKind?>(nil)
    }

    /// A UI on `display` that asks `perform` to do things.
    ///
    /// - Parameter recording: the file that the run is recorded to; nil for none.
    init(on display: any Display, recording: String? = nil, perform: @escaping Perform) {
        (self.display, self.recording, self.perform) = (display, recording, perform)
    }

    /// Shows what `sampler` finds until the UI is quit or ``stop()``ped; `stopCluster` is called when the cluster is to
    /// end as well.
    func run(over sampler: any PictureSource, stopCluster: @escaping @Sendable () -> Void) async {
        let kind = await run(name: "herd", source: .herd, sampler)
        switch kind {
        case .stop: stopCluster()
        case .force: _exit(130)
        case .headless, nil: break
        }
    }

    /// Shows pictures of `samples` until the UI is quit or ``stop()``ped; answers how it was quit, if it was.
    func run(
        name: String,
        source: ClusterPicture.Source,
        _ samples: any PictureSource
    ) async -> QuitKind? {
        do {
            try display.start { [self] effect in take(effect) }
        } catch {
            StandardError.tell("no terminal UI: \(error)")
            return nil
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [self] in
                var builder = PictureBuilder(
                    name: name,
                    source: source,
                    owners: RingOwners.ranking,
                    rankings: RankingDesk().rankings
                )
                let recorder = makeRecorder(name)
                var rules = RulesInForce()
                await samples.run { sample in
                    var sample = sample
                    recorder?.record(sample)
                    sample.logs = display.takeLogs().map(\.readingRecord)
                    sample.rules = sample.rules ?? rules.update(sample.snapshot)
                    display.show(builder.take(sample, interest: interest.withLock { $0 }))
                }
            }
            await end.request.wait()
            group.cancelAll()
        }
        await commands.cancelAll()
        display.stop()
        return end.kind.withLock { $0 }
    }

    /// As ``run(name:source:_:)``, until a signal comes.
    func runUntilSignal(
        name: String,
        source: ClusterPicture.Source,
        _ samples: any PictureSource
    ) async -> QuitKind? {
        let signals = await StopSignals { CrashGuard.restoreTerminal() }
        return await withTaskGroup(of: QuitKind??.self) { group in
            group.addTask { [self] in await run(name: name, source: source, samples) }
            group.addTask { [self] in
                await signals.watch { _ in self.stop() }
                return nil
            }
            var kind: QuitKind?
            for await ending in group {
                guard case .some(let ending) = ending else { continue }
                kind = ending
                group.cancelAll()
            }
            return kind
        }
    }

    /// What came of a script, where one was played.
    /// - Throws: ``Failure`` saying which step failed.
    func checkScript() throws {
        if let outcome = (display as? ScriptedDisplay)?.outcome { try outcome.get() }
    }

    /// Ends the UI from outside: a signal came, or the cluster failed.
    func stop() { end.request.request() }

    /// What records the run; nil when it is not to be recorded.
    private func makeRecorder(_ name: String) -> SampleRecorder? {
        guard let recording else { return nil }
        do {
            return try SampleRecorder(recording, cluster: name)
        } catch {
            display.finish("\(error)", isError: true)
            return nil
        }
    }

    private func take(_ effect: Effect) {
        switch effect {
        case .command(let command):
            commands.add { [self] in
                do {
                    display.finish(try await perform(command), isError: false)
                } catch is CancellationError {
                    // The UI is going: nobody waits for an answer.
                } catch {
                    display.finish("\(error)", isError: true)
                }
            }
        case .interest(let interest): self.interest.withLock { $0 = interest }
        case .quit(let kind):
            end.kind.withLock { $0 = kind }
            end.request.request()
        case .saveScreen, .record, .copy, .redraw: break  // The loop has done these itself.
        }
    }
}
