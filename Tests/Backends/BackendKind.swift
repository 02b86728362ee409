// SPDX-License-Identifier: Apache-2.0

import Backends
import ClusterConfiguration
import Content
import Files
import Foundation
import HTTPKit
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Telemetry
import TestServers
import TestfsService

/// The backends that pass the contract suite, each over the real thing.
enum BackendKind: String, CaseIterable, Sendable {
    case file, testfs
    case seaweedfs, moto
    case gcs
    case hdfs
    case azure
    case shadow
    case sql

    /// Those whose server is installed, and in CI all.
    static let tagStores = allCases.filter(\.isThere)
    /// Those of them that keep blobs, too.
    static let available = tagStores.filter { $0 != .sql }

    /// Whether its server is installed, and in CI always.
    private var isThere: Bool {
        switch self {
        case .file, .testfs, .azure, .shadow, .sql: true
        case .seaweedfs: ServerTools.has("weed")
        case .moto: ServerTools.has("moto_server")
        case .gcs: ServerTools.has(GCSServer.program)
        case .hdfs: ServerTools.hasFile(HDFSServer.program)
        }
    }

    /// Runs `body` with an empty backend.
    func withBackend(_ namePath: NamePath, _ body: (any Backend) async throws -> Void) async throws
    {
        switch self {
        case .file:
            let folder = try TemporaryFolder()
            let root = folder.path + "/made/on/demand"
            try await body(
                backend("file: {root: \(root), name_path: \(namePath.rawValue)}")
            )
        case .testfs:
            try await withTestfs { address, http async throws in
                for root in ["", "some/root"] {
                    let keys = "addr: \"\(address)\", root: \"\(root)\""
                    try await body(
                        backend("testfs: {\(keys), name_path: \(namePath.rawValue)}")
                    )
                }
            }
        case .seaweedfs:
            try await body(backend(yaml: S3Server.seaweed.value.yaml(namePath.rawValue)))
        case .moto:
            try await body(backend(yaml: S3Server.moto.value.yaml(namePath.rawValue)))
        case .gcs:
            try await GCSServer.shared.value.withYAML(namePath.rawValue) { yaml, _ async throws in
                try await body(backend(yaml: yaml))
            }
        case .hdfs:
            try await body(backend(HDFSServer.shared.value.settings(namePath.rawValue)))
        case .azure:
            let imitation = AzureImitation()
            try await ScriptedServer.serve { request, _ in
                try await imitation.answer(request)
            } body: { address, _ async throws in
                try await body(backend(yaml: AzureImitation.yaml(address, namePath.rawValue)))
            }
        case .shadow:
            let folder = try TemporaryFolder()
            func file(_ name: String) -> String {
                "file: {root: \(folder.path)/\(name), name_path: \(namePath.rawValue)}"
            }
            try await body(
                backend(
                    "shadow: {active_backend: {\(file("active"))}, shadow_backend: {\(file("shadow"))}}"
                )
            )
        case .sql:
            let folder = try TemporaryFolder()
            let backend = try backend(
                "sql: {dialect: sqlite3, connection_string: '\(folder.path)/tags.db?cache=shared'}"
            )
            try await body(backend)
            await backend.close()
        }
    }
}

/// The backend of the configuration `{<kind>: {…}}`.
func backend(_ kind: String) throws -> any Backend {
    try backend(yaml: "backends: [{namespace: .*, backend: {\(kind)}}]")
}

/// The one backend in the rows of `yaml`, read as a build-index reads it.
func backend(yaml: String, context: BackendContext = testContext) throws -> any Backend {
    try BackendTable(rules: rules(yaml), context: context).backend(for: "any")
}

/// The rows of backends in `yaml`, read as a build-index reads them.
func rules(_ yaml: String) throws -> [BackendRule] {
    let rest = "\norigin: {hosts: {static: [\"a:1\"]}}\ndata_dir: /nowhere\n"
    let node = try ConfigurationFile.parse(yaml + rest, file: "f.yaml")
    return try BuildIndexConfiguration(yaml: node).backends
}

/// Runs `body` beside a real testfs server.
func withTestfs(_ body: (String, HTTPClient) async throws -> Void) async throws {
    let http = testClient
    let (addresses, ready) = AsyncStream.makeStream(of: String.self)
    var log = Logger(label: "test")
    log.logLevel = .critical
    let component = TestfsComponent(
        configuration: TestfsConfiguration(port: 0),
        environment: ComponentEnvironment(
            id: "testfs-0",
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            pool: .singleton,
            httpClient: http,
            log: log,
            events: EventLog(component: "testfs-0"),
            counters: Counters(kind: .testfs),
            onReady: { ready.yield($0["http"] ?? "") }
        )
    )
    let running = Task { try await component.run() }
    defer { running.cancel() }
    for await address in addresses {
        try await body(address, http)
        break
    }
    running.cancel()
    try await running.value
}

/// A folder of its own for one test, removed at the end.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "backends-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

let testContext = BackendContext(http: testClient, pool: .singleton)

let anyNamespace = Namespace.proxyUploads

extension Backend {
    func put(_ name: String, _ text: String) async throws {
        try await upload(name, namespace: anyNamespace, from: .bytes(ByteBuffer(string: text)))
    }

    func bytes(_ name: String) async throws -> [UInt8] {
        var whole = ByteBuffer()
        try await download(name, namespace: anyNamespace) { part in
            var part = part
            whole.writeBuffer(&part)
        }
        return Array(whole.readableBytesView)
    }

    func text(_ name: String) async throws -> String {
        String(decoding: try await bytes(name), as: UTF8.self)
    }
}
