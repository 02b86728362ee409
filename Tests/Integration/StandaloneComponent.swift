// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Components of which each is a process of its own.
enum StandaloneComponent {
    /// The line of `log` that is the `number`-th with `text`, once it is there.
    static func line(_ number: Int = 1, with text: String, in log: URL) async throws -> String {
        let found = try await Command(
            "timeout",
            [
                "60", "sh", "-c",
                "tail -n +1 -f '\(log.path)' | grep -m \(number) -F \"\(text)\" | tail -n 1",
            ]
        ).run()
        return found.output
    }

    /// Gives the component of `kind` on `port` the configuration `text`, by SIGHUP; answers the line of its log that says what
    /// came of it.
    static func reconfigure(
        _ process: RunningProcess,
        _ kind: String,
        _ text: String,
        port: Int,
        in folder: URL,
        answer: String = "the configuration was read again"
    ) async throws -> String {
        let log = folder.appending(path: "\(kind)-\(port).log")
        let before = try String(contentsOf: log, encoding: .utf8)
        let file = folder.appending(path: "\(kind)-\(port).yaml")
        try text.write(to: file, atomically: true, encoding: .utf8)
        process.send(SIGHUP)
        let number = before.split(separator: "\n").count { $0.contains(answer) } + 1
        return try await line(number, with: answer, in: log)
    }

    /// Starts a component of `kind` that answers `/health` on `port`, with the configuration `text`; returns when it does.
    ///
    /// Its configuration and its output are files below `folder`.
    static func start(
        _ kind: String,
        _ text: String,
        _ arguments: [String],
        port: Int,
        in folder: URL
    ) async throws -> RunningProcess {
        let file = folder.appending(path: "\(kind)-\(port).yaml")
        try text.write(to: file, atomically: true, encoding: .utf8)
        let command = Command(
            HerdProcess.executable,
            [kind, "--config", file.path] + arguments
        )
        let process = try command.start(
            output: folder.appending(path: "\(kind)-\(port).out"),
            errors: folder.appending(path: "\(kind)-\(port).log")
        )
        do {
            let ready = try await Command(
                "curl",
                [
                    "-sf", "--retry", "60", "--retry-connrefused", "--retry-delay", "1",
                    "http://127.0.0.1:\(port)/health",
                ]
            ).run()
            guard ready.status == 0, process.isRunning else {
                throw CommandFailure(description: "\(kind) is not ready: \(ready.errors)")
            }
            return process
        } catch {
            // Nobody else knows of it.
            process.send(SIGKILL)
            throw error
        }
    }
}
