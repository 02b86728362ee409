// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

extension IntegrationTests {
    /// Agents in place of another registry, as runtimes ask them.
    @Suite("Mirror") struct MirrorTests {
        private func clean(_ result: CommandResult, _ what: String) {
            #expect(result.status == 0, "\(what): \(result.errors)")
        }

        @Test(
            "five agents fetch an image once, for skopeo, podman and containerd",
            .timeLimit(.minutes(6))
        )
        func once() async throws {
            let folder = try TemporaryDirectory()
            let upstream = try await DockerRegistry.start(
                in: folder.url.appending(path: "upstream")
            )
            let images = try (0..<2).map { number in
                try OCIImage.make(
                    in: folder.url.appending(path: "image\(number)"),
                    layerBytes: [3_000_000, 50_000],
                    seed: UInt64(70 + number)
                )
            }
            for (number, image) in images.enumerated() {
                let push = try await Clients.push(
                    image,
                    to: upstream.address,
                    as: "library/demo:v\(number)"
                )
                clean(push, "push")
            }
            let herd = try await HerdProcess.start(
                in: folder.url,
                agents: 5,
                arguments: ["--mirror", "up.test=http://\(upstream.address)"]
            )
            try await Clients.pullEverywhere(
                "up.test/library/demo:v0",
                of: images[0],
                from: herd.agentRegistries,
                under: folder.url
            )
            for digest in images[0].blobs.keys {
                let count = try upstream.count("GET", digest, 200)
                #expect(count == 1, "\(digest) was fetched \(count) times")
            }

            // podman finds the agent in what `herd mirror config` writes.
            let agent = try #require(herd.agentRegistries.first)
            let root = folder.url.appending(path: "root").path
            let config = try await Command(
                HerdProcess.executable,
                [
                    "mirror", "config", "--root", root, "--agent", agent, "--registry", "up.test",
                ]
            ).run()
            clean(config, "herd mirror config")
            try await registriesConf(root, in: folder.url)
            try await containerd(root, in: folder.url)
            // A tag that is known outlives its registry.
            try await upstream.kill()
            let again = try await Clients.pull(
                "up.test/library/demo:v1",
                from: agent,
                into: folder.url.appending(path: "again")
            )
            clean(again, "pull without the registry")
            let removed = try await Command(
                HerdProcess.executable,
                [
                    "mirror", "config", "--remove", "--root", root, "--agent", agent,
                    "--registry", "up.test",
                ]
            ).run()
            clean(removed, "herd mirror config --remove")
            let left = try FileManager.default.subpathsOfDirectory(atPath: root).filter {
                $0.hasSuffix(".toml") || $0.hasSuffix(".conf")
            }
            #expect(left == [])
            #expect(try await herd.stop() == 0)
        }

        /// skopeo and podman pull through the `registries.conf.d` below `root`.
        private func registriesConf(_ root: String, in folder: URL) async throws {
            let conf = "\(root)/etc/containers/registries.conf.d/50-herd-mirror.conf"
            let pull = Command(
                "skopeo",
                [
                    "--registries-conf", conf, "copy", "-q", "docker://up.test/library/demo:v1",
                    "dir:\(folder.appending(path: "pulled").path)",
                ]
            )
            clean(try await pull.run(), "skopeo by registries.conf")
            let runRoot = "/tmp/\(UUID().uuidString.prefix(13))"
            defer { try? FileManager.default.removeItem(atPath: runRoot) }
            var podman = Command(
                "podman",
                [
                    "--storage-driver", "vfs", "--root", folder.appending(path: "podman").path,
                    "--runroot", runRoot, "pull", "-q", "up.test/library/demo:v1",
                ]
            )
            podman.environment = ["CONTAINERS_REGISTRIES_CONF": conf]
            clean(try await podman.run(), "podman by registries.conf")
        }

        /// containerd pulls through the `hosts.toml` below `root`.
        private func containerd(_ root: String, in folder: URL) async throws {
            let tools = try await Command("bash", ["-c", "command -v ctr containerd"]).run()
            guard tools.status == 0, getuid() == 0 else {
                print("skipped: containerd's ctr, which is not installed, or needs root")
                return
            }
            // A socket's path has a hundred letters at most.
            let base = "/tmp/\(UUID().uuidString.prefix(13))"
            defer { try? FileManager.default.removeItem(atPath: base) }
            try FileManager.default.createDirectory(
                atPath: base,
                withIntermediateDirectories: true
            )
            try Data(
                """
                version = 2
                root = "\(base)/root"
                state = "\(base)/state"
                disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.overlayfs"]
                [grpc]
                address = "\(base)/c.sock"
                """.utf8
            ).write(to: URL(filePath: "\(base)/config.toml"))
            let process = try Command("containerd", ["--config", "\(base)/config.toml"]).start(
                output: folder.appending(path: "containerd.out"),
                errors: folder.appending(path: "containerd.err")
            )
            defer { process.send(SIGTERM) }
            let socket = try await FileWatch.appearance(
                of: URL(filePath: "\(base)/c.sock"),
                within: .seconds(30)
            ) { !process.isRunning }
            guard socket else {
                let log = try String(
                    contentsOf: folder.appending(path: "containerd.err"),
                    encoding: .utf8
                )
                Issue.record("containerd did not start: \(log.suffix(2000))")
                return
            }
            let pull = try await Command(
                "ctr",
                [
                    "--address", "\(base)/c.sock", "images", "pull", "--snapshotter", "native",
                    "--hosts-dir", "\(root)/etc/containerd/certs.d", "up.test/library/demo:v1",
                ]
            ).run()
            clean(pull, "ctr by hosts.toml")
            process.send(SIGTERM)
            _ = try await process.waitForExit(within: .seconds(20))
        }
    }
}
