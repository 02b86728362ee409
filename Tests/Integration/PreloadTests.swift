// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    /// A container runtime that is told to pull before anybody needs the image.
    @Suite("Preloading") struct PreloadTests {
        @Test("an agent makes a daemon with Docker's API pull from it", .timeLimit(.minutes(5)))
        func preload() async throws {
            let folder = try TemporaryDirectory()
            let image = try OCIImage.make(
                in: folder.url.appending(path: "image"),
                layerBytes: [3 << 20],
                seed: 51
            )
            let herd = try await HerdProcess.start(in: folder.url, agents: 1)
            let push = try await Clients.push(image, to: herd.proxyRegistry, as: "demo/pre:v1")
            #expect(push.status == 0, "\(push.errors)")
            let daemon = try await PodmanDaemon.start(in: folder.url)
            let agent = try await LoneAgent.start(
                in: folder.url,
                beside: herd,
                configuration: """
                    container_runtime:
                      docker: {docker_host: 'unix://\(daemon.socket)', docker_version: '1.41'}
                    """
            )
            try daemon.trust(agent.registry)
            let path = "http://\(agent.http)/preload/tags"
            let (status, body) = try await Clients.curl(["\(path)/demo%2Fpre:v1"])
            #expect(status == 200, "\(body)")
            let images = try await daemon.images()
            #expect(images.contains("\(agent.registry)/demo/pre:v1"), "\(images)")
            let (missing, why) = try await Clients.curl(["\(path)/demo%2Fpre:v2"])
            #expect(missing == 502 && why.contains("docker could not pull"), "\(why)")
            #expect(try await agent.process.stop() == 0)
            #expect(try await herd.stop() == 0)
            try await daemon.stop()
        }
    }
}

/// A podman that serves Docker's API on a socket, with storage of its own.
private struct PodmanDaemon {
    let process: RunningProcess
    let socket: String
    private let options: [String]
    private let registries: URL
    private let runRoot: String

    static func start(in folder: URL) async throws -> PodmanDaemon {
        // podman refuses a runroot of more than 50 characters, wherever TMPDIR is.
        let runRoot = "/tmp/\(UUID().uuidString.prefix(13))"
        let (socket, registries) = (
            "\(runRoot)/docker.sock", folder.appending(path: "registries.conf")
        )
        try FileManager.default.createDirectory(
            atPath: runRoot,
            withIntermediateDirectories: true
        )
        try Data().write(to: registries)
        let options = [
            "--storage-driver", "vfs", "--root", folder.appending(path: "podman").path,
            "--runroot", "\(runRoot)/run",
        ]
        var command = Command(
            "podman",
            options + ["system", "service", "-t", "0", "unix://\(socket)"]
        )
        command.environment["CONTAINERS_REGISTRIES_CONF"] = registries.path
        let process = try command.start(
            output: folder.appending(path: "podman.out"),
            errors: folder.appending(path: "podman.err")
        )
        let daemon = PodmanDaemon(
            process: process,
            socket: socket,
            options: options,
            registries: registries,
            runRoot: runRoot
        )
        let ping = ["--retry", "50", "--retry-delay", "0", "--retry-all-errors"]
        let (status, _) = try await Clients.curl(
            ping + ["--unix-socket", socket, "http://docker/_ping"]
        )
        try #require(status == 200, "podman does not serve")
        return daemon
    }

    /// Lets podman pull from `registry` without TLS.
    func trust(_ registry: String) throws {
        let text = "[[registry]]\nlocation = \"\(registry)\"\ninsecure = true\n"
        try Data(text.utf8).write(to: registries)
    }

    func images() async throws -> String {
        try await Command("podman", options + ["images", "--format", "{{.Repository}}:{{.Tag}}"])
            .run().output
    }

    func stop() async throws {
        process.send(SIGTERM)
        _ = try await process.waitForExit(within: .seconds(20))
        // What podman still holds is the system's to clean up.
        try? FileManager.default.removeItem(atPath: runRoot)
    }
}

/// An agent in a process of its own, as on a host.
private struct LoneAgent {
    let process: RunningProcess
    let registry: String
    let http: String

    /// Starts an agent in the cluster of `herd`; `configuration` is added to its file.
    static func start(
        in folder: URL,
        beside herd: HerdProcess,
        configuration: String
    ) async throws -> LoneAgent {
        let (registry, http, peer) = (
            try ReservedPort.make(), try ReservedPort.make(), try ReservedPort.make()
        )
        func list(_ kind: String) -> String {
            herd.ready.addresses(kind, "http").map { "'\($0)'" }.joined(separator: ", ")
        }
        let file = folder.appending(path: "agent.yaml")
        let text = """
            data_dir: \(folder.appending(path: "lone").path)
            tracker: {hosts: {static: [\(list("tracker"))]}}
            build_index: {hosts: {static: [\(list("build-index"))]}}
            \(configuration)
            """
        try Data(text.utf8).write(to: file)
        let process = try Command(
            HerdProcess.executable,
            [
                "agent", "--config", file.path, "--agent-registry-port", "\(registry)",
                "--agent-server-port", "\(http)", "--peer-port", "\(peer)",
            ]
        ).start(
            output: folder.appending(path: "agent.out"),
            errors: folder.appending(path: "agent.err")
        )
        let address = "127.0.0.1:\(http)"
        let (status, _) = try await Clients.curl([
            "--retry", "100", "--retry-delay", "0", "--retry-all-errors",
            "http://\(address)/readiness",
        ])
        try #require(status == 200, "the agent is not ready")
        return LoneAgent(process: process, registry: "127.0.0.1:\(registry)", http: address)
    }
}

extension RunningProcess {
    /// Asks it to end and answers its exit status.
    fileprivate func stop() async throws -> Int32 {
        send(SIGTERM)
        return try await waitForExit(within: .seconds(10))
    }
}
