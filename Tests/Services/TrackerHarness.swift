// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import Files
import HTTPKit
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOPosix
import Primitives
import Synchronization
import Telemetry
import Testing
import TrackerService

/// A value that someone waits for.
final class TrackerSignal<Value: Sendable>: Sendable {
    private struct State {
        var value: Value?
        var waiters: [CheckedContinuation<Value, Never>] = []
    }
    private let state = Mutex(State())

    func send(_ value: Value) {
        let waiters = state.withLock { state in
            if state.value == nil { state.value = value }
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume(returning: value) }
    }

    func wait() async -> Value {
        await withCheckedContinuation { continuation in
            let value = state.withLock { state in
                if state.value == nil { state.waiters.append(continuation) }
                return state.value
            }
            if let value { continuation.resume(returning: value) }
        }
    }
}

/// What trackers and origins of these tests share.
enum TrackerWorld {
    static let http = HTTPClient(
        eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
        pool: .singleton
    )

    static var log: Logger {
        var log = Logger(label: "test")
        log.logLevel = .critical
        return log
    }

    static func environment(
        _ id: String,
        kind: ComponentKind,
        metrics: PrometheusRegistry? = nil,
        onReady: @escaping @Sendable ([String: String]) -> Void = { _ in }
    ) -> ComponentEnvironment {
        ComponentEnvironment(
            id: id,
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            pool: .singleton,
            httpClient: http,
            log: log,
            events: EventLog(component: id),
            counters: Counters(kind: kind),
            metrics: metrics,
            onReady: onReady
        )
    }

    /// Runs `serve` while `body` runs, with what it says it is bound to.
    static func serving<Value: Sendable>(
        _ serve: (TrackerSignal<String>) -> (@Sendable () async throws -> Void),
        body: (String) async throws -> Value
    ) async throws -> Value {
        let bound = TrackerSignal<String>()
        let run = serve(bound)
        let running = Task { try await run() }
        let result: Result<Value, any Error>
        do { result = .success(try await body(await bound.wait())) } catch {
            result = .failure(error)
        }
        running.cancel()
        try await running.value
        return try result.get()
    }
}

/// A tracker on a free port, and requests to it.
struct TrackerUnderTest: Sendable {
    let address: String

    /// How ``digest`` is cut into three pieces.
    static func metaInfo() throws -> MetaInfo {
        try MetaInfo(
            digest: digest,
            layout: try #require(PieceLayout(blobBytes: 9, pieceBytes: 4)),
            pieceSums: [1, 2, 3]
        )
    }

    /// Runs an origin that does as it is told and a tracker in front of it, while `body` runs.
    @discardableResult static func withOrigin<Value: Sendable>(
        configure: (inout TrackerConfiguration) -> Void = { _ in },
        body: (TrackerUnderTest, TrackerOrigin) async throws -> Value
    ) async throws -> Value {
        let origin = TrackerOrigin(port: 15_001)
        return try await origin.serving { address in
            try await with(origins: [address], configure: configure) { try await body($0, origin) }
        }
    }

    static func with<Value: Sendable>(
        origins: [String],
        metrics: PrometheusRegistry? = nil,
        configure: (inout TrackerConfiguration) -> Void = { _ in },
        body: (TrackerUnderTest) async throws -> Value
    ) async throws -> Value {
        var configuration = TrackerConfiguration(port: 0, origins: origins)
        // However slow the machine is, an origin that answers is waited for.
        configuration.originLookupTimeout = .minutes(2)
        configuration.metaInfoTimeout = .minutes(2)
        configure(&configuration)
        return try await TrackerWorld.serving { bound in
            let environment = TrackerWorld.environment(
                "tracker-0",
                kind: .tracker,
                metrics: metrics
            ) { bound.send($0["http"] ?? "") }
            let tracker = TrackerComponent(configuration: configuration, environment: environment)
            return { try await tracker.run() }
        } body: { address in
            try await body(TrackerUnderTest(address: address))
        }
    }

    struct Answer {
        let status: Int
        let headers: HTTPFields
        let text: String
        var json: JSON { get throws { try JSON(parsing: text) } }
        /// The ports of the peers in a handout, by which these tests know them.
        var ports: [Int] {
            get throws { try json["peers"]?.array?.compactMap { $0["port"]?.integer } ?? [] }
        }
    }

    func send(
        _ method: HTTPRequest.Method,
        _ path: String,
        body: String? = nil
    ) async throws -> Answer {
        let request = ClientRequest(
            method,
            "http://\(address)\(path)",
            body: body.map { .bytes(ByteBuffer(string: $0)) } ?? .none,
            timeout: .minutes(3),
            acceptedStatuses: Set(100...599),
            retry: .never
        )
        let (response, buffer) = try await TrackerWorld.http.collect(request, upTo: 1 << 24)
        return Answer(
            status: response.status.code,
            headers: response.headers,
            text: String(decoding: buffer.readableBytesView, as: UTF8.self)
        )
    }

    /// Announces, in the second form, the peer whose port is `port`.
    func announce(
        _ port: Int,
        isComplete: Bool = false,
        isLeaving: Bool = false
    ) async throws -> Answer {
        try await send(
            .post,
            "/announce/\(Self.infoHash.hex)",
            body: Self.body(port: port, isComplete: isComplete, isLeaving: isLeaving)
        )
    }

    static let digest = Digest(bytes: (0..<32).map { UInt8($0) }) ?? proxyDigest
    private static var proxyDigest: Digest { preconditionFailure("32 bytes are a digest") }
    static let infoHash = InfoHash(hashing: [1, 2, 3])

    static func body(port: Int, isComplete: Bool = false, isLeaving: Bool = false) -> String {
        let peerID = PeerID(hashOfAddress: "10.0.0.1", port: port)
        let peer = PeerInfo(peerID: peerID, ip: "10.0.0.1", port: port, isComplete: isComplete)
        var members: [JSON.Member] = [
            .init("name", .string(digest.hex)), .init("digest", .string("\(digest)")),
            .init("info_hash", infoHash.json), .init("peer", peer.json),
        ]
        if isLeaving { members.append(.init("leaving", .bool(true))) }
        return JSON.object(members).text
    }
}

/// An origin that owns every blob and answers over real HTTP, as far as a tracker asks it.
final class TrackerOrigin: Sendable {
    /// How it answers a request for meta info.
    enum MetaInfoAnswer: Sendable {
        case document(MetaInfo)
        case status(Int)
    }

    private struct State {
        var answer = MetaInfoAnswer.status(404)
        var counts: [String: Int] = [:]
        var namespaces: [String] = []
        var gate: TrackerSignal<Void>?
        var isReady = true
        var locations: String?
    }
    private let state = Mutex(State())
    private let entered = TrackerSignal<Void>()
    private let bound = TrackerSignal<String>()
    let port: Int

    /// An origin whose peer port is `port`.
    init(port: Int) { self.port = port }

    func answerMetaInfo(_ answer: MetaInfoAnswer) { state.withLock { $0.answer = answer } }
    func setReady(_ isReady: Bool) { state.withLock { $0.isReady = isReady } }
    /// What `Origin-Locations` says; itself when nil.
    func setLocations(_ text: String) { state.withLock { $0.locations = text } }
    /// Holds back meta info until `gate` is sent.
    func hold(until gate: TrackerSignal<Void>?) { state.withLock { $0.gate = gate } }
    /// Returns once a request for meta info has come in.
    func metaInfoAsked() async { await entered.wait() }
    func count(_ name: String) -> Int { state.withLock { $0.counts[name] ?? 0 } }
    /// Its own `host:port`, once it serves.
    func address() async -> String { await bound.wait() }
    var namespaces: [String] { state.withLock { $0.namespaces } }

    func serving<Value: Sendable>(
        port: Int = 0,
        body: (String) async throws -> Value
    ) async throws -> Value {
        let options = ServerOptions(
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            log: TrackerWorld.log
        )
        return try await TrackerWorld.serving { bound in
            let server = HTTPServer(
                name: "origin",
                address: ("127.0.0.1", port),
                router: router(),
                options: options
            ) {
                self.bound.send("127.0.0.1:\($0)")
                bound.send("127.0.0.1:\($0)")
            }
            return { try await server.run() }
        } body: {
            try await body($0)
        }
    }

    private func router() -> Router<ServerContext> {
        let router = Router(context: ServerContext.self)
        router.get("/blobs/{digest}/locations") { _, _ in
            let own = await self.address()
            let locations = self.counted("locations") { $0.locations ?? own }
            return Response.empty(headers: [try #require(.init("Origin-Locations")): locations])
        }
        router.get("/internal/peercontext") { _, _ in
            self.counted("peercontext") { _ in }
            let context = PeerContext(
                ip: "10.9.9.9",
                port: self.port,
                peerID: PeerID(hashOfAddress: "10.9.9.9", port: self.port),
                isOrigin: true
            )
            return Response.json(context.json)
        }
        router.get("/internal/namespace/{namespace}/blobs/{digest}/metainfo") { _, context in
            let namespace = try context.parameter("namespace")
            let (answer, gate) = self.counted("metainfo") { state in
                state.namespaces.append(namespace)
                return (state.answer, state.gate)
            }
            self.entered.send(())
            await gate?.wait()
            switch answer {
            case .document(let metaInfo): return Response.json(bytes: metaInfo.json)
            case .status(let code):
                return Response.text("as told", status: .init(code: code))
            }
        }
        router.get("/readiness") { _, _ in
            guard self.counted("readiness", { $0.isReady }) else {
                throw HTTPProblem.unavailable("backend down").asText
            }
            return Response.text("OK\n")
        }
        return router
    }

    private func counted<Value: Sendable>(
        _ name: String,
        _ body: (inout sending State) -> sending Value
    ) -> Value {
        state.withLock { state in
            state.counts[name, default: 0] += 1
            return body(&state)
        }
    }
}

/// Accepts connections and never says a word.
struct SilentServer: Sendable {
    private let channel: any Channel
    let address: String

    static func start() async throws -> SilentServer {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(channel.localAddress?.port)
        return SilentServer(channel: channel, address: "127.0.0.1:\(port)")
    }

    func stop() async throws { try await channel.close() }
}
