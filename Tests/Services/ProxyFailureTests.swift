// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import ClusterClients
import ClusterConfiguration
import Content
import Files
import Foundation
import HTTPKit
import HTTPTypes
import Hummingbird
import NIOCore
import NIOPosix
import Primitives
import RegistryAPI
import Synchronization
import Telemetry
import TestSupport
import Testing

@testable import ProxyService

extension ServicesTests {
    @Suite("Proxy without help") struct ProxyFailureTests {
        /// A proxy before components at `origins` and `buildIndexes`, which need not be there.
        private static func run(
            origins: [String],
            buildIndexes: [String],
            body: (_ registry: String, _ http: String, _ folder: String) async throws -> Void
        ) async throws {
            let folder = NSTemporaryDirectory() + "proxy-" + UUID().uuidString
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let proxy = try await ProxyCluster.startProxy(
                ProxyConfiguration(
                    registryPort: 0,
                    port: 0,
                    dataDirectory: folder,
                    origins: origins,
                    buildIndexes: buildIndexes
                )
            )
            let registry = proxy.addresses["registry"] ?? ""
            do { try await body(registry, proxy.addresses["http"] ?? "", folder) } catch {
                Issue.record(error)
            }
            try await proxy.stop()
        }

        @Test("says so in the registry's words when nobody answers it")
        func nobody() async throws {
            let ports = [try ReservedPort.make(), try ReservedPort.make()]
            try await Self.run(
                origins: ["127.0.0.1:\(ports[0])"],
                buildIndexes: ["127.0.0.1:\(ports[1])"]
            ) { registry, http, folder in
                let bytes: [UInt8] = [1, 2, 3]
                let digest = Digest(hashing: bytes)
                let requests: [(HTTPRequest.Method, String, [UInt8]?)] = [
                    (.get, "/v2/a/blobs/\(digest)", nil), (.get, "/v2/a/manifests/v1", nil),
                    (.get, "/v2/a/manifests/\(digest)", nil), (.get, "/v2/a/tags/list", nil),
                    (.get, "/v2/_catalog", nil),
                    (.post, "/v2/a/blobs/uploads/?digest=\(digest)", bytes),
                ]
                for (method, path, body) in requests {
                    let answer = try await ProxyCluster.send(method, registry, path, body)
                    #expect(answer.status == 503, "\(path)")
                    #expect(answer.code == "UNAVAILABLE")
                    #expect(answer["Retry-After"] != nil)
                }
                let readiness = try await ProxyCluster.send(.get, http, "/readiness")
                #expect(readiness.status == 503)
                #expect(readiness.text.hasPrefix("not ready to serve traffic: "))
                #expect(try await ProxyCluster.send(.get, http, "/health").status == 200)
                let files = try FileManager.default.subpathsOfDirectory(atPath: folder)
                #expect(files.filter { $0.hasSuffix("/data") }.isEmpty)
            }
        }

        @Test("never completes a blob whose bytes are wrong")
        func wrongBytes() async throws {
            let good = [UInt8](repeating: 7, count: 200_000)
            var bad = good
            bad[100] = 8
            let digest = Digest(hashing: good)
            try await ProxyOrigin(bytes: bad).serving { origin in
                try await Self.run(origins: [origin], buildIndexes: []) { registry, _, _ in
                    await #expect(throws: (any Error).self) {
                        try await ProxyCluster.send(.get, registry, "/v2/a/blobs/\(digest)")
                    }
                    let manifest = try await ProxyCluster.send(
                        .get,
                        registry,
                        "/v2/a/manifests/\(digest)"
                    )
                    #expect(manifest.status == 502)
                }
            }
        }

        @Test("lets clients push while the storage behind the origins is down")
        func storageDown() async throws {
            try await ProxyOrigin(bytes: [], statStatus: .internalServerError).serving { origin in
                try await Self.run(origins: [origin], buildIndexes: []) { registry, _, _ in
                    let path = "/v2/a/blobs/\(Digest(hashing: [1]))"
                    #expect(try await ProxyCluster.send(.head, registry, path).status == 404)
                    let get = try await ProxyCluster.send(.get, registry, path)
                    #expect(get.status == 502)
                }
            }
        }
    }
}

extension ServicesTests {
    @Suite("Proxy uploads") struct UploadStagingTests {
        private static func staging(
            _ folder: String,
            sessionsMax: Int = 10
        ) async throws -> (UploadStaging, Counters) {
            let counters = Counters(kind: .proxy)
            let environment = ComponentEnvironment(
                id: "proxy-0",
                eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
                pool: .singleton,
                httpClient: ProxyCluster.http,
                log: ProxyCluster.log,
                events: EventLog(component: "proxy-0"),
                counters: counters
            )
            var configuration = BlobStoreConfiguration(root: folder)
            configuration.limits.uploadSessionsMax = sessionsMax
            let store = BlobStore(
                configuration: configuration,
                pool: .singleton,
                clock: { 0 },
                log: ProxyCluster.log
            )
            try await store.open()
            let staging = UploadStaging(
                store: store,
                origins: OriginCluster(
                    hosts: HostList([]),
                    http: ProxyCluster.http,
                    log: ProxyCluster.log
                ),
                timeToIdle: .hours(1),
                counters: ProxyCounters(counters),
                environment: environment
            )
            return (staging, counters)
        }

        @Test("expire when nobody continues them, and not before")
        func expiry() async throws {
            let folder = NSTemporaryDirectory() + "staging-" + UUID().uuidString
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let (staging, counters) = try await Self.staging(folder)
            let repository = try RepositoryName("a")
            let session = try await staging.start(in: repository)
            await staging.expire(at: .now + .seconds(3000))
            #expect(staging.session(session.id, in: repository) != nil)
            #expect(counters.counter("upload_sessions").value == 1)
            await staging.expire(at: .now + .seconds(3700))
            #expect(staging.session(session.id, in: repository) == nil)
            #expect(counters.counter("upload_sessions").value == 0)
            #expect(counters.counter("upload_sessions_expired").value == 1)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/upload").isEmpty)
        }

        @Test("make room for others when nobody has continued them for a while")
        func room() async throws {
            let folder = NSTemporaryDirectory() + "staging-" + UUID().uuidString
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let (staging, counters) = try await Self.staging(folder, sessionsMax: 2)
            let repository = try RepositoryName("a")
            let first = try await staging.start(in: repository)
            let second = try await staging.start(in: repository)
            let refusal = await #expect(throws: RegistryError.self) {
                try await staging.start(in: repository, at: .now + .seconds(50))
            }
            #expect(refusal?.status == .tooManyRequests)
            let third = try await staging.start(in: repository, at: .now + .seconds(70))
            #expect(staging.session(first.id, in: repository) == nil)
            #expect(staging.session(second.id, in: repository) != nil)
            #expect(staging.session(third.id, in: repository) != nil)
            #expect(counters.counter("upload_sessions_expired").value == 1)
            let files = try FileManager.default.contentsOfDirectory(atPath: folder + "/upload")
            #expect(files.count(where: { !$0.contains(".") }) == 2, "\(files)")
        }

        @Test("refuse a second request while one is at work")
        func busy() async throws {
            let folder = NSTemporaryDirectory() + "staging-" + UUID().uuidString
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let (staging, _) = try await Self.staging(folder)
            let session = try await staging.start(in: try RepositoryName("a"))
            let (chunks, writer) = AsyncStream.makeStream(of: ByteBuffer.self)
            let (waiting, signal) = AsyncStream.makeStream(of: Void.self)
            writer.yield(ByteBuffer(bytes: [1, 2]))
            let body = ObservedBody(base: chunks, onNext: { if $0 == 2 { signal.yield() } })
            let first = Task { try await session.append(body, at: nil) }
            // It asks for the second chunk once the first is in the file.
            var iterator = waiting.makeAsyncIterator()
            await iterator.next()
            #expect(session.bytesReceived == 2)
            await #expect(throws: RegistryError.self) {
                try await session.append(AsyncStream<ByteBuffer> { $0.finish() }, at: nil)
            }
            #expect(session.idleTime(at: .now + .seconds(9)) == .zero)
            await staging.expire(at: .now + .seconds(9999))
            #expect(staging.session(session.id, in: session.repository) != nil)
            writer.finish()
            #expect(try await first.value == 2)
            await session.cancel()
        }
    }
}

extension ServicesTests {
    @Suite("Manifest cache") struct ManifestCacheTests {
        @Test("keeps what was asked for last within its bytes")
        func bounded() {
            let cache = ManifestCache(bytesMax: 80_000)
            let documents = (0..<100).map { [UInt8](repeating: UInt8($0), count: 2000) }
            let digests = documents.map { Digest(hashing: $0) }
            for (digest, bytes) in zip(digests, documents) {
                cache.insert(bytes, as: digest)
                _ = cache.bytes(of: digests[0])
            }
            #expect(cache.bytes(of: digests[0]) == documents[0])
            #expect(cache.bytes(of: digests[99]) == documents[99])
            #expect(cache.bytes(of: digests[1]) == nil)
            let kept = digests.filter { cache.bytes(of: $0) != nil }.count
            #expect(kept >= 20 && kept <= 35)
            let long = [UInt8](repeating: 1, count: 20_000)
            cache.insert(long, as: Digest(hashing: long))
            #expect(cache.bytes(of: Digest(hashing: long)) == nil)
        }
    }
}

/// Chunks that tell the how-manieth is being asked for.
private struct ObservedBody: AsyncSequence, Sendable {
    typealias Element = ByteBuffer
    let base: AsyncStream<ByteBuffer>
    let onNext: @Sendable (Int) -> Void

    func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(base: base.makeAsyncIterator(), onNext: onNext)
    }

    struct AsyncIterator: AsyncIteratorProtocol {
        var base: AsyncStream<ByteBuffer>.AsyncIterator
        let onNext: @Sendable (Int) -> Void
        var count = 0

        @concurrent mutating func next() async throws -> ByteBuffer? {
            count += 1
            onNext(count)
            return await base.next()
        }
    }
}

/// An origin that has one answer to everything, right or wrong.
private struct ProxyOrigin: Sendable {
    let bytes: [UInt8]
    var statStatus = HTTPResponse.Status.ok

    func serving(_ body: (String) async throws -> Void) async throws {
        let (ports, continuation) = AsyncStream.makeStream(of: Int.self)
        let router = Router(context: ServerContext.self)
        let holder = AddressHolder()
        router.get("/blobs/{digest}/locations") { _, _ in
            Response.empty(headers: [try #require(.init("Origin-Locations")): holder.address])
        }
        router.on("/internal/namespace/{ns}/blobs/{digest}", method: .head) {
            [bytes, statStatus] _, _ in
            Response(status: statStatus, body: ResponseBody(contentLength: bytes.count) { _ in })
        }
        router.get("/namespace/{ns}/blobs/{digest}") { [bytes] _, _ in
            Response(status: .ok, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
        }
        let server = HTTPServer(
            name: "origin",
            address: ("127.0.0.1", 0),
            router: router,
            options: ServerOptions(
                eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
                log: ProxyCluster.log
            ),
            onBound: { continuation.yield($0) }
        )
        let running = Task { try await server.run() }
        var iterator = ports.makeAsyncIterator()
        let port = try #require(await iterator.next())
        holder.set("127.0.0.1:\(port)")
        do { try await body("127.0.0.1:\(port)") } catch { Issue.record(error) }
        running.cancel()
        try await running.value
    }
}

private final class AddressHolder: Sendable {
    private let value = Mutex("")
    var address: String { value.withLock { $0 } }
    func set(_ address: String) { value.withLock { $0 = address } }
}
