// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    /// Docker's own daemon in front of agents.
    @Suite("Docker") struct DockerTests {
        /// A daemon of its own: no network, no rules in the kernel's tables, everything below one folder.
        private struct Daemon {
            let process: RunningProcess
            let socket: String
            let base: String

            /// Starts one; nil, with the reason printed, where that can't be.
            static func start(in folder: URL, configuration: String) async throws -> Daemon? {
                let tools = try await Command("bash", ["-c", "command -v dockerd docker"]).run()
                guard tools.status == 0, getuid() == 0 else {
                    print("skipped: docker's daemon, which is not installed, or needs root")
                    return nil
                }
                // A socket's path has a hundred letters at most.
                let base = "/tmp/\(UUID().uuidString.prefix(13))"
                try FileManager.default.createDirectory(
                    atPath: base,
                    withIntermediateDirectories: true
                )
                let socket = "\(base)/d.sock"
                let errors = folder.appending(path: "dockerd.err")
                let process = try Command(
                    "dockerd",
                    [
                        "--config-file", configuration, "--data-root", "\(base)/data",
                        "--exec-root", "\(base)/exec", "--pidfile", "\(base)/pid", "-H",
                        "unix://\(socket)", "--storage-driver", "vfs", "--bridge", "none",
                        "--iptables=false", "--ip6tables=false",
                    ]
                ).start(output: folder.appending(path: "dockerd.out"), errors: errors)
                let daemon = Daemon(process: process, socket: socket, base: base)
                let isThere = try await FileWatch.appearance(
                    of: URL(filePath: socket),
                    within: .seconds(60)
                ) { !process.isRunning }
                guard isThere, try await daemon.docker(["version"]).status == 0 else {
                    let log = try String(contentsOf: errors, encoding: .utf8)
                    try await daemon.stop()
                    throw CommandFailure(description: "dockerd: \(log.suffix(2000))")
                }
                return daemon
            }

            func docker(_ arguments: [String]) async throws -> CommandResult {
                try await Command("docker", ["-H", "unix://\(socket)"] + arguments).run()
            }

            func stop() async throws {
                process.send(SIGTERM)
                _ = try await process.waitForExit(within: .seconds(30))
                try FileManager.default.removeItem(atPath: base)
            }
        }

        /// Pushes an image to `registry` as `reference` whose one program prints `greeting`.
        private func pushProgram(
            _ greeting: String,
            to registry: String,
            as reference: String,
            in folder: URL
        ) async throws {
            let (source, program) = (
                folder.appending(path: "greet.c"), folder.appending(path: "greet").path
            )
            try Data(
                "#include <stdio.h>\nint main(void) { return puts(\"\(greeting)\") < 0; }\n".utf8
            )
            .write(to: source)
            let compiler = "$(command -v cc || command -v gcc || command -v clang)"
            let built = try await Command(
                "bash",
                ["-c", "\(compiler) -static -o '\(program)' '\(source.path)'"]
            ).run()
            #expect(built.status == 0, "\(built.errors)")
            let runRoot = "/tmp/\(UUID().uuidString.prefix(13))"
            defer { try? FileManager.default.removeItem(atPath: runRoot) }
            func buildah(_ arguments: [String]) async throws -> String {
                let roots = [
                    "--storage-driver", "vfs", "--root", folder.appending(path: "buildah").path,
                    "--runroot", runRoot,
                ]
                let result = try await Command("buildah", roots + arguments).run()
                #expect(result.status == 0, "buildah \(arguments): \(result.errors)")
                return result.output.trimmingCharacters(in: .whitespacesAndNewlines)
            }
            let container = try await buildah(["from", "scratch"])
            _ = try await buildah(["copy", container, program, "/greet"])
            _ = try await buildah(["config", "--entrypoint", "[\"/greet\"]", container])
            _ = try await buildah(["commit", "-q", container, "greet:v1"])
            _ = try await buildah([
                "push", "--tls-verify=false", "greet:v1", "docker://\(registry)/\(reference)",
            ])
        }

        private func expectRun(
            _ daemon: Daemon,
            _ reference: String,
            prints greeting: String
        ) async throws {
            let pull = try await daemon.docker(["pull", "-q", reference])
            #expect(pull.status == 0, "pull \(reference): \(pull.errors)")
            let run = try await daemon.docker(["run", "--rm", "--network", "none", reference])
            #expect(run.output == "\(greeting)\n", "run \(reference): \(run.errors)")
        }

        @Test(
            "docker pulls from an agent, and through one from Docker Hub, and runs what it gets",
            .timeLimit(.minutes(6))
        )
        func pullsAndRuns() async throws {
            let folder = try TemporaryDirectory()
            // A cluster in the place of Docker Hub, which the other one mirrors.
            let hub = try await HerdProcess.start(
                in: try folder.folder("hub"),
                agents: 1
            )
            let herd = try await HerdProcess.start(
                in: try folder.folder("herd"),
                agents: 1,
                arguments: ["--mirror", "docker.io=http://\(hub.proxyRegistry)"]
            )
            let agent = try #require(herd.agentRegistries.first)
            let root = folder.url.appending(path: "root").path
            let config = try await Command(
                HerdProcess.executable,
                ["mirror", "config", "--root", root, "--agent", agent, "--client", "docker"]
            ).run()
            #expect(config.status == 0, "\(config.errors)")
            guard
                let daemon = try await Daemon.start(
                    in: folder.url,
                    configuration: "\(root)/etc/docker/daemon.json"
                )
            else { return }
            do {
                try await pushProgram(
                    "pushed here",
                    to: herd.proxyRegistry,
                    as: "demo/greet:v1",
                    in: try folder.folder("here")
                )
                try await pushProgram(
                    "from the hub",
                    to: hub.proxyRegistry,
                    as: "library/greet:v1",
                    in: try folder.folder("there")
                )
                try await expectRun(daemon, "\(agent)/demo/greet:v1", prints: "pushed here")
                try await expectRun(daemon, "greet:v1", prints: "from the hub")

                // As many layers as docker takes, of which one is empty.
                let image = try OCIImage.make(
                    in: folder.url.appending(path: "layers"),
                    layerBytes: Array(repeating: 2000, count: 124) + [0],
                    seed: 127
                )
                let push = try await Clients.push(image, to: herd.proxyRegistry, as: "demo/deep:v1")
                #expect(push.status == 0, "\(push.errors)")
                let deep = try await daemon.docker(["pull", "-q", "\(agent)/demo/deep:v1"])
                #expect(deep.status == 0, "\(deep.errors)")
            } catch {
                Issue.record(error)
            }
            try await daemon.stop()
            #expect(try await herd.stop() == 0)
            #expect(try await hub.stop() == 0)
        }

        @Test(
            "docker logs in to a proxy, pushes what it may, and nothing before and after",
            .timeLimit(.minutes(6))
        )
        func logsIn() async throws {
            let folder = try TemporaryDirectory()
            let herd = try await HerdProcess.start(in: try folder.folder("herd"), agents: 1)
            let agent = try #require(herd.agentRegistries.first)
            let passwords = folder.url.appending(path: "htpasswd").path
            let made = try await Command("htpasswd", ["-cbB", passwords, "alice", "right"]).run()
            #expect(made.status == 0, "\(made.errors)")
            let settings = folder.url.appending(path: "daemon.json")
            try Data("{}".utf8).write(to: settings)
            guard
                let daemon = try await Daemon.start(in: folder.url, configuration: settings.path)
            else { return }
            let (proxy, address, _) = try await AccessTests.proxy(
                """
                access:
                  anonymous: none
                  htpasswd: \(passwords)
                  rules:
                    - {repository: "team-a/*", users: [alice], allow: [push]}
                """,
                of: herd,
                in: folder.url.appending(path: "own")
            )
            func docker(_ arguments: String...) async throws -> CommandResult {
                let own = ["--config", folder.url.appending(path: "client").path]
                return try await daemon.docker(own + arguments)
            }
            do {
                try await pushProgram(
                    "logged in",
                    to: herd.proxyRegistry,
                    as: "demo/greet:v1",
                    in: try folder.folder("here")
                )
                let pull = try await docker("pull", "-q", "\(agent)/demo/greet:v1")
                #expect(pull.status == 0, "\(pull.errors)")
                for team in ["team-a", "team-b"] {
                    let tag = try await docker(
                        "tag",
                        "\(agent)/demo/greet:v1",
                        "\(address)/\(team)/greet:v1"
                    )
                    #expect(tag.status == 0, "\(tag.errors)")
                }
                func push(_ team: String) async throws -> Bool {
                    try await docker("push", "-q", "\(address)/\(team)/greet:v1").status == 0
                }
                #expect(try await push("team-a") == false)
                let wrong = try await docker("login", "-u", "alice", "-p", "wrong", address)
                #expect(wrong.status != 0 && wrong.errors.contains("401"), "\(wrong.errors)")
                let right = try await docker("login", "-u", "alice", "-p", "right", address)
                #expect(right.status == 0, "\(right.errors)")
                #expect(try await push("team-a"))
                #expect(try await push("team-b") == false)
                // What was pushed with a password is read at an agent without.
                try await expectRun(daemon, "\(agent)/team-a/greet:v1", prints: "logged in")
                let out = try await docker("logout", address)
                #expect(out.status == 0, "\(out.errors)")
                #expect(try await push("team-a") == false)
            } catch {
                Issue.record(error)
            }
            try await daemon.stop()
            proxy.send(SIGTERM)
            #expect(try await proxy.waitForExit(within: .seconds(10)) == 0)
            #expect(try await herd.stop() == 0)
        }

        @Test("an image of 127 layers comes whole", .timeLimit(.minutes(5)))
        func layers() async throws {
            let folder = try TemporaryDirectory()
            let herd = try await HerdProcess.start(in: folder.url, agents: 2)
            let image = try OCIImage.make(
                in: folder.url.appending(path: "image"),
                layerBytes: Array(repeating: 3000, count: 126) + [0],
                seed: 126
            )
            let push = try await Clients.push(image, to: herd.proxyRegistry, as: "demo/deep:v1")
            #expect(push.status == 0, "\(push.errors)")
            try await Clients.pullEverywhere(
                "demo/deep:v1",
                of: image,
                from: herd.agentRegistries,
                under: folder.url
            )
            #expect(try await herd.stop() == 0)
        }

        @Test(
            "layers compressed by zstd and gzip come as they were pushed",
            .timeLimit(.minutes(5))
        )
        func compression() async throws {
            let folder = try TemporaryDirectory()
            let herd = try await HerdProcess.start(in: folder.url, agents: 1)
            let agent = try #require(herd.agentRegistries.first)
            let runRoot = "/tmp/\(UUID().uuidString.prefix(13))"
            defer { try? FileManager.default.removeItem(atPath: runRoot) }
            for (format, seed) in [("zstd", UInt64(128)), ("gzip", 129)] {
                // Other bytes for each: skopeo remembers in which form a registry has a layer.
                let image = try OCIImage.make(
                    in: folder.url.appending(path: "image-\(format)"),
                    layerBytes: [300_000, 0],
                    seed: seed
                )
                let push = try await Command(
                    "skopeo",
                    [
                        "copy", "-q", "--dest-tls-verify=false", "--dest-compress-format", format,
                        "oci:\(image.folder.path):v1",
                        "docker://\(herd.proxyRegistry)/demo/packed:\(format)",
                    ]
                ).run()
                #expect(push.status == 0, "\(push.errors)")
                let raw = try await Command(
                    "skopeo",
                    [
                        "inspect", "--raw", "--tls-verify=false",
                        "docker://\(agent)/demo/packed:\(format)",
                    ]
                ).run()
                #expect(raw.output.contains("application/vnd.oci.image.layer.v1.tar+\(format)"))
                let pull = try await Command(
                    "podman",
                    [
                        "--storage-driver", "vfs", "--root", folder.url.appending(path: "p").path,
                        "--runroot", runRoot, "pull", "-q", "--tls-verify=false",
                        "\(agent)/demo/packed:\(format)",
                    ]
                ).run()
                #expect(pull.status == 0, "\(format): \(pull.errors)")
            }
            #expect(try await herd.stop() == 0)
        }
    }
}

extension TemporaryDirectory {
    /// A folder in it.
    fileprivate func folder(_ name: String) throws -> URL {
        let url = url.appending(path: name)
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        return url
    }
}
