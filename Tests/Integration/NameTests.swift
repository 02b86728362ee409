// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    /// Components that find others by a name: one that is not known yet, moves, can't be looked up, or never answered.
    @Suite(
        "Names",
        .enabled(if: NameServer.isPermitted, "only root may have a name server of its own")
    )
    struct NameTests {
        private static let digest = "sha256:" + String(repeating: "5a", count: 32)

        /// A process of a test, ended with the value.
        private final class Running: Sendable {
            let process: RunningProcess
            init(_ process: RunningProcess) { self.process = process }
            deinit { process.send(SIGKILL) }
        }

        private struct Place {
            let folder: URL
            /// The same at each address.
            let port: Int
            let names: NameServer

            func write(_ text: String, to name: String) throws -> String {
                let file = folder.appending(path: name)
                try text.write(to: file, atomically: true, encoding: .utf8)
                return file.path
            }

            func start(_ name: String, _ words: [String]) throws -> Running {
                let command = Command(words[0], Array(words.dropFirst()))
                return Running(
                    try command.start(
                        output: folder.appending(path: "\(name).out"),
                        errors: log(name)
                    )
                )
            }

            func log(_ name: String) -> URL { folder.appending(path: "\(name).log") }

            /// A build-index at `address`, which knows the tags that lie in the backend.
            func buildIndex(at address: String) throws -> Running {
                let file = try write(
                    """
                    data_dir: \(folder.path)/\(address)
                    origin: {hosts: {static: ["127.0.0.1:1"]}}
                    backends:
                      - namespace: .*
                        backend: {file: {root: \(folder.path)/backend, name_path: docker_tag}}
                    """,
                    to: "\(address).yaml"
                )
                return try start(
                    address,
                    [
                        HerdProcess.executable, "build-index", "--config", file, "--host", address,
                        "--port", "\(port)",
                    ]
                )
            }

            /// Puts a tag where the build-indexes look for it.
            func putTag() throws {
                let place = folder.appending(
                    path: "backend/docker/registry/v2/repositories/demo/_manifests/tags/v1/current"
                )
                try FileManager.default.createDirectory(
                    at: place,
                    withIntermediateDirectories: true
                )
                try Data(digest.utf8).write(to: place.appending(path: "link"))
            }
        }

        /// The answer of the agent for a tag that exists.
        private func tag(_ agent: String) async throws -> (status: Int, body: String) {
            try await Clients.curl(["http://\(agent)/tags/demo%3Av1"])
        }

        private func waitUntilServed(_ address: String) async throws {
            let ready = try await Command(
                "curl",
                [
                    "-sf", "--retry", "60", "--retry-connrefused", "--retry-delay", "1",
                    "http://\(address)/health",
                ]
            ).run()
            #expect(ready.status == 0, "\(address): \(ready.errors)")
        }

        @Test(
            "an agent follows a name that moves, and keeps what it knows while nobody can look it up",
            .timeLimit(.minutes(3))
        )
        func moves() async throws {
            let folder = try TemporaryDirectory()
            let names = try await NameServer.start()
            let place = Place(folder: folder.url, port: try ReservedPort.make(), names: names)
            try place.putTag()
            let first = try place.buildIndex(at: "127.0.0.1")
            let ports = try (0..<3).map { _ in try ReservedPort.make() }
            let file = try place.write(
                """
                data_dir: \(folder.url.path)/agent
                tracker: {hosts: {static: ["127.0.0.1:1"]}}
                build_index: {hosts: {dns: "indexes.test:\(place.port)", ttl: 100ms}}
                """,
                to: "agent.yaml"
            )
            let words: [String] =
                try names.launcher(in: folder.url) + [
                    HerdProcess.executable, "agent", "--config", file, "--peer-ip", "127.0.0.1",
                    "--peer-port", "\(ports[0])", "--agent-server-port", "\(ports[1])",
                    "--agent-registry-port", "\(ports[2])",
                ]
            let agent = try place.start("agent", words)
            let address = "127.0.0.1:\(ports[1])"
            try await waitUntilServed("127.0.0.1:\(place.port)")
            try await waitUntilServed(address)

            let unknown = try await tag(address)
            #expect(unknown.status == 503, "\(unknown)")
            #expect(unknown.body.contains("look up indexes.test:\(place.port)"), "\(unknown)")
            names.say(.addresses(["127.0.0.1"]))
            // Until the test's own limit.
            while try await tag(address).status != 200 {}
            for answer in [NameServer.Answer.failure, .silence, .addresses([])] {
                names.say(answer)
                for _ in 0..<8 {
                    let known = try await tag(address)
                    #expect(known.status == 200 && known.body == Self.digest, "\(known)")
                }
            }
            let metrics = try await Clients.curl(["http://\(address)/metrics"]).body
            let failures = metrics.split(separator: "\n").first {
                $0.hasPrefix("herd_host_lookups_failed{")
            }
            #expect(failures.flatMap { Int($0.split(separator: " ").last ?? "") } ?? 0 > 1)

            let second = try place.buildIndex(at: "127.0.0.2")
            try await waitUntilServed("127.0.0.2:\(place.port)")
            first.process.send(SIGKILL)
            _ = try await first.process.waitForExit(within: .seconds(10))
            #expect(try await tag(address).status == 503)
            names.say(.addresses(["127.0.0.2"]))
            while try await tag(address).status != 200 {}
            let log = try String(contentsOf: place.log("agent"), encoding: .utf8)
            for line in [
                "could not look up hosts", "the hosts behind a name have changed",
            ] { #expect(log.contains(line), "\(log)") }
            #expect(agent.process.isRunning && second.process.isRunning)
            try await names.stop()
        }
    }
}
