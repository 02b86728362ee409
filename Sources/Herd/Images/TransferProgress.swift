// SPDX-License-Identifier: Apache-2.0

import Content
import Glibc
import Primitives
import Synchronization

/// How far a transfer of an image has come, on standard error: a bar for each blob on its way and one for all of them on a
/// terminal, else a line for each blob that is done.
final class TransferProgress: Sendable {
    /// A blob on its way.
    private struct Lane {
        let blob: Descriptor
        let startedAt: ContinuousClock.Instant
        var doneBytes = 0
        var attemptCount = 0
    }

    private struct State {
        var totalBytes = 0
        var doneBytes = 0
        var count = 0
        var lanes: [Lane] = []
        var rows: [TransferRow] = []
        var drawnAt: ContinuousClock.Instant?
        /// Lines on the terminal that the next picture replaces.
        var drawnLines = 0

        func lane(of blob: Descriptor) -> Int? {
            lanes.firstIndex { $0.blob.name == blob.name }
        }
    }

    private let state = Mutex(State())
    private let verb: String
    private let format: LogFormat
    private let isTerminal: Bool
    private let write: @Sendable (String) -> Void
    /// The shortest time between two pictures of the bars.
    private static let interval = Duration.milliseconds(100)
    /// Columns of a line: what every terminal has.
    private static let columns = 78
    /// Columns of a bar.
    private static let barColumns = 16

    /// The progress of blobs that are to be `verb`ed: `push`, `pull` or `copy`.
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

    /// What has become of each blob that is done, in the order in which they were.
    var rows: [TransferRow] { state.withLock { $0.rows } }

    /// These blobs are to be moved.
    func begin(_ blobs: [Descriptor]) {
        state.withLock { state in
            state.count = blobs.count
            state.totalBytes = blobs.reduce(0) { $0 + $1.bytes }
        }
    }

    /// An attempt to move `blob` begins.
    func start(_ blob: Descriptor) {
        state.withLock { state in
            if state.lane(of: blob) == nil {
                state.lanes.append(Lane(blob: blob, startedAt: .now))
            }
            if let lane = state.lane(of: blob) { state.lanes[lane].attemptCount += 1 }
        }
    }

    /// `bytes` more of `blob` have moved; negative when an attempt has to begin again.
    func add(_ bytes: Int, of blob: Descriptor) {
        let picture = state.withLock { state -> String? in
            state.doneBytes += bytes
            if let lane = state.lane(of: blob) { state.lanes[lane].doneBytes += bytes }
            let now = ContinuousClock.now
            guard isTerminal, state.drawnAt.map({ now - $0 >= Self.interval }) ?? true else {
                return nil
            }
            return draw(&state, at: now)
        }
        if let picture { write(picture) }
    }

    /// `blob` is where it belongs, verified; `wasThere`: it was before.
    func finish(_ blob: Descriptor, wasThere: Bool) {
        let text = state.withLock { state -> String in
            if wasThere { state.doneBytes += blob.bytes }
            var row = TransferRow(blob: blob, wasThere: wasThere)
            if let index = state.lane(of: blob) {
                let lane = state.lanes.remove(at: index)
                row.took = lane.startedAt.duration(to: .now)
                row.attemptCount = lane.attemptCount
            }
            state.rows.append(row)
            let word = wasThere ? "already there" : pastTense
            let name = blob.name.description.prefix(19)
            let place = "(\(state.rows.count) of \(state.count))"
            let line = "\(word) \(name) \(ByteCount(blob.bytes)) \(place)"
            if isTerminal { return draw(&state, at: .now, after: line.padded(to: Self.columns)) }
            guard format == .json else { return line + "\n" }
            var record = LogRecord(line)
            record.data = [
                .init("digest", .string(blob.name.description)),
                .init("bytes", .integer(blob.bytes)),
                .init("finished", .integer(state.rows.count)),
                .init("blobs", .integer(state.count)),
            ]
            return record.json + "\n"
        }
        write(text)
    }

    /// Everything is done: the last picture stays as it is.
    func end() {
        guard isTerminal else { return }
        write(state.withLock { draw(&$0, at: .now) })
    }

    private var pastTense: String { verb == "copy" ? "copied" : "\(verb)ed" }

    // MARK: - Drawing

    /// A picture in place of the one before; `line` stays above it.
    private func draw(
        _ state: inout State,
        at now: ContinuousClock.Instant,
        after line: String? = nil
    ) -> String {
        var lines = line.map { [$0] } ?? []
        let lanes = state.lanes.map { lane in
            let name = String(lane.blob.name.description.prefix(19))
            return Self.bar(name, lane.doneBytes, of: lane.blob.bytes, "")
        }
        let blobs = "\(state.rows.count) of \(state.count) blobs"
        let total = Self.bar(verb, state.doneBytes, of: state.totalBytes, blobs)
        lines += lanes + [total]
        // Up to the picture before, and everything from there on cleared.
        let back = state.drawnLines > 0 ? "\u{1B}[\(state.drawnLines)A\r\u{1B}[J" : ""
        (state.drawnAt, state.drawnLines) = (now, lanes.count + 1)
        return back + lines.joined(separator: "\n") + "\n"
    }

    private static func bar(_ name: String, _ done: Int, of total: Int, _ rest: String) -> String {
        let share = total == 0 ? 1 : Double(done) / Double(total)
        let filled = max(0, min(barColumns, Int(share * Double(barColumns))))
        let bar =
            String(repeating: "=", count: filled)
            + String(repeating: " ", count: barColumns - filled)
        let bytes = "\(ByteCount(max(0, done))) of \(ByteCount(total))"
        let text = "\(name.padded(to: 19)) [\(bar)] \(bytes)" + (rest.isEmpty ? "" : ", \(rest)")
        return String(text.prefix(columns))
    }
}

/// What became of one blob of a transfer.
struct TransferRow: Hashable, Sendable {
    /// The blob, whose bytes were verified against its name.
    let blob: Descriptor
    /// Whether it was where it belongs before.
    let wasThere: Bool
    /// How long it took, attempts that failed included.
    var took = Duration.zero
    /// How often it was tried.
    var attemptCount = 0

    /// The row for programs.
    var members: [JSON.Member] {
        [
            .init("digest", .string(blob.name.description)),
            .init("media_type", .string(blob.mediaType)), .init("bytes", .integer(blob.bytes)),
            .init("was_there", .bool(wasThere)),
            .init("took_ms", .integer(Int(took.nanoseconds / 1_000_000))),
            .init("retries", .integer(max(0, attemptCount - 1))),
        ]
    }
}

/// One attempt at a transfer, whose bytes no longer count when it fails.
final class TransferAttempt: Sendable {
    private let progress: TransferProgress
    private let blob: Descriptor
    private let moved = Mutex(0)

    /// An attempt at `blob` that counts towards `progress`.
    init(_ progress: TransferProgress, _ blob: Descriptor) {
        (self.progress, self.blob) = (progress, blob)
        progress.start(blob)
    }

    /// `bytes` more have moved.
    @Sendable func add(_ bytes: Int) {
        moved.withLock { $0 += bytes }
        progress.add(bytes, of: blob)
    }

    /// The attempt has failed.
    func takeBack() {
        let bytes = moved.withLock { moved in
            defer { moved = 0 }
            return moved
        }
        progress.add(-bytes, of: blob)
    }
}
