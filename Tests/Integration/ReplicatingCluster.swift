// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Files
import Foundation
import HTTPKit
import NIOPosix
import Telemetry
import TestSupport

/// An origin, a build-index and a proxy, each a process of its own on the same ports after each start.
struct ReplicatingCluster {
    let folder: URL
    let originPort: Int
    let peerPort: Int
    let indexPort: Int
    let proxyPort: Int
    let proxyServerPort: Int
    /// What stands in the build-index's configuration under `remotes`.
    let remotes: String
    /// What tags are, as the configuration calls it.
    let tagType: String

    private static let http = HTTPClient(
        eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
        pool: .singleton
    )

    init(_ folder: URL, remotes: String = "{}", tagType: String = "default") throws {
        (self.folder, self.remotes, self.tagType) = (folder, remotes, tagType)
        originPort = try ReservedPort.make()
        peerPort = try ReservedPort.make()
        indexPort = try ReservedPort.make()
        proxyPort = try ReservedPort.make()
        proxyServerPort = try ReservedPort.make()
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    var origin: OriginClient {
        OriginClient(address: "127.0.0.1:\(originPort)", http: Self.http)
    }
    var index: BuildIndexClient {
        BuildIndexClient(address: "127.0.0.1:\(indexPort)", http: Self.http)
    }
    var queue: QueueClient {
        QueueClient(address: "127.0.0.1:\(indexPort)", http: Self.http)
    }
    var proxy: String { "127.0.0.1:\(proxyPort)" }

    func startOrigin() async throws -> RunningProcess {
        try await start(
            "origin",
            """
            data_dir: \(folder.path)/origin
            backends:
              - namespace: .*
                backend: {file: {root: \(folder.path)/blobs, name_path: sharded_docker_blob}}
            """,
            [
                "--blobserver-port", "\(originPort)", "--peer-port", "\(peerPort)",
                "--peer-ip", "127.0.0.1",
            ],
            port: originPort
        )
    }

    func startIndex() async throws -> RunningProcess {
        try await start(
            "build-index",
            """
            data_dir: \(folder.path)/index
            origin: {hosts: {static: ["127.0.0.1:\(originPort)"]}}
            tag_types: [{namespace: .*, type: \(tagType)}]
            backends:
              - namespace: .*
                backend: {file: {root: \(folder.path)/backend, name_path: docker_tag}}
            tag_replication: {retry_interval: 200ms, retry_interval_min: 20ms}
            remotes: \(remotes)
            """,
            ["--port", "\(indexPort)"],
            port: indexPort
        )
    }

    func startProxy() async throws -> RunningProcess {
        try await start(
            "proxy",
            """
            data_dir: \(folder.path)/proxy
            origin: {hosts: {static: ["127.0.0.1:\(originPort)"]}}
            build_index: {hosts: {static: ["127.0.0.1:\(indexPort)"]}}
            """,
            ["--port", "\(proxyPort)", "--server-port", "\(proxyServerPort)"],
            port: proxyServerPort
        )
    }

    /// Returns once nothing waits to be replicated any more.
    func drain() async throws {
        while try await !queue.tasks(.init(kind: "replication")).tasks.isEmpty {}
    }

    /// What the build-index says of itself.
    func status() async throws -> ComponentSnapshot {
        let (_, body) = try await Clients.curl(["http://127.0.0.1:\(indexPort)/status"])
        return try TelemetryJSON.decode(ComponentSnapshot.self, from: Array(body.utf8))
    }

    private func start(
        _ kind: String,
        _ text: String,
        _ arguments: [String],
        port: Int
    ) async throws -> RunningProcess {
        let file = folder.appending(path: "\(kind).yaml")
        try text.write(to: file, atomically: true, encoding: .utf8)
        let command = Command(
            HerdProcess.executable,
            [kind, "--config", file.path] + arguments
        )
        let process = try command.start(
            output: folder.appending(path: "\(kind).out"),
            errors: folder.appending(path: "\(kind).log")
        )
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
    }
}
