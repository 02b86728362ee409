// SPDX-License-Identifier: Apache-2.0

import Content
import HTTPTypes
import NIOCore
import NIOPosix
import Primitives
import RegistryAPI
import Synchronization
import TestSupport
import Testing

@Suite("Pushing") struct PushTests {
    private let bytes = Array("hello, registry".utf8)
    private var digest: Digest { Digest(hashing: bytes) }

    @Test("takes a blob in one request", .timeLimit(.minutes(1)))
    func whole() async throws {
        try await RegistryHarness.run { [bytes, digest] registry in
            let answer = try await registry.send(
                .post,
                "/v2/a/b/blobs/uploads/?digest=\(digest)",
                bytes
            )
            #expect(answer.status == 201)
            #expect(answer["Location"] == "/v2/a/b/blobs/\(digest)")
            #expect(answer["Docker-Content-Digest"] == digest.description)
            #expect(registry.memory.bytes(of: digest) == bytes)

            let wrong = try await registry.send(
                .post,
                "/v2/a/b/blobs/uploads/?digest=\(digest)",
                bytes + [1]
            )
            #expect(wrong.status == 400)
            #expect(wrong.code == "DIGEST_INVALID")
            #expect(registry.memory.state.withLock { $0.uploads.isEmpty })
        }
    }

    @Test("takes a blob as docker, skopeo and containerd send it", .timeLimit(.minutes(1)))
    func streamed() async throws {
        try await RegistryHarness.run { [bytes, digest] registry in
            // docker, skopeo: one PATCH with a streamed body and no Content-Range, then an empty PUT.
            let start = try await registry.send(.post, "/v2/a/blobs/uploads/")
            #expect(start.status == 202)
            #expect(start["Range"] == "0-0")
            let id = try #require(start["Docker-Upload-UUID"])
            let location = try #require(start["Location"])
            #expect(location == "/v2/a/blobs/uploads/\(id)")
            let patch = try await registry.send(.patch, location, bytes, isStreamed: true)
            #expect(patch.status == 202)
            #expect(patch["Range"] == "0-\(bytes.count - 1)")
            let next = try #require(patch["Location"])
            let put = try await registry.send(.put, next + "?digest=\(digest)", [])
            #expect(put.status == 201)
            #expect(put["Location"] == "/v2/a/blobs/\(digest)")
            #expect(registry.memory.bytes(of: digest) == bytes)

            // containerd: all of it in the PUT.
            let again = try await registry.send(.post, "/v2/a/blobs/uploads/")
            let there = try #require(again["Location"])
            let all = try await registry.send(.put, there + "?digest=\(digest)", bytes)
            #expect(all.status == 201)
            #expect(try await registry.send(.get, there).status == 404)
        }
    }

    @Test("takes chunks in order and refuses any other with 416", .timeLimit(.minutes(1)))
    func chunked() async throws {
        try await RegistryHarness.run { [bytes, digest] registry in
            let start = try await registry.send(.post, "/v2/a/blobs/uploads/")
            let location = try #require(start["Location"])
            func patch(
                _ range: Range<Int>,
                claiming text: String? = nil
            ) async throws
                -> RegistryHarness.Answer
            {
                let header = text ?? "\(range.lowerBound)-\(range.upperBound - 1)"
                return try await registry.send(
                    .patch,
                    location,
                    Array(bytes[range]),
                    headers: ["Content-Range": header]
                )
            }
            #expect(try await patch(0..<5).status == 202)
            for range in [0..<5, 6..<9, 4..<6] {
                let answer = try await patch(range)
                #expect(answer.status == 416)
                #expect(answer["Range"] == "0-4")
                #expect(answer["Location"] == location)
                #expect(answer.code == "RANGE_INVALID")
            }
            let short = try await patch(5..<7, claiming: "5-9")
            #expect(short.status == 400)
            #expect(short.code == "SIZE_INVALID")
            let status = try await registry.send(.get, location)
            #expect(status.status == 204)
            #expect(status["Range"] == "0-4")
            #expect(try await patch(5..<10).status == 202)
            let put = try await registry.send(
                .put,
                location + "?digest=\(digest)",
                Array(bytes[10...]),
                headers: ["Content-Range": "10-\(bytes.count - 1)"]
            )
            #expect(put.status == 201)
            #expect(registry.memory.bytes(of: digest) == bytes)
        }
    }

    @Test("keeps what came before a client broke off, to go on from there", .timeLimit(.minutes(1)))
    func resumed() async throws {
        try await RegistryHarness.run { [bytes, digest] registry in
            let start = try await registry.send(.post, "/v2/a/blobs/uploads/")
            let location = try #require(start["Location"])
            let client = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(host: "127.0.0.1", port: registry.port).get()
            let head = "PATCH \(location) HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n"
            try await client.writeAndFlush(ByteBuffer(string: head + "hello"))
            try await client.close()
            var breaks = registry.memory.breaks.stream.makeAsyncIterator()
            await breaks.next()

            let status = try await registry.send(.get, location)
            #expect(status.status == 204)
            #expect(status["Range"] == "0-4")
            let rest = Array(bytes[5...])
            let put = try await registry.send(.put, location + "?digest=\(digest)", rest)
            #expect(put.status == 201)
            #expect(registry.memory.bytes(of: digest) == bytes)
        }
    }

    @Test(
        "ends an upload that is cancelled, wrong or another repository's",
        .timeLimit(.minutes(1))
    )
    func ends() async throws {
        try await RegistryHarness.run { [bytes, digest] registry in
            let start = try await registry.send(.post, "/v2/a/blobs/uploads/")
            let location = try #require(start["Location"])
            let foreign = location.replacing("/v2/a/", with: "/v2/b/")
            let stolen = try await registry.send(.patch, foreign, bytes)
            #expect(stolen.status == 404)
            #expect(stolen.code == "BLOB_UPLOAD_UNKNOWN")
            #expect(try await registry.send(.delete, location).status == 204)
            #expect(try await registry.send(.delete, location).status == 404)

            let second = try await registry.send(.post, "/v2/a/blobs/uploads/")
            let there = try #require(second["Location"])
            let wrong = try await registry.send(.put, there + "?digest=\(digest)", [1, 2])
            #expect(wrong.status == 400)
            #expect(wrong.code == "DIGEST_INVALID")
            #expect(try await registry.send(.get, there).status == 404)
            #expect(registry.memory.bytes(of: digest) == nil)
        }
    }

    @Test(
        "refuses more uploads than it may have, and says when to come back",
        .timeLimit(.minutes(1))
    )
    func tooMany() async throws {
        try await RegistryHarness.run(MemoryRegistry(uploadsMax: 2)) { registry in
            for _ in 0..<2 {
                #expect(try await registry.send(.post, "/v2/a/blobs/uploads/").status == 202)
            }
            let answer = try await registry.send(.post, "/v2/a/blobs/uploads/")
            #expect(answer.status == 429)
            #expect(answer.code == "TOOMANYREQUESTS")
            #expect(answer["Retry-After"] == "1")
        }
    }

    @Test(
        "mounts a blob that is there, and starts an upload of one that is not",
        .timeLimit(.minutes(1))
    )
    func mount() async throws {
        let memory = MemoryRegistry()
        let path = "/v2/a/blobs/uploads/?mount=\(digest)&from=b/c"
        let blob = "/v2/a/blobs/\(digest)"
        try await RegistryHarness.run(memory) { registry in
            let answer = try await registry.send(.post, path)
            #expect(answer.status == 202)
            let location = answer["Location"] ?? ""
            #expect(location.hasPrefix("/v2/a/blobs/uploads/"))
        }
        memory.add(bytes)
        try await RegistryHarness.run(memory) { registry in
            let answer = try await registry.send(.post, path)
            #expect(answer.status == 201)
            #expect(answer["Location"] == blob)
        }
    }

    @Test(
        "refuses every write where it is read-only, and says where to push",
        .timeLimit(.minutes(1))
    )
    func readOnly() async throws {
        let memory = MemoryRegistry()
        let blob = memory.add("x")
        try await RegistryHarness.run(memory, isReadOnly: true) { registry in
            let writes: [(HTTPRequest.Method, String)] = [
                (.post, "/v2/a/blobs/uploads/"), (.patch, "/v2/a/blobs/uploads/1"),
                (.put, "/v2/a/blobs/uploads/1?digest=\(blob)"), (.delete, "/v2/a/blobs/uploads/1"),
                (.get, "/v2/a/blobs/uploads/1"), (.put, "/v2/a/manifests/v1"),
            ]
            for (method, path) in writes {
                let answer = try await registry.send(method, path, method == .get ? nil : [])
                #expect(answer.status == 405, "\(method) \(path)")
                #expect(answer.code == "UNSUPPORTED")
                #expect(answer.text.contains("proxy.test:5000"))
                #expect(answer["Allow"] == "GET, HEAD")
            }
            for path in ["/v2/a/manifests/v1", "/v2/a/blobs/\(blob)"] {
                let answer = try await registry.send(.delete, path)
                #expect(answer.status == 405, "\(path)")
                #expect(answer["Allow"] == "GET, HEAD", "\(path)")
            }
            #expect(try await registry.send(.get, "/v2/a/blobs/\(blob)").status == 200)
        }
    }
}

@Suite("Pushing manifests") struct ManifestPushTests {
    @Test("stores a manifest by tag and by digest", .timeLimit(.minutes(1)))
    func stores() async throws {
        try await RegistryHarness.run { registry in
            let config = try await registry.pushBlob([1], to: "a")
            let layer = try await registry.pushBlob([2], to: "a")
            let text = Documents.manifest(config: config, layers: [layer, layer])
            let digest = Digest(hashing: Array(text.utf8))
            for reference in ["v1", digest.description] {
                let answer = try await registry.send(
                    .put,
                    "/v2/a/manifests/\(reference)",
                    Array(text.utf8),
                    headers: ["Content-Type": Documents.ociManifest]
                )
                #expect(answer.status == 201)
                #expect(answer["Location"] == "/v2/a/manifests/\(digest)")
                #expect(answer["Docker-Content-Digest"] == digest.description)
            }
            #expect(try await registry.send(.get, "/v2/a/manifests/v1").text == text)
            let index = Documents.index([digest], mediaType: nil)
            let put = try await registry.send(.put, "/v2/a/manifests/all", Array(index.utf8))
            #expect(put.status == 201)
        }
    }

    @Test(
        "stores only what refers to what is there and was not deleted, however that is found out",
        .timeLimit(.minutes(1)),
        arguments: [true, false]
    )
    func references(asksAtOnce: Bool) async throws {
        try await RegistryHarness.run(MemoryRegistry(asksAtOnce: asksAtOnce)) { registry in
            let config = try await registry.pushBlob([1], to: "a")
            let layer = try await registry.pushBlob([2], to: "a")
            let text = Documents.manifest(config: config, layers: [layer, layer])
            let digest = Digest(hashing: Array(text.utf8))
            func put(_ reference: String) async throws -> RegistryHarness.Answer {
                try await registry.send(
                    .put,
                    "/v2/a/manifests/\(reference)",
                    Array(text.utf8),
                    headers: ["Content-Type": Documents.ociManifest]
                )
            }
            #expect(try await put("v1").status == 201)
            let gone = try await registry.send(.delete, "/v2/a/blobs/\(layer)")
            #expect(gone.status == 202)
            for reference in ["v2", digest.description] {
                let refused = try await put(reference)
                #expect(refused.status == 400 && refused.code == "MANIFEST_BLOB_UNKNOWN")
                let detail = refused.json["errors"]?.array?.first?["detail"]?["digest"]?.string
                #expect(detail == layer.description)
            }
            #expect(try await registry.send(.get, "/v2/a/manifests/v2").status == 404)
            _ = try await registry.pushBlob([2], to: "a")
            #expect(try await put("v2").status == 201)
        }
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let body: String
        var reference = "v1"
        var contentType = Documents.ociManifest
        let status: Int
        let code: String
    }

    @Test(
        "refuses what is no manifest, or whose parts are missing, and tags nothing",
        .timeLimit(.minutes(1)),
        arguments: [
            Refusal(
                testDescription: "no JSON",
                body: "{not json",
                status: 400,
                code: "MANIFEST_INVALID"
            ),
            Refusal(testDescription: "nothing", body: "", status: 400, code: "MANIFEST_INVALID"),
            Refusal(testDescription: "a list", body: "[]", status: 400, code: "MANIFEST_INVALID"),
            Refusal(
                testDescription: "schema 1",
                body: #"{"schemaVersion":1,"name":"a","fsLayers":[]}"#,
                status: 400,
                code: "MANIFEST_INVALID"
            ),
            Refusal(
                testDescription: "missing blobs",
                body: Documents.manifest(config: Digest(hashing: [7])),
                status: 400,
                code: "MANIFEST_BLOB_UNKNOWN"
            ),
            Refusal(
                testDescription: "a missing child",
                body: Documents.index([Digest(hashing: [7])]),
                contentType: ManifestMediaType.ociIndex.rawValue,
                status: 400,
                code: "MANIFEST_BLOB_UNKNOWN"
            ),
            Refusal(
                testDescription: "another type than its header says",
                body: Documents.index([]),
                status: 400,
                code: "MANIFEST_INVALID"
            ),
            Refusal(
                testDescription: "another digest than its path says",
                body: Documents.index([]),
                reference: Digest(hashing: [9]).description,
                contentType: ManifestMediaType.ociIndex.rawValue,
                status: 400,
                code: "DIGEST_INVALID"
            ),
        ]
    )
    func refuses(_ refusal: Refusal) async throws {
        try await RegistryHarness.run { registry in
            let answer = try await registry.send(
                .put,
                "/v2/a/manifests/\(refusal.reference)",
                Array(refusal.body.utf8),
                headers: ["Content-Type": refusal.contentType]
            )
            #expect(answer.status == refusal.status)
            #expect(answer.code == refusal.code)
            #expect(registry.memory.state.withLock { $0.tags.isEmpty && $0.blobs.isEmpty })
        }
    }

    @Test(
        "refuses a manifest that is too long, whether or not it says so",
        .timeLimit(.minutes(1)),
        arguments: [true, false]
    )
    func tooLong(isStreamed: Bool) async throws {
        var limits = Limits()
        limits.manifestBytesMax = 10_000
        try await RegistryHarness.run(limits: limits) { registry in
            let long = [UInt8](repeating: 0x20, count: 20_000)
            let answer = try await registry.send(
                .put,
                "/v2/a/manifests/big",
                long,
                isStreamed: isStreamed
            )
            #expect(answer.status == 413)
            #expect(answer.code == "MANIFEST_INVALID")
        }
    }

    @Test("does not ask for layers that are to be had elsewhere", .timeLimit(.minutes(1)))
    func foreign() async throws {
        try await RegistryHarness.run { registry in
            let config = try await registry.pushBlob([1], to: "a")
            let layer =
                #"{"mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip","size":9,"#
                + #""digest":"\#(Digest(hashing: [5]))","urls":["https://example.com/x"]}"#
            let manifest = Documents.manifest(config: config).replacing(
                #""layers":[]"#,
                with: #""layers":[\#(layer)]"#
            )
            let answer = try await registry.send(.put, "/v2/a/manifests/w", Array(manifest.utf8))
            #expect(answer.status == 201)
        }
    }

    @Test("no manifest makes it fail otherwise", .timeLimit(.minutes(1)), arguments: Seeds.fresh(4))
    func garbage(seed: UInt64) async throws {
        try await RegistryHarness.run { registry in
            var generator = Generator(seed: seed)
            let config = try await registry.pushBlob([1], to: "a")
            let valid = Array(Documents.manifest(config: config, layers: [config]).utf8)
            for _ in 0..<150 {
                var bytes = valid
                for _ in 0...generator.below(4) {
                    let place = generator.below(bytes.count)
                    switch generator.below(3) {
                    case 0: bytes[place] = UInt8(generator.below(256))
                    case 1: bytes.removeSubrange(place..<min(bytes.count, place + 7))
                    default:
                        bytes.insert(UInt8(ascii: generator.below(2) == 0 ? "[" : "\""), at: place)
                    }
                }
                let answer = try await registry.send(.put, "/v2/a/manifests/g", bytes)
                #expect(answer.status == 201 || answer.status == 400, "\(answer.text)")
            }
        }
    }
}
