// SPDX-License-Identifier: Apache-2.0

import Foundation
import Telemetry
import Testing

extension IntegrationTests {
    /// Push through the proxy, pull from the agents.
    @Suite("The main job") struct MainJobTests {
        @Test(
            "an image pushed with skopeo is pulled from every agent, mostly from other agents",
            .timeLimit(.minutes(5))
        )
        func pushAndPull() async throws {
            let folder = try TemporaryDirectory()
            let image = try OCIImage.make(
                in: folder.url.appending(path: "image"),
                layerBytes: [1 << 20, 24 << 20, 40 << 20],
                seed: 11
            )
            let herd = try await HerdProcess.start(in: folder.url, agents: 10)
            #expect(herd.agentRegistries.count == 10)
            let push = try await Clients.push(image, to: herd.proxyRegistry, as: "demo/app:v1")
            #expect(push.status == 0, "\(push.errors)")
            try await Clients.pullEverywhere(
                "demo/app:v1",
                of: image,
                from: herd.agentRegistries,
                under: folder.url.appending(path: "pulled")
            )
            let share = try await shareFromAgents(herd)
            #expect(share >= 0.5, "share of bytes from agents: \(share)")
            #expect(try await herd.stop() == 0)
        }

        @Test("podman pulls from an agent", .timeLimit(.minutes(5)))
        func podman() async throws {
            let folder = try TemporaryDirectory()
            let image = try OCIImage.make(
                in: folder.url.appending(path: "image"),
                layerBytes: [3 << 20],
                seed: 12
            )
            let herd = try await HerdProcess.start(in: folder.url, agents: 2)
            let push = try await Clients.push(image, to: herd.proxyRegistry, as: "demo/podman:v1")
            #expect(push.status == 0, "\(push.errors)")
            let agent = try #require(herd.agentRegistries.first)
            // podman refuses a runroot of more than 50 characters, wherever TMPDIR is.
            let runRoot = "/tmp/\(UUID().uuidString.prefix(13))"
            defer { removeTree(runRoot) }
            let roots = [
                "--storage-driver", "vfs", "--root", folder.url.appending(path: "root").path,
                "--runroot", runRoot,
            ]
            let pull = try await Command(
                "podman",
                roots + ["pull", "-q", "--tls-verify=false", "\(agent)/demo/podman:v1"]
            ).run()
            #expect(pull.status == 0, "\(pull.errors)")
            #expect(try await herd.stop() == 0)
        }

        @Test("herd push and herd pull move the same image", .timeLimit(.minutes(5)))
        func ownClient() async throws {
            let folder = try TemporaryDirectory()
            let image = try OCIImage.make(
                in: folder.url.appending(path: "image"),
                layerBytes: [100, 5 << 20],
                seed: 13
            )
            let herd = try await HerdProcess.start(in: folder.url, agents: 2)
            let push = try await Command(
                HerdProcess.executable,
                ["push", image.folder.path, "\(herd.proxyRegistry)/demo/own:v2"]
            ).run()
            #expect(push.status == 0, "\(push.errors)")
            let agent = try #require(herd.agentRegistries.last)
            let target = folder.url.appending(path: "copy")
            let pull = try await Command(
                HerdProcess.executable,
                ["pull", "\(agent)/demo/own:v2", target.path]
            ).run()
            #expect(pull.status == 0, "\(pull.errors)")
            for digest in image.layers + [image.manifest] {
                let blob = target.appending(path: "blobs/sha256/\(digest.dropFirst(7))")
                #expect(try Clients.sha256(blob) == digest)
            }
            let status = try await Command(
                HerdProcess.executable,
                ["status", "--json", "http://\(herd.ready.addresses("agent", "http")[0])"]
            ).run()
            #expect(status.status == 0, "\(status.errors)")
            #expect(throws: Never.self) {
                try JSONSerialization.jsonObject(with: Data(status.output.utf8))
            }
            #expect(try await herd.stop() == 0)
        }

        /// Removes what podman left; what it still holds is the system's to clean up.
        private func removeTree(_ path: String) {
            try? FileManager.default.removeItem(atPath: path)
        }

        /// The share of all downloaded bytes that agents got from agents.
        private func shareFromAgents(_ herd: HerdProcess) async throws -> Double {
            var (agents, origins) = (0, 0)
            for address in herd.ready.addresses("agent", "http") {
                let (status, body) = try await Clients.curl(["http://\(address)/status"])
                #expect(status == 200)
                let snapshot = try JSONDecoder().decode(
                    ComponentSnapshot.self,
                    from: Data(body.utf8)
                )
                agents += snapshot.counters["bytes_downloaded_from_agents"] ?? 0
                origins += snapshot.counters["bytes_downloaded_from_origins"] ?? 0
            }
            return Double(agents) / Double(max(1, agents + origins))
        }
    }
}
