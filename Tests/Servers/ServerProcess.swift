// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// Why a server did not start.
package struct ServerFailure: Error, CustomStringConvertible {
    /// The reason.
    package let description: String

    /// The reason `description`.
    package init(description: String) { self.description = description }
}

/// A real server that runs beside the tests of this process and ends with it.
///
/// A shell between holds a pipe of ours: it ends the server, by its process id, when the pipe closes, however this
/// process ends.
package final class ServerProcess: Sendable {
    private let process: Process
    private let lifeline = Pipe()
    private let output = Pipe()
    private let state = Mutex(State())

    private struct State {
        var lines: [String] = []
        var rest = Data()
        var waiter: CheckedContinuation<String, any Error>?
        var isReady: (@Sendable (String) -> Bool)?
        var ready: Result<String, ServerFailure>?
    }

    /// Lines of output kept for an error's text.
    private static let linesMax = 40

    /// Starts the program `words`; returns when it has written a line for which `isReady` holds.
    /// - Returns: the server and that line.
    package static func start(
        _ words: [String],
        environment: [String: String] = [:],
        within deadline: Duration = .seconds(90),
        until isReady: @escaping @Sendable (String) -> Bool
    ) async throws -> (ServerProcess, line: String) {
        let server = ServerProcess(words, environment)
        return (server, try await server.launch(isReady, deadline))
    }

    private init(_ words: [String], _ environment: [String: String]) {
        process = Process()
        process.executableURL = URL(filePath: "/bin/sh")
        let script = "\"$@\" </dev/null & pid=$!; read -r line; kill -9 $pid"
        process.arguments = ["-c", script, "sh"] + words
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = lifeline
        process.standardOutput = output
        process.standardError = output
    }

    private func launch(
        _ isReady: @escaping @Sendable (String) -> Bool,
        _ deadline: Duration
    ) async throws -> String {
        state.withLock { $0.isReady = isReady }
        output.fileHandleForReading.readabilityHandler = { [self] handle in
            take(handle.availableData)
        }
        try process.run()
        let timer = DispatchSource.makeTimerSource()
        timer.schedule(deadline: .now() + .milliseconds(Int(deadline / .milliseconds(1))))
        timer.setEventHandler { [self] in finish(.failure(failure("was not ready in time"))) }
        timer.resume()
        defer { timer.cancel() }
        return try await withCheckedThrowingContinuation { continuation in
            let ready = state.withLock { state -> Result<String, ServerFailure>? in
                if state.ready == nil { state.waiter = continuation }
                return state.ready
            }
            if let ready { continuation.resume(with: ready.mapError { $0 }) }
        }
    }

    /// Ends the server.
    package func stop() { lifeline.fileHandleForWriting.closeFile() }

    private func take(_ data: Data) {
        guard !data.isEmpty else {
            output.fileHandleForReading.readabilityHandler = nil
            finish(.failure(failure("has ended")))
            return
        }
        let lines = state.withLock { state -> [String] in
            state.rest += data
            var found: [String] = []
            while let end = state.rest.firstIndex(of: UInt8(ascii: "\n")) {
                found.append(String(decoding: state.rest[..<end], as: UTF8.self))
                state.rest = Data(state.rest[state.rest.index(after: end)...])
            }
            state.lines = (state.lines + found).suffix(Self.linesMax)
            return found
        }
        for line in lines where state.withLock({ $0.isReady?(line) == true }) {
            finish(.success(line))
        }
    }

    private func finish(_ result: Result<String, ServerFailure>) {
        let waiter = state.withLock { state in
            if state.ready == nil { state.ready = result }
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(with: result.mapError { $0 })
    }

    private func failure(_ why: String) -> ServerFailure {
        let words = (process.arguments ?? []).dropFirst(3).joined(separator: " ")
        let lines = state.withLock { $0.lines }.joined(separator: "\n")
        return ServerFailure(description: "\(words) \(why)\n\(lines)")
    }
}

/// Where the programs are that the tests of backends run beside themselves.
package enum ServerTools {
    /// Whether a missing program is an error, not a reason to leave tests out.
    package static let isCI = ProcessInfo.processInfo.environment["CI"] != nil

    private static let root = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    /// The program `name` of the virtual environment that `make deps` makes, or of the system.
    /// - Throws: ``ServerFailure`` when it is not installed.
    package static func path(_ name: String) throws -> String { try find(name, mode: X_OK) }

    /// The same for a file that is not run.
    /// - Throws: ``ServerFailure`` when it is not installed.
    package static func file(_ name: String) throws -> String { try find(name, mode: R_OK) }

    private static func find(_ name: String, mode: Int32) throws -> String {
        let folders =
            [root.path + "/.build-venv/bin"]
            + (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(
                String.init
            ) + ["/usr/sbin"]
        for folder in folders {
            if let path = match("\(folder)/\(name)", mode) { return path }
        }
        throw ServerFailure(description: "\(name) is not installed; run make deps")
    }

    /// The file that `pattern` finds; a star stands for what fits.
    private static func match(_ pattern: String, _ mode: Int32) -> String? {
        var matches = glob_t()
        defer { globfree(&matches) }
        guard glob(pattern, GLOB_NOSORT, nil, &matches) == 0, let first = matches.gl_pathv[0] else {
            return nil
        }
        let path = String(cString: first)
        return access(path, mode) == 0 ? path : nil
    }

    /// Whether what needs `name` is tested: when it is missing, only outside of CI it is not, with a line that says so.
    package static func has(_ name: String) -> Bool { isThere { try path(name) } }

    /// The same for a file that is not run.
    package static func hasFile(_ name: String) -> Bool { isThere { try file(name) } }

    private static func isThere(_ find: () throws -> String) -> Bool {
        do {
            _ = try find()
            return true
        } catch {
            FileHandle.standardError.write(Data("left out: \(error)\n".utf8))
            return isCI
        }
    }
}
