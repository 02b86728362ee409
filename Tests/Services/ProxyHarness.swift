// SPDX-License-Identifier: Apache-2.0

import BuildIndexService
import ClusterClients
import ClusterConfiguration
import Content
import Files
import Foundation
import HTTPKit
import HTTPTypes
import Logging
import NIOCore
import NIOPosix
import OriginService
import Primitives
import ProxyService
import ServiceLifecycle
import Telemetry
import TestSupport
import Testing

/// A component that runs in the background of a test.
struct ProxyNeighbour: Sendable {
    let addresses: [String: String]
    let counters: Counters
    private let running: Task<Void, any Error>

    /// Starts the component that `make` makes and waits until it serves.
    static func start(
        _ id: String,
        _ kind: ComponentKind,
        _ make: (ComponentEnvironment) -> any Service
    ) async throws -> ProxyNeighbour {
        let (ready, continuation) = AsyncThrowingStream.makeStream(of: [String: String].self)
        let counters = Counters(kind: kind)
        let environment = ComponentEnvironment(
            id: id,
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            pool: .singleton,
            httpClient: ProxyCluster.http,
            log: ProxyCluster.log,
            events: EventLog(component: id),
            counters: counters,
            onReady: { continuation.yield($0) }
        )
        let service = make(environment)
        let running = Task {
            do {
                try await service.run()
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
                throw error
            }
        }
        var iterator = ready.makeAsyncIterator()
        let addresses = try #require(try await iterator.next())
        return ProxyNeighbour(addresses: addresses, counters: counters, running: running)
    }

    func stop() async throws {
        running.cancel()
        try await running.value
    }
}

/// A proxy in front of real origins and a real build-index, in one process, on free ports and its own folder.
final class ProxyCluster: Sendable {
    static let http = HTTPClient(
        eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
        pool: .singleton
    )
    static var log: Logger {
        var log = Logger(label: "proxy-test")
        log.logLevel = .critical
        return log
    }

    let folder: String
    let origins: [ProxyNeighbour]
    let buildIndex: ProxyNeighbour
    let configuration: ProxyConfiguration
    let proxy: ProxyNeighbour

    var registry: String { proxy.addresses["registry"] ?? "" }

    private init(
        _ folder: String,
        _ origins: [ProxyNeighbour],
        _ buildIndex: ProxyNeighbour,
        _ configuration: ProxyConfiguration,
        _ proxy: ProxyNeighbour
    ) {
        (self.folder, self.origins, self.buildIndex) = (folder, origins, buildIndex)
        (self.configuration, self.proxy) = (configuration, proxy)
    }

    /// Runs `body` with a cluster of `originCount` origins, each of which owns every blob unless there are more than `replicas`.
    static func run(
        origins originCount: Int = 1,
        replicas: Int = 3,
        configure: (inout ProxyConfiguration) -> Void = { _ in },
        body: (ProxyCluster) async throws -> Void
    ) async throws {
        let folder = NSTemporaryDirectory() + "proxy-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let names = try (0..<originCount).map { _ in "127.0.0.1:\(try ReservedPort.make())" }
        var origins: [ProxyNeighbour] = []
        for (index, name) in names.enumerated() {
            var configuration = OriginConfiguration(dataDirectory: "\(folder)/origin-\(index)")
            configuration.port = Int(name.split(separator: ":")[1]) ?? 0
            configuration.peerPort = 0
            configuration.cluster = names
            configuration.replicasMax = replicas
            configuration.backends = [try backend(folder, .blobs)]
            origins.append(
                try await .start("origin-\(index)", .origin) {
                    OriginComponent(configuration: configuration, environment: $0)
                }
            )
        }
        let tags = try backend(folder, .tags)
        let buildIndex = try await ProxyNeighbour.start("build-index-0", .buildIndex) {
            BuildIndexComponent(
                configuration: BuildIndexConfiguration(
                    port: 0,
                    dataDirectory: "\(folder)/build-index",
                    origins: names,
                    backends: [tags]
                ),
                environment: $0
            )
        }
        var configuration = ProxyConfiguration(
            registryPort: 0,
            port: 0,
            dataDirectory: "\(folder)/proxy",
            origins: names,
            buildIndexes: [buildIndex.addresses["http"] ?? ""]
        )
        configure(&configuration)
        let proxy = try await startProxy(configuration)
        let cluster = ProxyCluster(folder, origins, buildIndex, configuration, proxy)
        do { try await body(cluster) } catch { Issue.record(error) }
        try await proxy.stop()
        try await buildIndex.stop()
        for origin in origins { try await origin.stop() }
    }

    static func startProxy(_ configuration: ProxyConfiguration) async throws -> ProxyNeighbour {
        try await .start("proxy-0", .proxy) {
            ProxyComponent(configuration: configuration, environment: $0)
        }
    }

    private static func backend(
        _ folder: String,
        _ purpose: BackendConfiguration.Purpose
    ) throws -> BackendRule {
        BackendRule(
            backend: try BackendConfiguration(url: "file:\(folder)/backend", purpose: purpose)
        )
    }

    /// Removes `tag` at the build-index, past the registry.
    func forget(_ tag: QualifiedTag) async throws {
        let address = buildIndex.addresses["http"] ?? ""
        try await BuildIndexClient(address: address, http: Self.http).delete(tag)
    }

    /// The blobs and uploads that lie on the proxy's disk.
    func filesOnDisk() throws -> [String] {
        let files = try FileManager.default.subpathsOfDirectory(atPath: configuration.dataDirectory)
        return files.filter { $0.hasSuffix("/data") }
    }

    // MARK: - Requests

    struct Answer {
        let status: Int
        let headers: HTTPFields
        let body: ByteBuffer

        var text: String { String(decoding: body.readableBytesView, as: UTF8.self) }
        var bytes: [UInt8] { Array(body.readableBytesView) }
        var json: JSON { (try? JSON(parsing: text)) ?? .null }
        var code: String { json["errors"]?.array?.first?["code"]?.string ?? "" }
        subscript(_ name: String) -> String? { HTTPField.Name(name).flatMap { headers[$0] } }
    }

    @discardableResult func send(
        _ method: HTTPRequest.Method,
        _ path: String,
        _ body: [UInt8]? = nil,
        headers: HTTPFields = [:],
        to address: String? = nil
    ) async throws -> Answer {
        try await Self.send(method, address ?? registry, path, body, headers: headers)
    }

    @discardableResult static func send(
        _ method: HTTPRequest.Method,
        _ address: String,
        _ path: String,
        _ body: [UInt8]? = nil,
        headers: HTTPFields = [:]
    ) async throws -> Answer {
        let request = ClientRequest(
            method,
            "http://\(address)\(path)",
            headers: headers,
            body: body.map { .bytes(ByteBuffer(bytes: $0)) } ?? .none,
            timeout: .minutes(3),
            acceptedStatuses: Set(200..<600),
            retry: .never
        )
        let (response, bytes) = try await http.collect(request, upTo: 64 << 20)
        return Answer(status: response.status.code, headers: response.headers, body: bytes)
    }

    /// Pushes `bytes` as docker does, in two chunks; answers the last answer.
    func push(
        _ bytes: [UInt8],
        as digest: Digest? = nil,
        to repository: String = "demo/web"
    ) async throws -> Answer {
        let start = try await send(.post, "/v2/\(repository)/blobs/uploads/")
        guard let location = start["Location"] else { return start }
        let middle = bytes.count / 2
        let patch = try await send(.patch, location, Array(bytes[..<middle]))
        #expect(patch.status == 202)
        let name = digest ?? Digest(hashing: bytes)
        return try await send(.put, "\(location)?digest=\(name)", Array(bytes[middle...]))
    }

    /// Pushes an image of one layer as `repository:tag`; answers its manifest.
    func pushImage(
        _ tag: String,
        layer: [UInt8],
        to repository: String = "demo/web"
    ) async throws -> [UInt8] {
        let config = Array("{}".utf8)
        for blob in [config, layer] {
            #expect(try await push(blob, to: repository).status == 201)
        }
        func descriptor(_ bytes: [UInt8]) -> String {
            #"{"mediaType":"x","digest":"\#(Digest(hashing: bytes))","size":\#(bytes.count)}"#
        }
        let manifest =
            Array(
                #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","#
                    .utf8
            ) + Array(#""config":\#(descriptor(config)),"layers":[\#(descriptor(layer))]}"#.utf8)
        let answer = try await send(.put, "/v2/\(repository)/manifests/\(tag)", manifest)
        #expect(answer.status == 201, "\(answer.text)")
        return manifest
    }
}
