// SPDX-License-Identifier: Apache-2.0

import Content
import Foundation
import TestSupport

/// Standalone components, each a process of its own, whose data directories are disks of a few MiB. Their backend is not.
final class SmallDiskCluster: Sendable {
    /// A component that runs.
    struct Member: Sendable {
        let process: RunningProcess
        /// Where it answers `/health`.
        let address: String
        let disk: SmallDisk
    }

    let origin: Member
    let tracker: Member
    let buildIndex: Member
    let proxy: Member
    let agent: Member
    /// The registries' addresses.
    let (proxyRegistry, agentRegistry): (String, String)
    /// Where tags and blobs are kept for good.
    let backend: URL

    private init(_ starter: Starter, agent more: String) throws {
        let ports = try (0..<9).map { _ in try ReservedPort.make() }
        backend = starter.folder.appending(path: "backend")
        let hosts = ports.map { "{hosts: {static: [\"127.0.0.1:\($0)\"]}}" }
        func backends(_ namePath: String) -> String {
            """
            backends:
              - namespace: .*
                backend: {file: {root: \(starter.folder.path)/backend, name_path: \(namePath)}}
            writeback: {retry_interval: 200ms, retry_interval_min: 20ms}
            """
        }
        origin = try starter.start(
            "origin",
            backends("sharded_docker_blob"),
            flags: ["--blobserver-port": ports[0], "--peer-port": ports[1]],
            more: ["--peer-ip", "127.0.0.1"],
            port: ports[0]
        )
        tracker = try starter.start(
            "tracker",
            "origin: \(hosts[0])",
            flags: ["--port": ports[2]],
            port: ports[2]
        )
        buildIndex = try starter.start(
            "build-index",
            """
            origin: \(hosts[0])
            tag_types: [{namespace: .*, type: default}]
            \(backends("docker_tag"))
            """,
            flags: ["--port": ports[3]],
            port: ports[3]
        )
        proxy = try starter.start(
            "proxy",
            "{origin: \(hosts[0]), build_index: \(hosts[3])}",
            flags: ["--port": ports[4], "--server-port": ports[5]],
            port: ports[5]
        )
        agent = try starter.start(
            "agent",
            "{tracker: \(hosts[2]), build_index: \(hosts[3])\(more)}",
            flags: [
                "--peer-port": ports[6], "--agent-registry-port": ports[7],
                "--agent-server-port": ports[8],
            ],
            more: ["--peer-ip", "127.0.0.1"],
            port: ports[8]
        )
        (proxyRegistry, agentRegistry) = ("127.0.0.1:\(ports[4])", "127.0.0.1:\(ports[7])")
    }

    deinit {
        for member in members { member.process.send(SIGKILL) }
    }

    private var members: [Member] { [origin, tracker, buildIndex, proxy, agent] }

    /// Starts all of them under `folder`; returns when they are ready.
    /// - Parameter more: further keys of the agent's configuration, each after a comma.
    static func start(in folder: URL, agent more: String = "") async throws -> SmallDiskCluster {
        let cluster = try SmallDiskCluster(Starter(folder: folder), agent: more)
        for member in cluster.members {
            let ready = try await Command(
                "curl",
                [
                    "-sf", "--retry", "60", "--retry-connrefused", "--retry-delay", "1",
                    "http://\(member.address)/health",
                ]
            ).run()
            guard ready.status == 0, member.process.isRunning else {
                throw CommandFailure(description: "\(member.disk.path) is not ready: \(ready)")
            }
        }
        return cluster
    }

    /// Stops all of them, none of which may have ended before.
    func stop() async throws {
        for member in members {
            guard member.process.isRunning else {
                throw CommandFailure(description: "\(member.disk.path) has ended by itself")
            }
            member.process.send(SIGTERM)
            let status = try await member.process.waitForExit(within: .seconds(20))
            guard status == 0 else {
                throw CommandFailure(description: "\(member.disk.path) ended with \(status)")
            }
        }
    }

    /// Whether the backend has the blob `digest`, bit for bit.
    func isKept(_ digest: Digest) throws -> Bool {
        let path = "docker/registry/v2/blobs/sha256/\(digest.hex.prefix(2))/\(digest.hex)/data"
        guard let bytes = FileManager.default.contents(atPath: backend.appending(path: path).path)
        else { return false }
        return Digest(hashing: Array(bytes)) == digest
    }

    /// Returns once the queues of `member` are empty.
    func drain(_ member: Member) async throws {
        // Until the test's own limit.
        while try await !Clients.curl(["http://\(member.address)/queue/tasks"]).body
            .contains("\"tasks\":[]")
        {}
    }

    /// Writes configurations and starts processes.
    private struct Starter {
        let folder: URL

        func start(
            _ kind: String,
            _ configuration: String,
            flags: [String: Int],
            more: [String] = [],
            port: Int
        ) throws -> Member {
            let data = folder.appending(path: kind)
            try FileManager.default.createDirectory(at: data, withIntermediateDirectories: true)
            let file = folder.appending(path: "\(kind).yaml")
            // A tracker keeps nothing on disk.
            let directory = kind == "tracker" ? [] : ["data_dir: \(data.path)"]
            let text =
                configuration.hasPrefix("{")
                ? "{\((directory + [String(configuration.dropFirst())]).joined(separator: ", "))"
                : (directory + [configuration]).joined(separator: "\n")
            try text.write(to: file, atomically: true, encoding: .utf8)
            let words =
                SmallDisk.launcher(at: data.path) + [
                    HerdProcess.executable, kind, "--config", file.path,
                ] + flags.flatMap { [$0.key, "\($0.value)"] } + more
            let process = try Command(words[0], Array(words.dropFirst())).start(
                output: folder.appending(path: "\(kind).out"),
                errors: folder.appending(path: "\(kind).log")
            )
            return Member(
                process: process,
                address: "127.0.0.1:\(port)",
                disk: SmallDisk(path: data.path, pid: process.pid)
            )
        }
    }
}
