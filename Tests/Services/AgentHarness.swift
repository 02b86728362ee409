// SPDX-License-Identifier: Apache-2.0

import AgentService
import BuildIndexService
import ClusterClients
import ClusterConfiguration
import Content
import HTTPKit
import HTTPTypes
import NIOCore
import NIOPosix
import OriginService
import Primitives
import ServiceLifecycle
import Telemetry
import TestSupport
import Testing
import TrackerService

extension OriginBlob {
    /// A blob of `count` bytes that differ from place to place, made fast: random bytes by the MiB keep the few threads of
    /// an unoptimised test run from everybody else's deadlines.
    static func patterned(_ count: Int, seed: UInt64 = 1) -> OriginBlob {
        var generator = Generator(seed: seed)
        let block = generator.bytes(4093)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + block.count + 8)
        while bytes.count < count {
            withUnsafeBytes(of: bytes.count) { bytes += $0 }
            bytes += block
        }
        return OriginBlob(Array(bytes[..<count]))
    }
}

/// A component that runs until it is stopped.
struct AgentPart: Sendable {
    let addresses: [String: String]
    let environment: ComponentEnvironment
    private let running: Task<Void, any Error>

    /// Starts what `make` makes; returns when it serves.
    static func start(
        _ id: String,
        _ kind: ComponentKind,
        _ make: (ComponentEnvironment) -> any Service
    ) async throws -> AgentPart {
        let (ready, source) = AsyncThrowingStream.makeStream(of: [String: String].self)
        let environment = TrackerWorld.environment(id, kind: kind) { source.yield($0) }
        let service = make(environment)
        let running = Task {
            do {
                try await service.run()
                source.finish()
            } catch {
                source.finish(throwing: error)
                throw error
            }
        }
        var iterator = ready.makeAsyncIterator()
        let addresses = try #require(try await iterator.next(), "\(id) ended before it served")
        return AgentPart(addresses: addresses, environment: environment, running: running)
    }

    func address(_ purpose: String) -> String { addresses[purpose] ?? "nowhere" }

    func stop() async throws {
        running.cancel()
        try await running.value
    }

    /// Returns once an event that `matches` has happened.
    func event(_ matches: (ClusterEvent) -> Bool) async {
        guard let subscription = environment.events.subscribe(after: 0) else { return }
        for await batch in subscription where batch.events.contains(where: matches) { return }
    }

    /// Sends a request to the listener for `purpose`.
    func send(
        _ method: HTTPRequest.Method,
        _ path: String,
        to purpose: String = "http",
        headers: HTTPFields = [:],
        body: String? = nil
    ) async throws -> OriginUnderTest.Answer {
        let request = ClientRequest(
            method,
            "http://\(address(purpose))\(path)",
            headers: headers,
            body: body.map { .bytes(ByteBuffer(string: $0)) } ?? .none,
            timeout: .minutes(3),
            acceptedStatuses: Set(100...599),
            retry: .never
        )
        let (response, buffer) = try await TrackerWorld.http.collect(request, upTo: 1 << 27)
        return OriginUnderTest.Answer(
            status: response.status.code,
            headers: response.headers,
            bytes: Array(buffer.readableBytesView)
        )
    }

    /// Begins a download of `blob` and returns its answer before the body.
    func open(_ blob: OriginBlob, headers: HTTPFields = [:]) async throws -> ClientResponse {
        let request = ClientRequest(
            .get,
            "http://\(address("http"))\(blob.path)",
            headers: headers,
            timeout: .minutes(3),
            acceptedStatuses: [200, 206],
            retry: .never
        )
        return try await TrackerWorld.http.send(request)
    }

    func status() async throws -> ComponentSnapshot {
        try TelemetryJSON.decode(
            ComponentSnapshot.self,
            from: try await send(.get, "/status").bytes
        )
    }

    func count(_ name: String) -> Int { environment.counters.counter(name).value }
}

/// A cluster of real components on free ports in its own folder: an origin, a tracker, a build-index, and agents.
final class AgentCluster: Sendable {
    static let pieceBytes = 1 << 16

    let root: String
    let origin: AgentPart
    let tracker: AgentPart
    let buildIndex: AgentPart

    private init(_ root: String, _ origin: AgentPart, _ tracker: AgentPart, _ index: AgentPart) {
        (self.root, self.origin, self.tracker, buildIndex) = (root, origin, tracker, index)
    }

    /// Runs `body` with a cluster that has no agents yet.
    static func with(
        announceInterval: Duration = .seconds(3),
        _ body: (AgentCluster) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { root in
            let origin = try await startOrigin(root)
            let origins = [origin.address("http")]
            let tracker = try await AgentPart.start("tracker-0", .tracker) {
                TrackerComponent(
                    configuration: TrackerConfiguration(
                        port: 0,
                        origins: origins,
                        announceInterval: announceInterval,
                        originLookupTimeout: .minutes(1)
                    ),
                    environment: $0
                )
            }
            let index = try await AgentPart.start("build-index-0", .buildIndex) {
                BuildIndexComponent(
                    configuration: BuildIndexConfiguration(
                        port: 0,
                        dataDirectory: "\(root)/build-index-0",
                        origins: origins,
                        backends: [BuildIndexUnderTest.backend(root)]
                    ),
                    environment: $0
                )
            }
            let cluster = AgentCluster(root, origin, tracker, index)
            let result: Result<Void, any Error>
            do { result = .success(try await body(cluster)) } catch { result = .failure(error) }
            for part in [index, tracker, origin] { try await part.stop() }
            try result.get()
        }
    }

    private static func startOrigin(_ root: String) async throws -> AgentPart {
        var configuration = OriginConfiguration(dataDirectory: "\(root)/origin-0")
        (configuration.port, configuration.peerPort) = (0, 0)
        configuration.pieceLengths = PieceLengthTable(pieceBytes: pieceBytes) ?? .init()
        configuration.backends = [
            BackendRule(backend: .file(root: "\(root)/backend", namePath: .shardedDockerBlob))
        ]
        return try await AgentPart.start("origin-0", .origin) {
            OriginComponent(configuration: configuration, environment: $0)
        }
    }

    /// Starts the agent `id`, whose data outlives it.
    func startAgent(
        _ id: String = "agent-0",
        _ configure: (inout AgentConfiguration) -> Void = { _ in }
    ) async throws -> AgentPart {
        var configuration = AgentConfiguration(
            dataDirectory: "\(root)/\(id)",
            trackers: [tracker.address("http")],
            buildIndexes: [buildIndex.address("http")]
        )
        (configuration.port, configuration.registryPort, configuration.peerPort) = (0, 0, 0)
        configuration.pushAddress = "proxy.example:15000"
        configure(&configuration)
        return try await AgentPart.start(id, .agent) {
            AgentComponent(configuration: configuration, environment: $0)
        }
    }

    /// Runs `body` with an agent that is stopped afterwards.
    func withAgent(
        _ id: String = "agent-0",
        _ configure: (inout AgentConfiguration) -> Void = { _ in },
        body: (AgentPart) async throws -> Void
    ) async throws {
        let agent = try await startAgent(id, configure)
        let result: Result<Void, any Error>
        do { result = .success(try await body(agent)) } catch { result = .failure(error) }
        try await agent.stop()
        try result.get()
    }

    func upload(_ blobs: OriginBlob...) async throws {
        let client = OriginClient(address: origin.address("http"), http: TrackerWorld.http)
        for blob in blobs {
            try await client.upload(
                blob.digest,
                namespace: try Namespace(OriginUnderTest.namespace),
                from: .bytes(ByteBuffer(bytes: blob.bytes))
            )
        }
    }

    /// Gives `digest` the name `tag`.
    func put(_ tag: String, _ digest: Digest) async throws {
        let client = BuildIndexClient(
            address: buildIndex.address("http"),
            http: TrackerWorld.http
        )
        try await client.put(try QualifiedTag(parsing: tag), digest)
    }
}
