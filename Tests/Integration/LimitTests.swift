// SPDX-License-Identifier: Apache-2.0

import Foundation
import Telemetry
import Testing

extension IntegrationTests {
    /// What happens where the machine sets limits, and where users do.
    @Suite("Limits") struct LimitTests {
        @Test(
            "a herd that may open no more files says so, goes on, and serves again when it may",
            .timeLimit(.minutes(5))
        )
        func openFiles() async throws {
            let folder = try TemporaryDirectory()
            // With fewer its own connections, of which it has both ends, may lack descriptors without any crowd.
            let herd = try await HerdProcess.start(in: folder.url, agents: 2, openFilesMax: 256)
            let agent = try #require(herd.ready.addresses("agent", "http").first)
            let image = try OCIImage.make(
                in: folder.url.appending(path: "image"),
                layerBytes: [6 << 20],
                seed: 41
            )
            let push = try await Clients.push(image, to: herd.proxyRegistry, as: "demo/files:v1")
            #expect(push.status == 0, "\(push.errors)")
            try crowd(agent, count: 300) {
                // Those that the kernel has taken on wait for the agent, which has no descriptor for them.
                try untilLogged("cannot accept connections", by: herd)
            }
            guard herd.process.isRunning else {
                let status = try await herd.process.waitForExit(within: .seconds(1))
                let log = try String(contentsOf: herd.log, encoding: .utf8)
                Issue.record("the herd has ended with \(status): \(log.suffix(4000))")
                return
            }
            // The crowd has gone; the herd hears of each of them first.
            for registry in herd.agentRegistries {
                let ping = try await Command(
                    "curl",
                    [
                        "-sf", "--retry", "30", "--retry-all-errors", "--retry-delay", "1",
                        "http://\(registry)/v2/",
                    ]
                ).run()
                #expect(ping.status == 0, "\(ping.errors)")
            }
            try await Clients.pullEverywhere(
                "demo/files:v1",
                of: image,
                from: herd.agentRegistries,
                under: folder.url.appending(path: "pulled")
            )
            #expect(try await herd.stop() == 0)
            let log = try String(contentsOf: herd.log, encoding: .utf8)
            #expect(log.contains("Too many open files"))
            #expect(log.contains("ulimit -n"))
        }

        @Test("a herd that may open too few files to start says why", .timeLimit(.minutes(2)))
        func tooFewOpenFiles() async throws {
            let folder = try TemporaryDirectory()
            let data = folder.url.appending(path: "data").path
            let command = "ulimit -n 24; exec \(HerdProcess.executable) up --headless"
            let result = try await Command(
                "bash",
                ["-c", "\(command) --ephemeral-ports --data-dir \(data)"]
            ).run()
            #expect(result.status == 1)
            #expect(result.errors.contains("Too many open files"), "\(result.errors)")
            #expect(result.errors.contains("ulimit -n"), "\(result.errors)")
        }

        @Test(
            "a herd on the IPv6 loopback takes an image and gives it back",
            .timeLimit(.minutes(2))
        )
        func ipv6() async throws {
            let folder = try TemporaryDirectory()
            let image = try OCIImage.make(
                in: folder.url.appending(path: "image"),
                layerBytes: [9 << 20],
                seed: 42
            )
            let herd = try await HerdProcess.start(
                in: folder.url,
                agents: 3,
                arguments: ["--host", "::1"]
            )
            for address in herd.ready.components.flatMap(\.addresses.values) {
                #expect(address.hasPrefix("[::1]:"), "\(address)")
            }
            let push = try await Command(
                HerdProcess.executable,
                ["push", image.folder.path, "\(herd.proxyRegistry)/demo/six:v1"]
            ).run()
            #expect(push.status == 0, "\(push.errors)")
            for (index, agent) in herd.agentRegistries.enumerated() {
                let target = folder.url.appending(path: "copy\(index)")
                let pull = try await Command(
                    HerdProcess.executable,
                    ["pull", "\(agent)/demo/six:v1", target.path]
                ).run()
                #expect(pull.status == 0, "\(pull.errors)")
                for digest in image.blobs.keys {
                    let blob = target.appending(path: "blobs/sha256/\(digest.dropFirst(7))")
                    #expect(try Clients.sha256(blob) == digest)
                }
            }
            #expect(try await herd.stop() == 0)
        }

        /// Runs `body` while `count` idle connections to `address` are open.
        private func crowd(_ address: String, count: Int, _ body: () throws -> Void) throws {
            guard count > 0 else { return try body() }
            let connection = try RawConnection(to: address)
            try crowd(address, count: count - 1, body)
            connection.finishSending()
        }

        /// Returns once the herd's log has `text`.
        private func untilLogged(_ text: String, by herd: HerdProcess) throws {
            let follow = Process()
            follow.executableURL = URL(filePath: "/usr/bin/timeout")
            follow.arguments = [
                "60", "bash", "-c",
                "grep -q -m 1 '\(text)' < <(tail -n +1 -F '\(herd.log.path)' --pid=\(herd.process.pid))",
            ]
            try follow.run()
            follow.waitUntilExit()
            #expect(follow.terminationStatus == 0, "the log never says: \(text)")
        }
    }
}
