// SPDX-License-Identifier: Apache-2.0

import Files
import Logging
import Synchronization
import Telemetry

/// What a file says, read again soon after it was replaced. While a new one can't be read, what it said before stays.
final class WatchedFile<Value: Sendable>: Sendable {
    private let path: String
    private let bytesMax: Int
    private let pool: BlockingPool
    private let log: Logger
    private let parse: @Sendable ([UInt8]) throws -> Value
    private let state: Mutex<State>

    private struct State {
        var value: Value
        /// Counts the values, so that whoever made something of one sees that there is another.
        var version = 0
        var stamp: FileStatus?
        var checkedAt: ContinuousClock.Instant
        var isChecking = false
    }

    /// How long nobody looks whether there is another file.
    private static var interval: Duration { .seconds(1) }

    private init(
        _ path: String,
        bytesMax: Int,
        pool: BlockingPool,
        log: Logger,
        first: (Value, FileStatus?),
        _ parse: @escaping @Sendable ([UInt8]) throws -> Value
    ) {
        (self.path, self.bytesMax, self.pool, self.log) = (path, bytesMax, pool, log)
        self.parse = parse
        state = Mutex(State(value: first.0, stamp: first.1, checkedAt: .now))
    }

    /// Reads the file at `path`, of at most `bytesMax` bytes.
    /// - Throws: ``AccessSetupError``.
    static func open(
        _ path: String,
        bytesMax: Int,
        pool: BlockingPool,
        log: Logger,
        _ parse: @escaping @Sendable ([UInt8]) throws -> Value
    ) async throws -> WatchedFile {
        let first = try await pool.run {
            // The stamp first: a file that is replaced in between is read again.
            let stamp = try FileStatus.of(path)
            return (try read(path, bytesMax, parse), stamp)
        }
        return WatchedFile(path, bytesMax: bytesMax, pool: pool, log: log, first: first, parse)
    }

    /// What the file says, and how many times it has said something else.
    func current() async -> (value: Value, version: Int) {
        let isDue = state.withLock { state in
            let isDue = !state.isChecking && .now - state.checkedAt >= Self.interval
            if isDue { state.isChecking = true }
            return isDue
        }
        if isDue { await check() }
        return state.withLock { ($0.value, $0.version) }
    }

    private func check() async {
        let known = state.withLock { $0.stamp }
        let fresh: (value: Value, stamp: FileStatus?)?
        do {
            let (path, bytesMax, parse) = (path, bytesMax, parse)
            fresh = try await pool.runUncancelled {
                let stamp = try FileStatus.of(path)
                guard stamp != known else { return nil }
                return (try Self.read(path, bytesMax, parse), stamp)
            }
        } catch {
            log.warning(
                "a file can't be read; what it said before holds",
                metadata: [LogKey.path: "\(path)", LogKey.error: "\(error)"]
            )
            fresh = nil
        }
        state.withLock { state in
            (state.isChecking, state.checkedAt) = (false, .now)
            guard let fresh else { return }
            (state.value, state.stamp) = fresh
            state.version += 1
        }
    }

    private static func read(
        _ path: String,
        _ bytesMax: Int,
        _ parse: @Sendable ([UInt8]) throws -> Value
    ) throws -> Value {
        guard let bytes = try AtomicFile.read(path, bytesMax: bytesMax) else {
            throw AccessSetupError(path, "there is no such file")
        }
        do { return try parse(bytes) } catch { throw AccessSetupError(path, "\(error)") }
    }
}

/// A file of passwords or keys that can't be used.
package struct AccessSetupError: Error, CustomStringConvertible {
    let path: String
    let why: String

    init(_ path: String, _ why: String) { (self.path, self.why) = (path, why) }

    package var description: String { "cannot use \(path): \(why)" }
}
