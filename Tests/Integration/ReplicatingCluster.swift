// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Files
import Foundation
import HTTPKit
import Telemetry
import TestSupport

/// An origin, one or two build-indexes and a proxy, each a process of its own on the same ports after each start.
struct ReplicatingCluster {
    let folder: URL
    let originPort: Int
    let peerPort: Int
    /// The build-indexes'.
    let indexPorts: [Int]
    let proxyPort: Int
    let proxyServerPort: Int
    /// What stands in the build-index's configuration under `remotes`.
    let remotes: String
    /// What tags are, as the configuration calls it.
    let tagType: String

    init(
        _ folder: URL,
        remotes: String = "{}",
        tagType: String = "default",
        indexCount: Int = 1
    ) throws {
        (self.folder, self.remotes, self.tagType) = (folder, remotes, tagType)
        originPort = try ReservedPort.make()
        peerPort = try ReservedPort.make()
        indexPorts = try (0..<indexCount).map { _ in try ReservedPort.make() }
        proxyPort = try ReservedPort.make()
        proxyServerPort = try ReservedPort.make()
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    var origin: OriginClient {
        OriginClient(address: "127.0.0.1:\(originPort)", http: IntegrationTests.http)
    }
    var index: BuildIndexClient {
        BuildIndexClient(address: indexAddresses[0], http: IntegrationTests.http)
    }
    var indexAddresses: [String] { indexPorts.map { "127.0.0.1:\($0)" } }
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

    /// Starts the build-index `number`.
    func startIndex(_ number: Int = 0) async throws -> RunningProcess {
        try await start(
            "build-index",
            indexConfiguration(number, remotes),
            ["--port", "\(indexPorts[number])"],
            port: indexPorts[number]
        )
    }

    /// Gives the first build-index, `process`, other remotes; answers what it says of that.
    func reload(_ process: RunningProcess, remotes: String) async throws -> String {
        try await StandaloneComponent.reconfigure(
            process,
            "build-index",
            indexConfiguration(0, remotes),
            port: indexPorts[0],
            in: folder
        )
    }

    private func indexConfiguration(_ number: Int, _ remotes: String) -> String {
        let neighbours =
            indexPorts.count == 1
            ? ""
            : """
            cluster: {hosts: {static: \(indexAddresses)}}
            tagserver: {duplicate_replicate_stagger: 2s}
            """
        return """
            data_dir: \(folder.path)/index\(number)
            origin: {hosts: {static: ["127.0.0.1:\(originPort)"]}}
            tag_types: [{namespace: .*, type: \(tagType)}]
            backends:
              - namespace: .*
                backend: {file: {root: \(folder.path)/backend, name_path: docker_tag}}
            tag_replication: {retry_interval: 200ms, retry_interval_min: 20ms}
            remotes: \(remotes)
            \(neighbours)
            """
    }

    func startProxy() async throws -> RunningProcess {
        try await start(
            "proxy",
            """
            data_dir: \(folder.path)/proxy
            origin: {hosts: {static: ["127.0.0.1:\(originPort)"]}}
            build_index: {hosts: {static: \(indexAddresses)}}
            """,
            ["--port", "\(proxyPort)", "--server-port", "\(proxyServerPort)"],
            port: proxyServerPort
        )
    }

    /// Returns once what waits to be replicated has failed because of something with `text` in it.
    func fails(with text: String) async throws {
        let queue = QueueClient(address: indexAddresses[0], http: IntegrationTests.http)
        while true {
            let tasks = try await queue.tasks(.init(kind: "replication")).tasks
            if tasks.contains(where: { $0.lastError?.contains(text) == true }) { return }
        }
    }

    /// Returns once nothing waits to be replicated any more.
    func drain() async throws {
        for address in indexAddresses {
            let queue = QueueClient(address: address, http: IntegrationTests.http)
            while try await !queue.tasks(.init(kind: "replication")).tasks.isEmpty {}
        }
    }

    /// What the build-index says of itself.
    func status() async throws -> ComponentSnapshot {
        let (_, body) = try await Clients.curl(["http://\(indexAddresses[0])/status"])
        return try TelemetryJSON.decode(ComponentSnapshot.self, from: Array(body.utf8))
    }

    private func start(
        _ kind: String,
        _ text: String,
        _ arguments: [String],
        port: Int
    ) async throws -> RunningProcess {
        try await StandaloneComponent.start(kind, text, arguments, port: port, in: folder)
    }
}
