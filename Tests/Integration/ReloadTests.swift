// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    /// SIGHUP: what changes in a configuration while its component runs.
    @Suite("Reloads") struct ReloadTests {
        private struct Agent {
            let folder: URL
            let ports: [Int]
            var file: URL { folder.appending(path: "agent.yaml") }
            var log: URL { folder.appending(path: "agent.log") }

            init(_ folder: URL) throws {
                self.folder = folder
                ports = try (0..<3).map { _ in try ReservedPort.make() }
            }

            func configure(trackers: String, egress: Int, more: String = "") throws {
                let text = """
                    data_dir: \(folder.path)/data
                    tracker: {hosts: {static: [\(trackers)]}}
                    build_index: {hosts: {static: ["127.0.0.1:1"]}}
                    scheduler: {conn: {bandwidth: {enable: true, egress_bits_per_sec: \(egress)}}}
                    \(more)
                    """
                try text.write(to: file, atomically: true, encoding: .utf8)
            }

            func start(_ more: [String] = []) throws -> RunningProcess {
                try Command(
                    HerdProcess.executable,
                    [
                        "agent", "--config", file.path, "--peer-ip", "127.0.0.1", "--peer-port",
                        "\(ports[0])", "--agent-server-port", "\(ports[1])",
                        "--agent-registry-port", "\(ports[2])",
                    ] + more
                ).start(output: folder.appending(path: "agent.out"), errors: log)
            }

            /// The value of `key` that `GET /config` tells.
            func setting(_ key: String) async throws -> String? {
                let answer = try await Command(
                    "curl",
                    [
                        "-sf", "--retry", "60", "--retry-connrefused", "--retry-delay", "1",
                        "http://127.0.0.1:\(ports[1])/config",
                    ]
                ).run()
                struct Row: Decodable {
                    let key: String
                    let value: String
                }
                let rows = try JSONDecoder().decode([Row].self, from: Data(answer.output.utf8))
                return rows.first { $0.key == key }?.value
            }

            /// The line of the log that has `text`, once it is there.
            func waits(for text: String) async throws -> String {
                try await StandaloneComponent.line(with: text, in: log)
            }
        }

        @Test(
            "hosts and bandwidth are taken, the rest is named, and a broken file changes nothing",
            .timeLimit(.minutes(2))
        )
        func agent() async throws {
            let folder = try TemporaryDirectory()
            let agent = try Agent(folder.url)
            try agent.configure(trackers: "\"127.0.0.1:1\"", egress: 8_000_000)
            let process = try agent.start()
            let bandwidth = "scheduler.conn.bandwidth.egress_bits_per_sec"
            #expect(
                try await agent.setting("tracker.hosts.static")?.contains("127.0.0.1:1") == true
            )
            let before = try await agent.setting(bandwidth)
            try agent.configure(
                trackers: "\"127.0.0.1:2\"",
                egress: 16_000_000,
                more: "peer_id_factory: random"
            )
            process.send(SIGHUP)
            // Until the test's own limit.
            while try await agent.setting("tracker.hosts.static")?.contains("127.0.0.1:2") != true {
            }
            #expect(try await agent.setting(bandwidth) != before)
            let report = try await agent.waits(for: "the configuration was read again")
            #expect(report.contains("tracker.hosts") && report.contains("egress_bits_per_sec"))
            #expect(report.contains("needs_restart=peer_id_factory"))
            try "tracker: {hosts: {static: [}}".write(
                to: agent.file,
                atomically: true,
                encoding: .utf8
            )
            process.send(SIGHUP)
            #expect(try await agent.waits(for: "can't be taken").contains("agent.yaml:1"))
            #expect(
                try await agent.setting("tracker.hosts.static")?.contains("127.0.0.1:2") == true
            )
            process.send(SIGTERM)
            #expect(try await process.waitForExit(within: .seconds(20)) == 0)
        }

        @Test("the level of the log is taken, unless a flag says it", .timeLimit(.minutes(2)))
        func logLevel() async throws {
            let folder = try TemporaryDirectory()
            let agent = try Agent(folder.url)
            func configure(_ level: String, more: String = "") throws {
                try agent.configure(
                    trackers: "\"127.0.0.1:1\"",
                    egress: 8_000_000,
                    more: "zap: {level: \(level)}\n\(more)"
                )
            }
            try configure("error")
            let process = try agent.start()
            _ = try await agent.setting("tracker.hosts.static")
            try configure("debug")
            process.send(SIGHUP)
            let report = try await agent.waits(for: "the configuration was read again")
            #expect(report.contains("applied=zap.level"), "\(report)")
            let log = try String(contentsOf: agent.log, encoding: .utf8)
            #expect(!log.contains("effective configuration"), "\(log)")
            process.send(SIGTERM)
            #expect(try await process.waitForExit(within: .seconds(20)) == 0)

            let flagged = try agent.start(["--log-level", "info"])
            _ = try await agent.setting("tracker.hosts.static")
            try configure("error", more: "peer_id_factory: random")
            flagged.send(SIGHUP)
            let second = try await agent.waits(for: "needs_restart=peer_id_factory")
            #expect(!second.contains("zap.level"), "\(second)")
            flagged.send(SIGTERM)
            #expect(try await flagged.waitForExit(within: .seconds(20)) == 0)
        }
    }
}
