// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import Files
import Foundation
import HTTPKit
import HTTPTypes
import Hummingbird
import NIOCore
import Primitives
import TestSupport
import Testing

@Suite("Origin client", .timeLimit(.minutes(1))) struct OriginClientTests {
    private let namespace: Namespace
    private let hello = Array("hello".utf8)
    private let digest: Digest
    private var hex: String { digest.hex }

    init() throws {
        namespace = try Namespace("ns/repo")
        digest = try Digest.of(Array("hello".utf8))
    }

    private func uploads(_ router: Router<ServerContext>, _ server: ScriptedServer) {
        for prefix in ["/namespace/{ns}", "/internal"] {
            router.post("\(prefix)/blobs/{digest}/uploads") { request, _ -> Response in
                try await server.note(request)
                return .empty(headers: [.location: "uid-1"])
            }
            router.patch("\(prefix)/blobs/{digest}/uploads/{uid}") { request, _ -> Response in
                try await server.note(request)
                return .empty()
            }
            router.put("\(prefix)/blobs/{digest}/uploads/{uid}") { request, _ -> Response in
                try await server.note(request)
                return .empty()
            }
        }
        router.put("/internal/duplicate/namespace/{ns}/blobs/{digest}/uploads/{uid}") {
            request,
            _ -> Response in
            try await server.note(request)
            return .empty()
        }
    }

    @Test("uploads five bytes as Kraken's transcript has it")
    func transcript() async throws {
        try await serving(uploads) { address, server in
            try await OriginClient(address: address, http: testClient).upload(
                digest,
                namespace: namespace,
                from: .bytes(ByteBuffer(bytes: hello))
            )
            let path = "/namespace/ns%2Frepo/blobs/sha256:\(hex)/uploads"
            #expect(
                server.lines == [
                    "POST \(path)?size=5", "PATCH \(path)/uid-1", "PUT \(path)/uid-1",
                ]
            )
            let patch = server.asked[1]
            #expect(patch.headers["content-range"] == "0-5")
            #expect(patch.body == hello)
        }
    }

    @Test("a transfer and a duplicate go their own ways")
    func purposes() async throws {
        try await serving(uploads) { address, server in
            let client = OriginClient(address: address, http: testClient)
            let source = UploadSource.bytes(ByteBuffer(bytes: hello))
            try await client.upload(digest, namespace: namespace, from: source, purpose: .transfer)
            let path = "/internal/blobs/sha256:\(hex)/uploads"
            #expect(
                server.lines == [
                    "POST \(path)?size=5", "PATCH \(path)/uid-1", "PUT \(path)/uid-1",
                ]
            )
            try await client.upload(
                digest,
                namespace: namespace,
                from: source,
                purpose: .duplicate(delay: .minutes(30))
            )
            let commit = try #require(server.asked.last)
            #expect(
                commit.line
                    == "PUT /internal/duplicate/namespace/ns%2Frepo/blobs/sha256:\(hex)/uploads/"
                    + "uid-1"
            )
            #expect(commit.body == Array(#"{"Delay":1800000000000}"#.utf8))
        }
    }

    @Test("sends a small blob whole to an origin that takes it so", arguments: [200, 409, 500])
    func whole(_ status: Int) async throws {
        let routes: Routes = { router, server in
            uploads(router, server)
            for prefix in ["/namespace/{ns}", "/internal", "/internal/duplicate/namespace/{ns}"] {
                router.put("\(prefix)/blobs/{digest}/uploads") { request, _ -> Response in
                    try await server.note(request)
                    return Response(status: .init(code: status))
                }
            }
        }
        let purposes: [UploadPurpose] = [.cluster, .transfer, .duplicate(delay: .seconds(2))]
        try await serving(routes) { address, server in
            let client = OriginClient(address: address, http: testClient)
            for purpose in purposes {
                let upload = {
                    _ = try await client.upload(
                        digest,
                        namespace: namespace,
                        from: .bytes(ByteBuffer(bytes: hello)),
                        purpose: purpose
                    )
                }
                if status == 500 {
                    let error = await #expect(throws: ClusterError.self) { try await upload() }
                    #expect(error?.code == .status(500))
                } else {
                    try await upload()
                }
            }
            let blob = "/namespace/ns%2Frepo/blobs/sha256:\(hex)/uploads"
            #expect(
                server.lines == [
                    "PUT \(blob)", "PUT /internal/blobs/sha256:\(hex)/uploads",
                    "PUT /internal/duplicate\(blob)?delay_ns=2000000000",
                ]
            )
            #expect(server.asked.allSatisfy { $0.body == hello })
        }
    }

    @Test(
        "leaves a manifest's references to others where an origin does not look for them",
        arguments: [nil, "missing", "present"] as [String?],
        [200, 409, 404, 405, 424]
    )
    func references(_ answer: String?, _ status: Int) async throws {
        let routes: Routes = { router, server in
            router.put("/namespace/{ns}/blobs/{digest}/uploads") { request, _ -> Response in
                try await server.note(request)
                var response = Response(status: .init(code: status))
                response.headers[.references] = answer
                return response
            }
        }
        try await serving(routes) { address, server in
            let isStored = try await OriginClient(address: address, http: testClient)
                .uploadManifest(
                    digest,
                    namespace,
                    ByteBuffer(bytes: hello),
                    ifPresent: [digest, digest]
                )
            #expect(isStored == (answer == "present" && status != 404 && status != 405))
            #expect(server.asked.map(\.body) == [hello])
        }
    }

    @Test("cuts a long source into PATCHes of 32 MiB", arguments: ["file", "stream", "bytes"])
    func chunks(_ kind: String) async throws {
        let count = OriginClient.uploadChunkBytes + 100_003
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            for index in 0..<count { buffer[index] = UInt8(truncatingIfNeeded: index &* 31 >> 3) }
            initialized = count
        }
        let path = NSTemporaryDirectory() + "clients-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: path) }
        let source: UploadSource
        switch kind {
        case "file":
            try AtomicFile.write([9, 9] + bytes + [9], to: path, durable: false)
            source = .file(try SharedFile.openForReading(path), 2..<2 + count)
        case "stream": source = .stream(count: count, stream(bytes, partBytes: 300_007))
        default: source = .bytes(ByteBuffer(bytes: bytes))
        }
        try await serving(uploads) { address, server in
            let client = OriginClient(address: address, http: testClient)
            try await client.upload(digest, namespace: namespace, from: source)
            let patches = server.asked.filter { $0.line.hasPrefix("PATCH") }
            #expect(
                patches.map { $0.headers["content-range"] } == ["0-33554432", "33554432-\(count)"]
            )
            #expect(patches.map(\.body.count) == [33_554_432, 100_003])
            #expect(patches.flatMap(\.body) == bytes)
        }
    }

    @Test("a stream shorter than announced fails, and nothing is committed")
    func shortStream() async throws {
        try await serving(uploads) { address, server in
            let client = OriginClient(address: address, http: testClient)
            await #expect(throws: (any Error).self) {
                try await client.upload(
                    digest,
                    namespace: namespace,
                    from: .stream(count: 6, stream(hello, partBytes: 2))
                )
            }
            #expect(!server.lines.contains { $0.hasPrefix("PUT") })
        }
    }

    @Test("409 at any step means that the blob is there", arguments: ["POST", "PATCH", "PUT"])
    func conflict(_ method: String) async throws {
        let routes: Routes = { router, server in
            let answer = { @Sendable (request: Request) async throws -> Response in
                try await server.note(request)
                let status: HTTPResponse.Status =
                    request.method.rawValue == method ? .conflict : .ok
                return .empty(status, headers: [.location: "uid-1"])
            }
            router.post("/namespace/{ns}/blobs/{digest}/uploads") { request, _ in
                try await answer(request)
            }
            router.patch("/namespace/{ns}/blobs/{digest}/uploads/{uid}") { request, _ in
                try await answer(request)
            }
            router.put("/namespace/{ns}/blobs/{digest}/uploads/{uid}") { request, _ in
                try await answer(request)
            }
        }
        try await serving(routes) { address, server in
            try await OriginClient(address: address, http: testClient).upload(
                digest,
                namespace: namespace,
                from: .bytes(ByteBuffer(bytes: hello))
            )
            #expect(server.lines.last?.hasPrefix(method) == true)
        }
    }

    @Test("reads locations, sizes, meta info and the peer context")
    func reads() async throws {
        let json =
            #"{"Info":{"PieceLength":4194304,"PieceSums":[907060870],"Name":"\#(hex)","Length":5}}"#
        let context =
            #"{"ip":"10.0.0.1","port":15001,"#
            + #""peer_id":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20],"zone":"z","cluster":"","origin":true}"#
        let routes: Routes = { router, server in
            router.get("/blobs/{digest}/locations") { _, _ -> Response in
                guard let name = HTTPField.Name("Origin-Locations") else { return .empty() }
                return .empty(headers: [name: "a:1,b:2"])
            }
            router.head("/internal/namespace/{ns}/blobs/{digest}") { request, context -> Response in
                try await server.note(request)
                let known = try context.parameter("digest").hasSuffix("9824")
                return known ? .text("hello") : .empty(.notFound)
            }
            router.get("/internal/namespace/{ns}/blobs/{digest}/metainfo") { _, _ -> Response in
                .text(json)
            }
            router.get("/internal/peercontext") { _, _ -> Response in .text(context) }
        }
        let other = try Digest.of([1])
        try await serving(routes) { address, server in
            let client = OriginClient(address: address, http: testClient)
            #expect(try await client.locations(of: digest) == ["a:1", "b:2"])
            #expect(try await client.stat(digest, namespace: namespace) == ByteCount(5))
            #expect(
                try await client.stat(digest, namespace: namespace, isLocal: true) == ByteCount(5)
            )
            #expect(try await client.stat(other, namespace: namespace) == nil)
            #expect(server.lines[1].hasSuffix("?local=true"))
            let metaInfo = try await client.metaInfo(of: digest, namespace: namespace)
            #expect(metaInfo.pieceSums == [907_060_870])
            let foreign = await #expect(throws: ClusterError.self) {
                try await client.metaInfo(of: other, namespace: namespace)
            }
            #expect(foreign?.code == .unreadableAnswer)
            let peer = try await client.peerContext()
            #expect(peer.peerID.bytes == Array(1...20))
            #expect(peer.isOrigin && peer.port == 15001 && peer.zone == "z")
        }
    }

    @Test("each failure has its code")
    func failures() async throws {
        let routes: Routes = { router, _ in
            router.get("/namespace/{ns}/blobs/{digest}") { request, context -> Response in
                let code = Int(try context.parameter("ns")) ?? 500
                return Response(status: .init(code: code))
            }
        }
        try await serving(routes) { address, _ in
            let client = OriginClient(address: address, http: testClient)
            let expected: [(Int, ClusterError.Code)] = [
                (202, .accepted), (404, .notFound), (500, .status(500)), (503, .status(503)),
            ]
            for (status, code) in expected {
                let error = await #expect(throws: ClusterError.self) {
                    try await client.download(digest, namespace: try Namespace("\(status)"))
                }
                #expect(error?.code == code)
            }
        }
        let dead = OriginClient(address: try deadAddress(), http: testClient)
        let error = await #expect(throws: ClusterError.self) { try await dead.checkReadiness() }
        #expect(error?.code == .network)
        #expect(error?.description.contains(dead.address) == true)
    }
}
