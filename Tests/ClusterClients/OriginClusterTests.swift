// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import HTTPKit
import HTTPTypes
import Hummingbird
import NIOCore
import Primitives
import Synchronization
import Testing

@Suite("Origin cluster", .timeLimit(.minutes(1))) struct OriginClusterTests {
    private let namespace: Namespace
    private let digest: Digest
    private let content: [UInt8]

    init() throws {
        namespace = try Namespace("ns/repo")
        content = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        digest = try Digest.of(content)
    }

    private func cluster(_ hosts: [String]) -> OriginCluster {
        var poll = PollPolicy()
        poll.quickWaits = [.milliseconds(1), .milliseconds(2)]
        poll.initialWait = .milliseconds(5)
        return OriginCluster(
            hosts: HostList(hosts, seed: 1),
            http: testClient,
            poll: poll,
            log: quietLog
        )
    }

    /// An origin that names `owners` for every blob and leaves the blob to `answer`.
    private func origin(
        _ owners: Shared<[String]>,
        _ answer: @escaping @Sendable (Request) async throws -> Response
    ) -> (Router<ServerContext>, ScriptedServer) -> Void {
        return { router, server in
            router.get("/blobs/{digest}/locations") { _, _ -> Response in
                guard let name = HTTPField.Name("Origin-Locations") else { return .empty() }
                return .empty(headers: [name: owners.value.joined(separator: ",")])
            }
            router.get("/namespace/{ns}/blobs/{digest}") { request, _ -> Response in
                try await server.note(request)
                return try await answer(request)
            }
            router.post("/namespace/{ns}/blobs/{digest}/uploads") { request, _ -> Response in
                try await server.note(request)
                return try await answer(request)
            }
            router.head("/internal/namespace/{ns}/blobs/{digest}") { request, _ -> Response in
                try await answer(request)
            }
            router.get("/internal/namespace/{ns}/blobs/{digest}/metainfo") {
                request,
                _ -> Response in
                try await server.note(request)
                return try await answer(request)
            }
        }
    }

    private func whole(_ body: BlobBody) async throws -> [UInt8] {
        Array(try await body.collect(upTo: 1 << 20).readableBytesView)
    }

    @Test("asks again while the owner answers 202")
    func polling() async throws {
        let owners = Shared<[String]>([])
        let count = Shared<Int>(0)
        let answer = { @Sendable (_: Request) -> Response in
            let attempt = count.update { $0 + 1 }
            return attempt < 4 ? .empty(.accepted) : Response.bytes(content)
        }
        try await serving(origin(owners, answer)) { address, server in
            owners.set([address])
            let body = try await cluster([address]).download(digest, namespace: namespace)
            #expect(body.count == content.count && body.blobBytes == content.count)
            #expect(try await whole(body) == content)
            #expect(server.lines.count == 4)
        }
    }

    @Test("an owner that is down or failing is passed over", arguments: [-1, 500, 503, 507, 404])
    func nextOwner(_ status: Int) async throws {
        let owners = Shared<[String]>([])
        let bad = { @Sendable (_: Request) -> Response in Response(status: .init(code: status)) }
        let good = { @Sendable (_: Request) -> Response in Response.bytes(content) }
        try await serving(origin(owners, bad)) { badAddress, _ in
            try await serving(origin(owners, good)) { address, _ in
                owners.set([status < 0 ? try deadAddress() : badAddress, address])
                let cluster = cluster([address])
                #expect(
                    try await whole(try await cluster.download(digest, namespace: namespace))
                        == content
                )
                #expect(
                    try await cluster.stat(digest, namespace: namespace) == ByteCount(content.count)
                )
            }
        }
    }

    @Test("a blob that an owner lacks is not found, though another owner is down")
    func notFoundBesideOutage() async throws {
        let owners = Shared<[String]>([])
        try await serving(origin(owners) { _ in .empty(.notFound) }) { address, _ in
            owners.set([address, try deadAddress()])
            let cluster = cluster([address])
            #expect(try await cluster.stat(digest, namespace: namespace) == nil)
            let error = await #expect(throws: ClusterError.self) {
                try await cluster.download(digest, namespace: namespace)
            }
            #expect(error?.code == .notFound)
        }
    }

    @Test("what breaks off half-way goes on at the next owner", arguments: [true, false])
    func resumes(nextHonoursRange: Bool) async throws {
        let owners = Shared<[String]>([])
        let breaking = { @Sendable (_: Request) -> Response in
            Response(
                status: .ok,
                body: ResponseBody(contentLength: content.count) { writer in
                    try await writer.write(ByteBuffer(bytes: content.prefix(100_000)))
                    throw CancellationError()
                }
            )
        }
        let good = { @Sendable (request: Request) throws -> Response in
            guard nextHonoursRange else { return .bytes(content) }
            return try .ranged(request, total: content.count) { range, status, headers in
                Response(
                    status: status,
                    headers: headers,
                    body: ResponseBody(byteBuffer: ByteBuffer(bytes: content[range]))
                )
            }
        }
        try await serving(origin(owners, breaking)) { first, _ in
            try await serving(origin(owners, good)) { second, server in
                owners.set([first, second])
                let cluster = cluster([first])
                let body = try await cluster.download(digest, namespace: namespace)
                // The first owner keeps breaking off; once it is left out the second one goes on.
                #expect(try await whole(body) == content)
                let part = try await cluster.download(
                    digest,
                    namespace: namespace,
                    range: 7..<150_000
                )
                #expect(try await whole(part) == Array(content[7..<150_000]))
                #expect(!server.lines.isEmpty)
            }
        }
    }

    @Test("a stream that began can't go to the next owner, bytes can", arguments: [503, 507])
    func restartable(_ status: Int) async throws {
        let owners = Shared<[String]>([])
        try await serving(origin(owners) { _ in .empty(.init(code: status)) }) { failing, _ in
            try await serving(origin(owners) { _ in .empty(.conflict) }) { holding, _ in
                owners.set([failing, holding])
                let cluster = cluster([failing])
                try await cluster.upload(
                    digest,
                    namespace: namespace,
                    from: .bytes(ByteBuffer(bytes: content))
                )
                let error = await #expect(throws: ClusterError.self) {
                    try await cluster.upload(
                        digest,
                        namespace: namespace,
                        from: .stream(count: content.count, stream(content, partBytes: 1000))
                    )
                }
                #expect(error?.code == .status(status))
            }
        }
    }

    @Test("meta info: 202 is an answer, 500 asks the next owner")
    func metaInfo() async throws {
        let owners = Shared<[String]>([])
        try await serving(origin(owners) { _ in .empty(.internalServerError) }) { failing, _ in
            try await serving(origin(owners) { _ in .empty(.accepted) }) { fetching, server in
                owners.set([failing, fetching])
                let error = await #expect(throws: ClusterError.self) {
                    try await cluster([fetching]).metaInfo(of: digest, namespace: namespace)
                }
                #expect(error?.code == .accepted)
                #expect(server.lines.count == 1)
            }
        }
    }

    @Test("a tag goes to a build-index that has room, and the full one is told of when none has")
    func fullBuildIndex() async throws {
        let tag = try QualifiedTag(parsing: "ns/repo:v1")
        let answer = Shared(HTTPResponse.Status.insufficientStorage)
        let full: (Router<ServerContext>, ScriptedServer) -> Void = { router, server in
            router.put("/tags/{tag}/digest/{digest}") { request, _ in
                try await server.note(request)
                return Response.empty(answer.value)
            }
        }
        try await serving(full) { first, firstServer in
            try await serving(full) { second, secondServer in
                let hosts = HostList([first, second, try deadAddress()])
                let cluster = BuildIndexCluster(hosts: hosts, http: testClient, log: quietLog)
                let error = await #expect(throws: ClusterError.self) {
                    try await cluster.put(tag, digest)
                }
                #expect(error?.code == .status(507))
                #expect(firstServer.lines.count == 1 && secondServer.lines.count == 1)
                #expect(hosts.isHealthy(first) && hosts.isHealthy(second))
                answer.set(.ok)
                try await cluster.put(tag, digest)
                #expect(firstServer.lines.count + secondServer.lines.count == 3)
            }
        }
    }

    @Test("an empty cluster says so")
    func empty() async throws {
        let error = await #expect(throws: ClusterError.self) {
            try await cluster([]).owners(of: digest)
        }
        #expect(error?.code == .noHosts)
    }
}

/// A value that closures share.
final class Shared<Value: Sendable>: Sendable {
    private let storage: Mutex<Value>

    init(_ value: Value) { storage = Mutex(value) }

    var value: Value { storage.withLock { $0 } }
    func set(_ value: Value) { storage.withLock { $0 = value } }
    func update(_ change: (Value) -> Value) -> Value {
        storage.withLock {
            $0 = change($0)
            return $0
        }
    }
}

extension Response {
    static func bytes(_ bytes: [UInt8]) -> Response {
        Response(status: .ok, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }
}
