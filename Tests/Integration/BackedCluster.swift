// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Files
import Foundation
import HTTPKit
import Telemetry
import TestSupport

/// Two origins and one of everything else, each a process of its own on the same ports after each start, over a backend.
actor BackedCluster {
    private let folder: URL
    /// What the configuration says of backends: the origins', and the build-index's.
    private let (blobs, tags): (String, String)
    private let ports: [Int]
    /// The origins.
    private(set) var origins: [RunningProcess] = []
    private var others: [RunningProcess] = []

    private static let originCount = 2
    private init(_ folder: URL, _ blobs: String, _ tags: String) throws {
        (self.folder, self.blobs, self.tags) = (folder, blobs, tags)
        ports = try (0..<8).map { _ in try ReservedPort.make() }
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    deinit {
        // A test that fails half-way leaves nothing running.
        for process in origins + others where process.isRunning { process.send(SIGKILL) }
    }

    /// Starts all but agents below `folder`; `blobs` and `tags` is what the configuration of origins and build-index says
    /// of their backends.
    static func start(
        in folder: URL,
        blobs: String,
        tags: String
    ) async throws -> BackedCluster {
        let cluster = try BackedCluster(folder, blobs, tags)
        try await cluster.begin()
        return cluster
    }

    private func begin() async throws {
        for number in 0..<Self.originCount { origins.append(try await startOrigin(number)) }
        try await add(
            "tracker",
            "origin: \(hosts(originPorts))",
            ["--port": ports[4]],
            at: ports[4]
        )
        try await add(
            "build-index",
            """
            data_dir: \(folder.path)/index
            origin: \(hosts(originPorts))
            tag_types: [{namespace: .*, type: docker}]
            writeback: {retry_interval: 200ms, retry_interval_min: 20ms}
            \(tags)
            """,
            ["--port": ports[5]],
            at: ports[5]
        )
        try await add(
            "proxy",
            """
            data_dir: \(folder.path)/proxy
            origin: \(hosts(originPorts))
            build_index: \(hosts([ports[5]]))
            """,
            ["--port": ports[6], "--server-port": ports[7]],
            at: ports[7]
        )
    }

    // MARK: - Where it is

    private var originPorts: [Int] { Array(ports[..<Self.originCount]) }
    /// All that a collection or the queues are about.
    private var addresses: [String] { (originPorts + [ports[5]]).map { "127.0.0.1:\($0)" } }
    /// Where to push to.
    nonisolated var proxy: String { "127.0.0.1:\(ports[6])" }

    private func hosts(_ ports: [Int]) -> String {
        "{hosts: {static: \(ports.map { "127.0.0.1:\($0)" })}}"
    }

    /// `herd gc` of this cluster and its backends, at once.
    func collection(_ arguments: [String] = ["--grace", "0s"]) -> Command {
        Command(
            HerdProcess.executable,
            ["gc", "--json", "--backends"] + arguments + addresses.map { "http://\($0)" }
        )
    }

    // MARK: - Parts of it

    private func add(
        _ kind: String,
        _ text: String,
        _ flags: [String: Int],
        _ more: [String] = [],
        at port: Int
    ) async throws {
        let arguments = flags.flatMap { [$0.key, "\($0.value)"] } + more
        others.append(
            try await StandaloneComponent.start(kind, text, arguments, port: port, in: folder)
        )
    }

    private func directory(_ origin: Int) -> URL { folder.appending(path: "origin\(origin)") }

    private func startOrigin(_ number: Int) async throws -> RunningProcess {
        try await StandaloneComponent.start(
            "origin",
            """
            data_dir: \(directory(number).path)
            cluster: {static: \(originPorts.map { "127.0.0.1:\($0)" })}
            writeback: {retry_interval: 200ms, retry_interval_min: 20ms}
            \(blobs)
            """,
            [
                "--blobserver-port", "\(ports[number])", "--peer-port", "\(ports[2 + number])",
                "--peer-ip", "127.0.0.1",
            ],
            port: ports[number],
            in: folder
        )
    }

    /// Starts the origin `number` again, which was killed.
    func restartOrigin(_ number: Int) async throws {
        _ = try await origins[number].waitForExit(within: .seconds(10))
        origins[number] = try await startOrigin(number)
    }

    /// Restarts the origins without anything on their disks.
    func emptyOrigins() async throws {
        for (number, origin) in origins.enumerated() {
            origin.send(SIGTERM)
            _ = try await origin.waitForExit(within: .seconds(20))
            try FileManager.default.removeItem(at: directory(number))
            origins[number] = try await startOrigin(number)
        }
    }

    /// Starts an agent with nothing on its disk; answers its registry's address.
    func addAgent() async throws -> String {
        let agent = try (0..<3).map { _ in try ReservedPort.make() }
        try await add(
            "agent",
            """
            data_dir: \(folder.path)/agent-\(agent[0])
            tracker: \(hosts([ports[4]]))
            build_index: \(hosts([ports[5]]))
            """,
            [
                "--peer-port": agent[0], "--agent-registry-port": agent[1],
                "--agent-server-port": agent[2],
            ],
            ["--peer-ip", "127.0.0.1"],
            at: agent[2]
        )
        return "127.0.0.1:\(agent[1])"
    }

    // MARK: - What it has

    /// Returns once origins and build-index have written back all that they owe.
    func drain() async throws {
        for address in addresses {
            let queue = QueueClient(address: address, http: IntegrationTests.http)
            // Until the test's own limit.
            while try await !queue.tasks().tasks.isEmpty {
                _ = try await queue.retry(QueueFilter())
            }
        }
    }

    /// How many origins have the blob `digest` on their disks.
    func copies(_ digest: String) -> Int {
        let hex = String(digest.dropFirst("sha256:".count))
        return (0..<Self.originCount).count { number in
            let files = FileManager.default.enumerator(atPath: directory(number).path)
            while let path = files?.nextObject() as? String {
                if path.hasSuffix("\(hex)/data") { return true }
            }
            return false
        }
    }

    /// Where the last origin writes what it has condemned.
    var condemnations: URL { directory(Self.originCount - 1).appending(path: "condemned.json") }

    /// How many blobs that origin holds condemned, as its file says.
    func condemnedCount() -> Int {
        // It is not there before the first collection.
        let text = (try? String(contentsOf: condemnations, encoding: .utf8)) ?? ""
        return text.matches(of: /"digest"/).count
    }

    /// Stops all of them, none of which may have ended before.
    func stop() async throws {
        for process in others + origins {
            guard process.isRunning else {
                throw CommandFailure(description: "a component has ended by itself")
            }
            process.send(SIGTERM)
            let status = try await process.waitForExit(within: .seconds(20))
            guard status == 0 else {
                throw CommandFailure(description: "a component ended with \(status)")
            }
        }
    }
}
