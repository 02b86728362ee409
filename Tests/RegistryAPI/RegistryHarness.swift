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
import RegistryAPI
import Testing

/// A registry over memory, on a free port of the loopback.
struct RegistryHarness: Sendable {
    let memory: MemoryRegistry
    let port: Int
    private var base: String { "http://127.0.0.1:\(port)" }
    private let client: HTTPClient

    /// What came back.
    struct Answer: Sendable {
        let status: Int
        let headers: HTTPFields
        let body: ByteBuffer

        var text: String { String(decoding: body.readableBytesView, as: UTF8.self) }
        var bytes: [UInt8] { Array(body.readableBytesView) }
        var json: JSON { (try? JSON(parsing: text)) ?? .null }
        /// The first error's code; empty when the body has none.
        var code: String { json["errors"]?.array?.first?["code"]?.string ?? "" }

        subscript(_ name: String) -> String? {
            HTTPField.Name(name).flatMap { headers[$0] }
        }
    }

    /// Serves `memory` while `body` runs.
    static func run(
        _ memory: MemoryRegistry = MemoryRegistry(),
        isReadOnly: Bool = false,
        mirrors: [MirroredRegistry] = [],
        limits: Limits = Limits(),
        body: @Sendable (RegistryHarness) async throws -> Void
    ) async throws {
        let registry = Registry(
            blobs: memory,
            tags: memory,
            writes: isReadOnly ? nil : Registry.Writes(blobs: memory, tags: memory),
            mirrors: RegistryMirrors(mirrors),
            pushAddress: "proxy.test:5000",
            limits: limits
        )
        let router = Router(context: ServerContext.self)
        registry.add(to: router)
        var log = Logger(label: "test")
        log.logLevel = .critical
        let group = MultiThreadedEventLoopGroup.singleton
        let ports = AsyncStream.makeStream(of: Int.self, bufferingPolicy: .bufferingNewest(1))
        let server = HTTPServer(
            name: "registry",
            address: ("127.0.0.1", 0),
            router: router,
            options: ServerOptions(eventLoopGroup: group, log: log),
            onBound: { ports.continuation.yield($0) }
        )
        let client = HTTPClient(eventLoopGroup: group, pool: .singleton)
        let running = Task { try await server.run() }
        var iterator = ports.stream.makeAsyncIterator()
        let port = try #require(await iterator.next())
        let harness = RegistryHarness(
            memory: memory,
            port: port,
            client: client
        )
        do { try await body(harness) } catch {
            Issue.record(error)
        }
        running.cancel()
        try await client.shutdown()
        try await running.value
    }

    /// Sends a request; any status is an answer.
    @discardableResult func send(
        _ method: HTTPRequest.Method,
        _ path: String,
        _ body: [UInt8]? = nil,
        headers: [String: String] = [:],
        isStreamed: Bool = false
    ) async throws -> Answer {
        var fields = HTTPFields()
        for (name, value) in headers {
            if let name = HTTPField.Name(name) { fields[name] = value }
        }
        let content: ClientRequest.Body =
            switch (body, isStreamed) {
            case (nil, _): .none
            case (.some(let bytes), true): .stream(length: nil, MemoryBody(bytes: bytes))
            case (.some(let bytes), false): .bytes(ByteBuffer(bytes: bytes))
            }
        let request = ClientRequest(
            method,
            path.hasPrefix("http") ? path : base + path,
            headers: fields,
            body: content,
            acceptedStatuses: Set(200..<600),
            retry: .never
        )
        let (response, bytes) = try await client.collect(request, upTo: 64 << 20)
        return Answer(status: response.status.code, headers: response.headers, body: bytes)
    }

    /// Pushes `bytes` in one request and answers their digest.
    @discardableResult func pushBlob(_ bytes: [UInt8], to repository: String) async throws -> Digest
    {
        let digest = Digest(hashing: bytes)
        let answer = try await send(
            .post,
            "/v2/\(repository)/blobs/uploads/?digest=\(digest)",
            bytes
        )
        #expect(answer.status == 201)
        return digest
    }
}

/// Documents for tests.
enum Documents {
    static let ociManifest = ManifestMediaType.ociManifest.rawValue

    /// An OCI manifest over `config` and `layers`, with or without its media type.
    static func manifest(
        config: Digest,
        layers: [Digest] = [],
        mediaType: ManifestMediaType? = .ociManifest
    ) -> String {
        func descriptor(_ digest: Digest) -> String {
            #"{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"\#(digest)","size":3}"#
        }
        let type = mediaType.map { #""mediaType":"\#($0.rawValue)","# } ?? ""
        let list = layers.map(descriptor).joined(separator: ",")
        return #"{"schemaVersion":2,\#(type)"config":\#(descriptor(config)),"layers":[\#(list)]}"#
    }

    /// An index of `manifests`.
    static func index(
        _ manifests: [Digest],
        mediaType: ManifestMediaType? = .ociIndex
    ) -> String {
        let type = mediaType.map { #""mediaType":"\#($0.rawValue)","# } ?? ""
        let list = manifests.map {
            #"{"mediaType":"\#(ociManifest)","digest":"\#($0)","size":9,"platform":{"architecture":"amd64","os":"linux"}}"#
        }
        return #"{"schemaVersion":2,\#(type)"manifests":[\#(list.joined(separator: ","))]}"#
    }
}
