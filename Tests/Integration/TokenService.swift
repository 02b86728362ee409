// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A token service for ``DockerRegistry``, in a process of its own.
final class TokenService: Sendable {
    private let process: RunningProcess
    private let folder: URL
    private let port: String

    /// Starts one that writes below `folder`.
    init(in folder: URL) async throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let script = IntegrationTests.DeploymentTests.repository.appending(
            path: "Tests/Deployment/token_service.py"
        )
        let process = try Command("python3", [script.path, folder.path]).start(
            output: folder.appending(path: "out"),
            errors: folder.appending(path: "errors")
        )
        let port = try await FileWatch.content(
            of: folder.appending(path: "port"),
            within: .seconds(30)
        ) { !process.isRunning }
        guard let port else {
            process.send(SIGKILL)
            throw CommandFailure(description: "the token service did not start: see \(folder.path)")
        }
        (self.process, self.folder) = (process, folder)
        self.port = String(decoding: port, as: UTF8.self)
    }

    deinit { if process.isRunning { process.send(SIGKILL) } }

    /// What a registry's configuration says of it.
    var registrySettings: String {
        """
        auth:
          token:
            realm: http://127.0.0.1:\(port)/token
            service: herd-test
            issuer: herd-test
            rootcertbundle: \(folder.path)/cert.pem

        """
    }

    /// Lets tokens given from now on be good for so many seconds, while those who get them are told more.
    func endTokens(after seconds: Int) throws {
        // Docker's registry takes a token for a minute after its end.
        let text = "\(seconds - 60)"
        try Data(text.utf8).write(to: folder.appending(path: "lifetime"), options: .atomic)
    }

    /// Returns once a token that is given now, and so each one given before, is refused by `registry`.
    func untilEnded(at registry: String, repository: String) async throws {
        let script = """
            token=$(curl -sf -u herd:herd-secret "$1" | sed 's/.*"token": *"//; s/".*//') || exit 2
            status() { curl -s -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $token" "$2"; }
            [ "$(status "$@")" = 200 ] || exit 3
            until [ "$(status "$@")" = 401 ]; do sleep 0.1; done
            """
        let scope = "service=herd-test&scope=repository:\(repository):pull"
        let result = try await Command(
            "timeout",
            [
                "60", "bash", "-c", script, "-", "http://127.0.0.1:\(port)/token?\(scope)",
                "http://\(registry)/v2/\(repository)/tags/list",
            ]
        ).run()
        guard result.status == 0 else {
            throw CommandFailure(description: "the token does not end: \(result)")
        }
    }

    /// What each token that it has given is for.
    func scopes() throws -> [String] {
        let text = try String(contentsOf: folder.appending(path: "scopes"), encoding: .utf8)
        return text.split(separator: "\n").map(String.init)
    }

    /// Ends it.
    func stop() async throws {
        process.send(SIGKILL)
        _ = try await process.waitForExit(within: .seconds(10))
    }
}
