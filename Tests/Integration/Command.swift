// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// What a finished program left behind.
struct CommandResult: Sendable {
    /// Its exit status, or 128 + the signal that ended it.
    let status: Int32
    /// Its standard output.
    let output: String
    /// Its standard error.
    let errors: String
}

/// A program that ran for too long, or could not be started.
struct CommandFailure: Error, CustomStringConvertible {
    let description: String
}

/// A real program run as a user runs it, with a deadline.
struct Command: Sendable {
    /// The program's name or path, and its arguments.
    let words: [String]
    /// Variables set for it beside the test's own.
    var environment: [String: String] = [:]

    /// The program `name` with `arguments`, and with `environment` beside the test's own.
    init(_ name: String, _ arguments: [String], environment: [String: String] = [:]) {
        (words, self.environment) = ([name] + arguments, environment)
    }

    /// Runs the program to its end; past `deadline` it is killed and an error thrown.
    func run(within deadline: Duration = .seconds(120)) async throws -> CommandResult {
        let folder = try TemporaryDirectory()
        let (out, err) = (folder.url.appending(path: "out"), folder.url.appending(path: "err"))
        let process = try start(output: out, errors: err)
        let status = try await process.waitForExit(within: deadline)
        return CommandResult(
            status: status,
            output: (try? String(contentsOf: out, encoding: .utf8)) ?? "",
            errors: (try? String(contentsOf: err, encoding: .utf8)) ?? ""
        )
    }

    /// Starts the program with its output going to files.
    func start(output: URL, errors: URL) throws -> RunningProcess {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = words
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        for url in [output, errors] where !FileManager.default.fileExists(atPath: url.path) {
            _ = FileManager.default.createFile(atPath: url.path, contents: nil)
        }
        process.standardInput = FileHandle.nullDevice
        let outHandle = try FileHandle(forWritingTo: output)
        let errHandle = try FileHandle(forWritingTo: errors)
        try errHandle.seekToEnd()
        process.standardOutput = outHandle
        process.standardError = errHandle
        let running = RunningProcess(process, name: words.joined(separator: " "))
        defer {
            // The program has its own.
            for handle in [outHandle, errHandle] { try? handle.close() }
        }
        try running.launch()
        return running
    }
}

/// A program that runs beside the test.
final class RunningProcess: Sendable {
    private let process: Process
    private let name: String
    private let state = Mutex(State())

    private struct State {
        var status: Int32?
        var waiters: [CheckedContinuation<Int32, any Error>] = []
    }

    init(_ process: Process, name: String) { (self.process, self.name) = (process, name) }

    /// The process id.
    var pid: Int32 { process.processIdentifier }
    /// Whether it has not ended.
    var isRunning: Bool { state.withLock { $0.status == nil } }

    func launch() throws {
        process.terminationHandler = { [self] process in
            let code = process.terminationStatus
            let status = process.terminationReason == .uncaughtSignal ? 128 + code : code
            let waiters = state.withLock { state in
                state.status = status
                defer { state.waiters = [] }
                return state.waiters
            }
            for waiter in waiters { waiter.resume(returning: status) }
            // It holds us, and we hold the process with its descriptors: some thousand of them by the end of all tests.
            process.terminationHandler = nil
        }
        try process.run()
    }

    /// Sends `signal`.
    func send(_ signal: Int32) { Foundation.kill(pid, signal) }

    /// Ends the program after `moment`, unless the timer is cancelled or let go before.
    func kill(after moment: Duration) -> any DispatchSourceTimer {
        let timer = DispatchSource.makeTimerSource()
        timer.schedule(deadline: .now() + .milliseconds(Int(moment / .milliseconds(1))))
        timer.setEventHandler { [self] in send(SIGKILL) }
        timer.resume()
        return timer
    }

    /// The exit status, or 128 + the signal; past `deadline` the program is killed and an error thrown.
    func waitForExit(within deadline: Duration) async throws -> Int32 {
        let overdue = Mutex(false)
        let timer = DispatchSource.makeTimerSource()
        timer.schedule(deadline: .now() + .milliseconds(Int(deadline / .milliseconds(1))))
        timer.setEventHandler { [self] in
            overdue.withLock { $0 = true }
            send(SIGKILL)
        }
        timer.resume()
        defer { timer.cancel() }
        let status = try await withCheckedThrowingContinuation { continuation in
            let ended = state.withLock { state -> Int32? in
                if state.status == nil { state.waiters.append(continuation) }
                return state.status
            }
            if let ended { continuation.resume(returning: ended) }
        }
        if overdue.withLock({ $0 }) {
            throw CommandFailure(description: "\(name) still ran after \(deadline)")
        }
        return status
    }
}
