// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import Foundation
import HTTPKit
import HTTPTypes
import Hummingbird
import NIOCore
import Primitives
import Synchronization
import TestServers
import TestSupport
import Testing

@testable import Backends

@Suite("Registries that are written to") struct RegistryDestinationTests {
    private func destination(_ address: String, _ more: String = "") throws -> RegistryDestination {
        let text = "{address: '\(address)', security: {tls: {client: {disabled: true}}\(more)}}"
        let node = try ConfigurationFile.parse("registry: \(text)", file: "f.yaml")
        var table = try node.table()
        let remote = RegistryRemote(
            settings: try table.require("registry"),
            repository: "mirror/{repository}"
        )
        return try RegistryDestination(remote, context: testContext)
    }

    private func repository(
        _ registry: DockerRegistry,
        _ more: String = ""
    ) throws -> RegistryRepository {
        let name = try RepositoryName("team/\(UUID().uuidString.lowercased())")
        return try #require(try destination(registry.address, more).repository(name))
    }

    /// Sends `bytes`, in parts, and answers how they came to be there.
    private func send(
        _ bytes: [UInt8],
        to repository: RegistryRepository
    ) async throws -> RegistryDelivery {
        try await repository.send(.sha256(Digest(hashing: bytes))) {
            RegistryContent(bytes: bytes.count) { Parts(bytes: Array(bytes[$0...])) }
        }
    }

    /// A manifest of `config`.
    private func manifest(_ config: [UInt8], _ more: String = "") -> [UInt8] {
        let descriptor =
            #"{"mediaType":"a/b","digest":"\#(Digest(hashing: config))","size":\#(config.count)}"#
        return Array(
            #"{"schemaVersion":2,"mediaType":"\#(ManifestMediaType.ociManifest.rawValue)","config":\#(descriptor),"layers":[]\#(more)}"#
                .utf8
        )
    }

    private static let password = ", basic: {username: herd, password: herd-secret}"

    @Test(
        "take blobs once, whole, and from their other repositories",
        .enabled(if: ServerTools.has("docker-registry"))
    )
    func blobs() async throws {
        let registry = try await DockerRegistry.closed.value
        let first = try repository(registry, Self.password)
        #expect(first.name.name.hasPrefix("mirror/team/"))
        var generator = Generator(seed: 11)
        let bytes = generator.bytes(3 << 20)
        #expect(try await send(bytes, to: first) == .sent(bytes: bytes.count, after: 0))
        #expect(try await send(bytes, to: first) == .wasThere)
        #expect(try await send([], to: first) == .sent(bytes: 0, after: 0))
        let other = try #require(first.destination.repository(try RepositoryName("other/app")))
        #expect(try await send(bytes, to: other) == .mounted)
        // One that was there is not any more: then the bytes go.
        let missing = generator.bytes(1000)
        first.destination.places.note(
            .sha256(Digest(hashing: missing)),
            in: try RepositoryName("mirror/none")
        )
        #expect(try await send(missing, to: other) == .sent(bytes: 1000, after: 0))
        // What is not what it is called is refused.
        let error = await #expect(throws: BackendError.self) {
            _ = try await other.send(.sha256(Digest(hashing: Array("x".utf8)))) {
                RegistryContent(bytes: 1) { _ in Parts(bytes: Array("y".utf8)) }
            }
        }
        #expect(error?.why.contains("DIGEST_INVALID") == true)
        let stranger = try repository(registry)
        let refused = await #expect(throws: BackendError.self) {
            _ = try await send(bytes, to: stranger)
        }
        #expect(refused?.remedy.contains("credentials") == true)
    }

    @Test("take manifests by tag and digest", .enabled(if: ServerTools.has("docker-registry")))
    func manifests() async throws {
        let repository = try repository(try await DockerRegistry.open.value)
        #expect(try await repository.digest(of: "v1") == nil)
        let config = Array("{}".utf8)
        _ = try await send(config, to: repository)
        let bytes = manifest(config)
        let digest = Digest(hashing: bytes)
        try await repository.put(bytes, .ociManifest, as: "v1")
        #expect(try await repository.digest(of: "v1") == digest)
        #expect(try await repository.hasManifest(.sha256(digest)))
        #expect(try await repository.manifest("v1") == bytes)
        #expect(try await !repository.listsReferrers(of: .sha256(digest)))
        // One that lacks something is refused for good.
        let error = await #expect(throws: BackendError.self) {
            try await repository.put(manifest([1, 2, 3]), .ociManifest, as: "v2")
        }
        #expect(error?.code == .failed)
    }

    @Test(
        "lose a tag and nothing else, though they delete by digest only",
        .enabled(if: ServerTools.has("docker-registry"))
    )
    func deletions() async throws {
        let repository = try repository(try await DockerRegistry.deleting.value)
        let config = Array("{}".utf8)
        _ = try await send(config, to: repository)
        let bytes = manifest(config)
        for tag in ["v1", "v2"] { try await repository.put(bytes, .ociManifest, as: tag) }
        #expect(try await repository.delete(try Tag("v1")) == .done)
        #expect(try await repository.digest(of: "v1") == nil)
        #expect(try await repository.digest(of: "v2") == Digest(hashing: bytes))
        #expect(try await repository.delete(Digest(hashing: bytes)) == .done)
        #expect(try await repository.digest(of: "v2") == nil)
        #expect(try await repository.delete(Digest(hashing: bytes)) == .wasNotThere)
    }

    @Test(
        "that delete nothing go on naming what they named",
        .enabled(if: ServerTools.has("docker-registry"))
    )
    func refusedDeletions() async throws {
        let repository = try repository(try await DockerRegistry.open.value)
        let config = Array("{}".utf8)
        _ = try await send(config, to: repository)
        let bytes = manifest(config)
        try await repository.put(bytes, .ociManifest, as: "v1")
        for outcome in [
            try await repository.delete(try Tag("v1")),
            try await repository.delete(Digest(hashing: bytes)),
        ] {
            guard case .refused(let why) = outcome else {
                Issue.record("\(outcome)")
                continue
            }
            #expect(why.contains("405"))
        }
        #expect(try await repository.digest(of: "v1") == Digest(hashing: bytes))
    }

    @Test(
        "are asked for tokens that allow to write from the start, and for more where they say so",
        arguments: [
            ("repository:a/b:pull", "repository:a/b:pull,push"),
            ("repository:a/b:delete", "repository:a/b:pull,push,delete"),
            (nil, "repository:a/b:pull,push"),
            (
                "repository:a/b:push,pull repository:c:pull",
                "repository:a/b:pull,push repository:c:pull"
            ),
        ]
    )
    func scopes(_ asked: String?, _ wanted: String) {
        #expect(RegistryScope.wanted(in: "a/b", asked: asked, isWriting: true) == wanted)
        #expect(
            RegistryScope.wanted(in: "a/b", asked: asked, isWriting: false)
                == asked ?? "repository:a/b:pull"
        )
    }

    @Test("get a fresh token when the one before has run out, also in the middle of an upload")
    func tokens() async throws {
        let bytes = Array("some bytes".utf8)
        let wanted = Mutex("none yet")
        try await ScriptedServer.serve { request, number in
            let path = request.uri.path
            if path == "/token" {
                // Only who says the password gets one, and for both.
                let isKnown = request.headers[.authorization] == "Basic aGVyZDpoZXJkLXNlY3JldA=="
                let scope = request.uri.queryParameters.get("scope") ?? ""
                guard isKnown, scope.contains("pull,push") else {
                    return Response(status: .forbidden)
                }
                wanted.withLock { $0 = "token-\(number)" }
                return .json(.object([.init("token", .string("token-\(number)"))]))
            }
            guard request.headers[.authorization] == "Bearer \(wanted.withLock { $0 })" else {
                let host = request.head.authority ?? ""
                let challenge = "Bearer realm=\"http://\(host)/token\",service=\"s\""
                return Response(status: .unauthorized, headers: [.wwwAuthenticate: challenge])
            }
            switch request.method {
            case .head: return Response(status: .notFound)
            case .post:
                // Good for this one request.
                wanted.withLock { $0 = "spent" }
                return Response(
                    status: .accepted,
                    headers: [.location: "/v2/mirror/a/blobs/uploads/1"]
                )
            case .patch:
                let body = try await request.body.collect(upTo: 100)
                guard Array(body.readableBytesView) == bytes else {
                    return Response(status: .badRequest)
                }
                wanted.withLock { $0 = "spent" }
                return Response(
                    status: .accepted,
                    headers: [.location: "/v2/mirror/a/blobs/uploads/1?x=2"]
                )
            default: return Response(status: .created)
            }
        } body: { address, server async throws in
            let destination = try destination(address, Self.password)
            let repository = try #require(destination.repository(try RepositoryName("a")))
            #expect(try await send(bytes, to: repository) == .sent(bytes: bytes.count, after: 0))
            let digest = Digest(hashing: bytes)
            #expect(server.lines.last == "PUT /v2/mirror/a/blobs/uploads/1?x=2&digest=\(digest)")
            #expect(server.lines.count { $0.contains("/token") } == 3)
        }
    }

    @Test("a token that allows too little is asked for once, and the refusal is final")
    func refusedTokens() async throws {
        try await ScriptedServer.serve { request, number in
            guard request.uri.path != "/token" else {
                // No two are alike.
                return .json(.object([.init("token", .string("token-\(number)"))]))
            }
            guard request.headers[.authorization] == nil || request.method == .delete else {
                return .empty()
            }
            let challenge = "Bearer realm=\"http://\(request.head.authority ?? "")/token\""
            return Response(status: .unauthorized, headers: [.wwwAuthenticate: challenge])
        } body: { address, server async throws in
            let repository = try destination(address, Self.password).repository(
                try RepositoryName("a")
            )
            let outcome = try await repository?.delete(Digest(hashing: Array("x".utf8)))
            guard case .refused(let why)? = outcome else {
                Issue.record("\(String(describing: outcome))")
                return
            }
            #expect(why.contains("401"))
            #expect(server.lines.count { $0.contains("/token") } == 2)
        }
    }

    @Test(
        "are told who asks by themselves and over TLS only, where they have it",
        arguments: [
            ("r:1", "https://r:1/v2/", true), ("r:1", "http://r:1/v2/", false),
            ("r:1", "https://r:2/v2/", false), ("r:1", "https://x.r:1/v2/", false),
            ("http://r:1", "http://r:1/v2/", true), ("http://r:1", "http://s:1/v2/", false),
        ]
    )
    func whoMayKnow(_ address: String, _ url: String, _ mayKnow: Bool) throws {
        let node = try ConfigurationFile.parse("{address: '\(address)'}", file: "f.yaml")
        var table = try node.table()
        let settings = try RegistrySettings(&table)
        #expect(settings.mayKnow(url) == mayKnow)
        let next = settings.resolved("http://r:1/up?a=b", from: "https://r:1/v2/")
        #expect(next == "https://r:1/up?a=b")
        #expect(settings.resolved("/up", from: url)?.hasSuffix("/up") == true)
        #expect(settings.resolved("http://s/up", from: "https://r:1/v2/") == "http://s/up")
        #expect(settings.resolved("up", from: url) == nil)
    }

    @Test("nobody else is told the password")
    func strangers() async throws {
        let heard = Mutex<[String]>([])
        try await ScriptedServer.serve { request, _ in
            heard.withLock { $0.append(request.headers[.authorization] ?? "nothing") }
            return Response(
                status: .unauthorized,
                headers: [.wwwAuthenticate: "Basic realm=\"x\""]
            )
        } body: { stranger, _ async throws in
            try await ScriptedServer.serve { request, _ in
                request.method == .head
                    ? Response(status: .notFound)
                    : Response(status: .accepted, headers: [.location: "http://\(stranger)/up"])
            } body: { address, _ async throws in
                let destination = try destination(address, Self.password)
                let repository = try #require(destination.repository(try RepositoryName("a")))
                await #expect(throws: BackendError.self) {
                    _ = try await send([1], to: repository)
                }
            }
        }
        #expect(heard.withLock { $0 } == ["nothing"])
    }

    @Test(
        "say what is wrong with their settings",
        arguments: [
            ("{}", "the key address is missing"), ("{address: 'u:p@h'}", "security.basic"),
            ("{address: h, securty: {}}", "did you mean security?"),
            ("{address: h, security: {tls: {cas: [a]}}}", "expected keys and values"),
            ("{address: h, security: {tls: {client: {cert: {path: c}}}}}", "key: {path: …}"),
        ]
    )
    func settings(_ text: String, _ wanted: String) throws {
        let node = try ConfigurationFile.parse("registry: \(text)", file: "f.yaml")
        var table = try node.table()
        let registry = RegistryRemote(settings: try table.require("registry"))
        let remote = TagRemote(name: "r", patterns: [".*"], registry: registry)
        let error = #expect(throws: ConfigurationError.self) {
            try RegistryDestination.check([remote])
        }
        #expect(error?.description.contains(wanted) == true, "\(String(describing: error))")
        #expect(error?.description.hasPrefix("f.yaml:1: registry") == true)
    }
}

/// Bytes in parts of 100,000, as often as they are asked for.
private struct Parts: AsyncSequence {
    typealias Element = ByteBuffer
    let bytes: [UInt8]

    struct AsyncIterator: AsyncIteratorProtocol {
        var rest: ArraySlice<UInt8>

        mutating func next() async throws -> ByteBuffer? {
            guard !rest.isEmpty else { return nil }
            defer { rest = rest.dropFirst(100_000) }
            return ByteBuffer(bytes: rest.prefix(100_000))
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(rest: bytes[...]) }
}
