// SPDX-License-Identifier: Apache-2.0

import Content
import Glibc
import Primitives
import Synchronization

/// How far a push or pull has come, on standard error: a bar that is redrawn on a terminal, else a line for each blob.
final class TransferProgress: Sendable {
    private struct State {
        var totalBytes = 0
        var doneBytes = 0
        var finished = 0
        var count = 0
        var drawnAt: ContinuousClock.Instant?
    }

    private let state = Mutex(State())
    private let verb: String
    private let format: LogFormat
    private let isTerminal: Bool
    private let write: @Sendable (String) -> Void
    /// The shortest time between two pictures of the bar.
    private static let interval = Duration.milliseconds(100)

    /// The progress of blobs that are to be `verb`ed: `push` or `pull`.
    init(
        _ verb: String,
        isTerminal: Bool = isatty(STDERR_FILENO) == 1,
        format: LogFormat = .current,
        write: @escaping @Sendable (String) -> Void = { StandardError.write($0) }
    ) {
        (self.verb, self.format, self.write) = (verb, format, write)
        // A bar is no object.
        self.isTerminal = isTerminal && format == .text
    }

    /// These blobs are to be moved.
    func begin(_ blobs: [Descriptor]) {
        state.withLock { state in
            state.count = blobs.count
            state.totalBytes = blobs.reduce(0) { $0 + $1.bytes }
        }
    }

    /// `bytes` more have moved; negative when an attempt has to begin again.
    func add(_ bytes: Int) {
        let picture = state.withLock { state -> String? in
            state.doneBytes += bytes
            let now = ContinuousClock.now
            guard isTerminal, state.drawnAt.map({ now - $0 >= Self.interval }) ?? true else {
                return nil
            }
            state.drawnAt = now
            return bar(state)
        }
        if let picture { write("\r" + picture) }
    }

    /// `blob` is where it belongs; `wasThere`: it was before.
    func finish(_ blob: Descriptor, wasThere: Bool) {
        let text = state.withLock { state -> String in
            state.finished += 1
            if wasThere { state.doneBytes += blob.bytes }
            let word = wasThere ? "already there" : "\(verb)ed"
            let name = blob.digest.description.prefix(19)
            if isTerminal { return "\r" + bar(state) }
            let place = "(\(state.finished) of \(state.count))"
            let line = "\(word) \(name) \(ByteCount(blob.bytes)) \(place)"
            guard format == .json else { return line + "\n" }
            var record = LogRecord(line)
            record.data = [
                .init("digest", .string(blob.digest.description)),
                .init("bytes", .integer(blob.bytes)),
                .init("finished", .integer(state.finished)), .init("blobs", .integer(state.count)),
            ]
            return record.json + "\n"
        }
        write(text)
    }

    /// Everything is done: the bar stays as it is.
    func end() { if isTerminal { write("\n") } }

    private func bar(_ state: State) -> String {
        let width = 30
        let share = state.totalBytes == 0 ? 1 : Double(state.doneBytes) / Double(state.totalBytes)
        let filled = max(0, min(width, Int(share * Double(width))))
        let bar =
            String(repeating: "=", count: filled) + String(repeating: " ", count: width - filled)
        let bytes = "\(ByteCount(max(0, state.doneBytes))) of \(ByteCount(state.totalBytes))"
        return "\(verb) [\(bar)] \(bytes), \(state.finished) of \(state.count) blobs".padded(to: 78)
    }
}

/// One attempt at a transfer, whose bytes no longer count when it fails.
final class TransferAttempt: Sendable {
    private let progress: TransferProgress
    private let moved = Mutex(0)

    /// An attempt that counts towards `progress`.
    init(_ progress: TransferProgress) { self.progress = progress }

    /// `bytes` more have moved.
    @Sendable func add(_ bytes: Int) {
        moved.withLock { $0 += bytes }
        progress.add(bytes)
    }

    /// The attempt has failed.
    func takeBack() {
        let bytes = moved.withLock { moved in
            defer { moved = 0 }
            return moved
        }
        progress.add(-bytes)
    }
}
