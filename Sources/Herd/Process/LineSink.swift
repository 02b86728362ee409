// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Primitives
import Synchronization

/// Standard error as a place for lines that never makes its writers wait.
///
/// A terminal may be stopped and a pipe full, so lines queue up and a thread of its own writes them. At the limit the
/// oldest line is dropped, and the number of dropped ones is written in its place.
final class LineSink: Sendable {
    private struct State {
        var lines: BoundedQueue<String>
        var reportedDrops: UInt64 = 0
        var isWriting = false
    }

    private let state: Mutex<State>
    private let queue = DispatchQueue(label: "herd.lines")
    private let write: @Sendable (String) -> Void

    /// A sink that keeps at most `capacity` unwritten lines.
    init(
        capacity: Int = 4096,
        write: @escaping @Sendable (String) -> Void = { StandardError.write($0) }
    ) {
        state = Mutex(State(lines: BoundedQueue(capacity: capacity)))
        self.write = write
    }

    /// Queues `line`, which has no newline at its end.
    func append(_ line: String) {
        let mustStart = state.withLock { state in
            state.lines.push(droppingOldest: line)
            defer { state.isWriting = true }
            return !state.isWriting
        }
        if mustStart { queue.async { self.drain() } }
    }

    /// Returns once the lines so far are written, or after `seconds`.
    func flush(within seconds: Double = 1) {
        let done = DispatchSemaphore(value: 0)
        queue.async { done.signal() }
        _ = done.wait(timeout: .now() + seconds)
    }

    private func drain() {
        while true {
            let text = state.withLock { state -> String? in
                guard !state.lines.isEmpty else {
                    state.isWriting = false
                    return nil
                }
                var text = ""
                let dropped = state.lines.droppedCount - state.reportedDrops
                if dropped > 0 {
                    state.reportedDrops += dropped
                    let note = "(\(dropped) lines dropped: standard error was not read)"
                    text += (LogFormat.current == .json ? LogRecord(note).json : note) + "\n"
                }
                while text.utf8.count < 8192, let line = state.lines.popFirst() {
                    text += line + "\n"
                }
                return text
            }
            guard let text else { return }
            write(text)
        }
    }
}
