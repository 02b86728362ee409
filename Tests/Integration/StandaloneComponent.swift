// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Components of which each is a process of its own.
enum StandaloneComponent {
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
