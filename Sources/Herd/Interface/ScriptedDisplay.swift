// SPDX-License-Identifier: Apache-2.0

import Primitives
import Synchronization
import TUI
import Telemetry
import Terminal

/// A display without a terminal: a script types, waits for what frames show, and keeps frames.
final class ScriptedDisplay: Display {
    private struct State {
        var interface: Interface
        var take: (@Sendable (Effect) -> Void)?
        var outcome: Result<Void, Failure>?
    }

    private let state: Mutex<State>
    private let script: InterfaceScript
    private let keep: @Sendable (_ name: String, _ text: String) throws -> Void
    /// A picture has come or a command has ended: frames may show something new.
    private let changes: AsyncStream<Void>
    private let change: AsyncStream<Void>.Continuation
    private let running = TaskBag()

    /// How long a step may wait for what it wants to see.
    static let stepTimeout = Duration.seconds(60)

    /// A display of `size` on which `script` is played; `keep` gets the frames that it asks for.
    init(
        _ options: UserInterfaceOptions,
        size: Size,
        script: InterfaceScript,
        keep: @escaping @Sendable (_ name: String, _ text: String) throws -> Void
    ) {
        var view = options.view
        view.size = size
        view.glyphs = options.glyphs ?? .braille
        view.colors = options.colors == .never ? .mono : .indexed256
        state = Mutex(
            State(interface: Interface(view: view, historySeconds: options.historySeconds))
        )
        (self.script, self.keep) = (script, keep)
        (changes, change) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// How the script ended; nil while it runs.
    var outcome: Result<Void, Failure>? { state.withLock { $0.outcome } }

    func start(_ take: @escaping @Sendable (Effect) -> Void) {
        state.withLock { $0.take = take }
        running.add { [self] in
            let outcome: Result<Void, Failure>
            do {
                for step in script.steps { try await play(step) }
                outcome = .success(())
            } catch {
                outcome = .failure(
                    error as? Failure ?? Failure("the script ended", why: "\(error)")
                )
            }
            state.withLock { $0.outcome = outcome }
            take(.quit(.stop))
        }
    }

    func show(_ picture: ClusterPicture) {
        perform { $0.receive(picture) }
        change.yield()
    }

    func finish(_ text: String, isError: Bool) {
        perform { $0.finish(text, isError: isError) }
        change.yield()
    }

    func takeLogs() -> [LogLine] { [] }
    func stop() { change.finish() }

    private func perform(_ work: (inout Interface) -> [Effect]) {
        let (effects, take) = state.withLock { state in (work(&state.interface), state.take) }
        for effect in effects {
            // A question about quitting is for people; what a script needs of it is the answer.
            take?(effect)
        }
    }

    private var frame: Frame { state.withLock { $0.interface.draw() } }
    private var view: ViewState { state.withLock { $0.interface.view } }

    // MARK: - Steps

    private func play(_ step: InterfaceScript.Step) async throws {
        switch step {
        case .keys(let keys): for key in keys { perform { $0.handle(.key(key)) } }
        case .run(let line): perform { $0.perform(.run(line)) }
        case .resize(let size): perform { $0.handle(.resize(size)) }
        case .advance(let duration): try await Task.sleep(for: duration)
        case .wait(let text): try await wait(for: text)
        case .expect(let pattern):
            let frame = frame
            guard pattern.matches(frame) else {
                throw Failure("expected \(pattern.text)", why: "the screen shows:\n\(frame.text)")
            }
        case .frame(let name): try keep(name, frame.text + "\n")
        case .ansi(let name):
            let (frame, view) = (frame, view)
            let text = AnsiEncoder.document(frame, theme: view.theme, depth: view.colors)
            try keep(name, text)
        }
    }

    /// Returns once a frame shows `text`.
    private func wait(for text: String) async throws {
        if frame.text.contains(text) { return }
        let found = await withTaskGroup(of: Bool.self) { group in
            group.addTask { [self] in
                for await _ in changes where frame.text.contains(text) { return true }
                return false
            }
            group.addTask {
                // The bound of the wait.
                try? await Task.sleep(for: Self.stepTimeout)
                return false
            }
            let found = await group.next() ?? false
            group.cancelAll()
            return found
        }
        guard found else {
            throw Failure(
                "waited \(Int(Self.stepTimeout.seconds)) s for “\(text)”",
                why: "the screen shows:\n\(frame.text)"
            )
        }
    }
}
