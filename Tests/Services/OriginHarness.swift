// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import ClusterConfiguration
import Content
import HTTPKit
import HTTPTypes
import NIOCore
import NIOPosix
import OriginService
import Primitives
import RetryCore
import Telemetry
import TestSupport
import Testing

/// A blob and how it is to be cut.
struct OriginBlob: Sendable {
    let bytes: [UInt8]
    let digest: Digest

    init(_ text: String) { self.init(Array(text.utf8)) }

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        digest = Digest(hashing: bytes)
    }

    /// A blob of `count` random bytes.
    static func random(_ count: Int, seed: UInt64 = 1) -> OriginBlob {
        var generator = Generator(seed: seed)
        return OriginBlob(generator.bytes(count))
    }

    /// Where a file backend keeps it below its root.
    var backendPath: String {
        "docker/registry/v2/blobs/sha256/\(digest.hex.prefix(2))/\(digest.hex)/data"
    }

    /// The origin's paths for it under the namespace `ns/repo`.
    var path: String { "/namespace/ns%2Frepo/blobs/\(digest)" }
    var internalPath: String { "/internal\(path)" }
}

/// An origin on free ports, and requests to it.
struct OriginUnderTest: Sendable {
    let address: String
    let peerAddress: String
    let environment: ComponentEnvironment

    static let namespace = "ns/repo"

    /// Runs an origin that stores under `root`, with a directory beside it as backend, while `body` runs.
    static func with<Value: Sendable>(
        _ root: String,
        id: String = "origin-0",
        configure: (inout OriginConfiguration) -> Void = { _ in },
        body: (OriginUnderTest) async throws -> Value
    ) async throws -> Value {
        var configuration = OriginConfiguration(dataDirectory: "\(root)/\(id)")
        (configuration.port, configuration.peerPort) = (0, 0)
        configuration.writeBack.pauseMin = .milliseconds(50)
        configuration.healthTimeout = .minutes(1)
        configuration.backends = [
            BackendRule(
                backend: .file(root: "\(root)/backend", namePath: .shardedDockerBlob)
            )
        ]
        configure(&configuration)
        let bound = TrackerSignal<[String: String]>()
        let environment = TrackerWorld.environment(id, kind: .origin) { bound.send($0) }
        let origin = OriginComponent(configuration: configuration, environment: environment)
        let running = Task { try await origin.run() }
        // An origin that can't start must fail the test, not hang it.
        let watcher = Task {
            do { try await running.value } catch { bound.send(["error": "\(error)"]) }
        }
        let addresses = await bound.wait()
        let result: Result<Value, any Error>
        do {
            let test = OriginUnderTest(
                address: try #require(addresses["http"], "\(addresses)"),
                peerAddress: try #require(addresses["peer"]),
                environment: environment
            )
            result = .success(try await body(test))
        } catch {
            result = .failure(error)
        }
        running.cancel()
        try await running.value
        await watcher.value
        return try result.get()
    }

    /// Runs `count` origins that form a ring, while `body` runs.
    static func cluster<Value: Sendable>(
        of count: Int,
        _ root: String,
        configure: @Sendable (inout OriginConfiguration) -> Void = { _ in },
        body: @escaping ([OriginUnderTest]) async throws -> Value
    ) async throws -> Value {
        var ports: [Int] = []
        for _ in 0..<count { ports.append(try ReservedPort.make()) }
        return try await cluster(ports: ports, from: 0, [], root, configure, body)
    }

    private static func cluster<Value: Sendable>(
        ports: [Int],
        from index: Int,
        _ running: [OriginUnderTest],
        _ root: String,
        _ configure: @Sendable (inout OriginConfiguration) -> Void,
        _ body: ([OriginUnderTest]) async throws -> Value
    ) async throws -> Value {
        guard index < ports.count else { return try await body(running) }
        return try await with(root, id: "origin-\(index)") { configuration in
            configuration.port = ports[index]
            configuration.cluster = ports.map { "127.0.0.1:\($0)" }
            configure(&configuration)
        } body: { origin in
            try await cluster(
                ports: ports,
                from: index + 1,
                running + [origin],
                root,
                configure,
                body
            )
        }
    }

    struct Answer {
        let status: Int
        let headers: HTTPFields
        let bytes: [UInt8]
        var text: String { String(decoding: bytes, as: UTF8.self) }
        var json: JSON { get throws { try JSON(parsing: bytes) } }
        func header(_ name: String) -> String? { HTTPField.Name(name).flatMap { headers[$0] } }
    }

    func send(
        _ method: HTTPRequest.Method,
        _ path: String,
        headers: HTTPFields = [:],
        body: [UInt8]? = nil
    ) async throws -> Answer {
        let request = ClientRequest(
            method,
            "http://\(address)\(path)",
            headers: headers,
            body: body.map { .bytes(ByteBuffer(bytes: $0)) } ?? .none,
            timeout: .minutes(3),
            acceptedStatuses: Set(100...599),
            retry: .never
        )
        let (response, buffer) = try await TrackerWorld.http.collect(request, upTo: 1 << 26)
        return Answer(
            status: response.status.code,
            headers: response.headers,
            bytes: Array(buffer.readableBytesView)
        )
    }

    var client: OriginClient { OriginClient(address: address, http: TrackerWorld.http) }

    /// Uploads `blob` as a client does.
    func upload(_ blob: OriginBlob) async throws {
        try await client.upload(
            blob.digest,
            namespace: try Namespace(Self.namespace),
            from: .bytes(ByteBuffer(bytes: blob.bytes))
        )
    }

    /// Sends a PATCH with `range` as its Content-Range.
    func patch(_ path: String, _ range: String?, _ body: String) async throws -> Answer {
        var headers = HTTPFields()
        headers[.contentRange] = range
        return try await send(.patch, path, headers: headers, body: Array(body.utf8))
    }

    /// Asks for `path` until the answer is not 202, as Kraken's clients do.
    func poll(_ path: String) async throws -> Answer {
        while true {
            let seen = environment.events.lastSequence
            let answer = try await send(.get, path)
            guard answer.status == 202 else { return answer }
            await event(after: seen) { _ in true }
        }
    }

    /// Returns the first event that `matches`, once it has happened.
    @discardableResult func event(
        after sequence: UInt64 = 0,
        _ matches: (ClusterEvent) -> Bool
    ) async -> ClusterEvent? {
        guard let subscription = environment.events.subscribe(after: sequence) else { return nil }
        for await batch in subscription {
            if let event = batch.events.first(where: matches) { return event }
        }
        return nil
    }

    /// Returns once the backend has got `blob`.
    func untilWrittenBack(_ blob: OriginBlob) async {
        await event { $0.kind == .writeBackDone && $0.blob == blob.digest }
    }

    func status() async throws -> ComponentSnapshot {
        try TelemetryJSON.decode(
            ComponentSnapshot.self,
            from: try await send(.get, "/status").bytes
        )
    }
}
