// SPDX-License-Identifier: Apache-2.0

import Content
import HTTPTypes
import Telemetry
import TestSupport
import Testing

extension ServicesTests.ConformanceTests {
    @Test("push", arguments: push)
    func pushes(_ requirement: Conformer.Requirement) async throws { try await requirement.run() }

    @Test("pushing manifests", arguments: manifests)
    func pushesManifests(_ requirement: Conformer.Requirement) async throws {
        try await requirement.run()
    }

    private static let blob = Array("0123456789abcdef".utf8)
    private static var digest: Digest { Digest(hashing: blob) }

    private static let push: [Conformer.Requirement] = [
        .init("a session begun by POST must be 202 with a Location that is its own") {
            client async throws in
            let first = try await client.send(.post, "blobs/uploads/")
            let second = try await client.send(.post, "blobs/uploads/")
            #expect(first.status == 202 && second.status == 202)
            #expect(first["Location"] != second["Location"])
            #expect(Int(first["OCI-Chunk-Min-Length"] ?? "").map { $0 > 0 } == true)
        },
        .init("a PUT of the whole blob must be 201 with a pullable Location") {
            client async throws in
            let location = try await client.start()
            let put = try await client.send(.put, "\(location)?digest=\(digest)", blob)
            #expect(put.status == 201)
            #expect(try await client.send(.get, put["Location"] ?? "").bytes == blob)
        },
        .init("a single POST with the digest must be 201 with a pullable Location") {
            client async throws in
            let post = try await client.send(.post, "blobs/uploads/?digest=\(digest)", blob)
            #expect(post.status == 201)
            #expect(try await client.send(.get, post["Location"] ?? "").bytes == blob)
        },
        .init("bytes that do not match the digest must be refused") { client async throws in
            let location = try await client.start()
            try await client.send(.put, "\(location)?digest=\(digest)", blob + [0])
                .expect(400, "DIGEST_INVALID")
            try await client.send(.post, "blobs/uploads/?digest=\(digest)", [0])
                .expect(400, "DIGEST_INVALID")
            try await client.send(.get, "blobs/\(digest)").expect(404, "BLOB_UNKNOWN")
        },
        .init("a digest of an algorithm under which nothing is stored is refused, clearly") {
            client async throws in
            let location = try await client.start()
            let sha384 = "sha384:" + String(repeating: "ab", count: 48)
            let put = try await client.send(.put, "\(location)?digest=\(sha384)", blob)
            put.expect(400, "DIGEST_INVALID")
            #expect(put.text.contains("sha256"))
        },
        .init("each chunk in order must be 202 with Location and the Range received") {
            client async throws in
            var location = try await client.start()
            for (start, end) in [(0, 5), (5, 12), (12, 16)] {
                let answer = try await client.chunk(location, Array(blob[start..<end]), at: start)
                #expect(answer.status == 202)
                #expect(answer["Range"] == "0-\(end - 1)")
                location = try #require(answer["Location"])
            }
            let put = try await client.send(.put, "\(location)?digest=\(digest)")
            #expect(put.status == 201)
            #expect(try await client.send(.get, put["Location"] ?? "").bytes == blob)
        },
        .init("a chunk out of order must be 416") { client async throws in
            let location = try await client.start()
            let early = try await client.chunk(location, Array(blob[5...]), at: 5)
            early.expect(416, "RANGE_INVALID")
            #expect(try await client.chunk(location, Array(blob[..<5]), at: 0).status == 202)
            for (range, offset) in [(0..<5, 0), (6..<9, 6), (4..<8, 4)] {
                let answer = try await client.chunk(location, Array(blob[range]), at: offset)
                answer.expect(416, "RANGE_INVALID")
                #expect(answer["Range"] == "0-4")
                #expect(answer["Location"] != nil)
            }
            #expect(try await client.chunk(location, Array(blob[5...]), at: 5).status == 202)
            #expect(try await client.send(.put, "\(location)?digest=\(digest)").status == 201)
        },
        .init("the last chunk may come with the closing PUT") { client async throws in
            let location = try await client.start()
            #expect(try await client.chunk(location, Array(blob[..<9]), at: 0).status == 202)
            let wrong = try await client.send(
                .put,
                "\(location)?digest=\(digest)",
                Array(blob[9...]),
                headers: ["Content-Range": "8-14"]
            )
            wrong.expect(416, "RANGE_INVALID")
            let put = try await client.send(
                .put,
                "\(location)?digest=\(digest)",
                Array(blob[9...]),
                headers: ["Content-Range": "9-15"]
            )
            #expect(put.status == 201)
        },
        .init("a closing PUT must have the digest of the whole blob") { client async throws in
            let location = try await client.start()
            #expect(try await client.chunk(location, blob, at: 0).status == 202)
            try await client.send(.put, location).expect(400, "DIGEST_INVALID")
            #expect(try await client.send(.put, "\(location)?digest=\(digest)").status == 201)
        },
        .init("a GET of an upload must be 204 with Location and Range") { client async throws in
            let location = try await client.start()
            #expect(try await client.chunk(location, Array(blob[..<5]), at: 0).status == 202)
            let status = try await client.send(.get, location)
            #expect(status.status == 204)
            #expect(status["Range"] == "0-4")
            #expect(status["Location"] != nil)
        },
        .init("a cancelled upload must be gone") { client async throws in
            let location = try await client.start()
            #expect(try await client.send(.delete, location).status == 204)
            for method in [HTTPRequest.Method.get, .patch, .delete] {
                try await client.send(method, location, method == .patch ? blob : nil)
                    .expect(404, "BLOB_UPLOAD_UNKNOWN")
            }
        },
        .init("a successful mount must be 201 with a pullable Location") { client async throws in
            let blob = try await client.push("some blob")
            for query in ["mount=\(blob)&from=\(client.name)", "mount=\(blob)"] {
                let answer = try await client.send(.post, "/v2/other/blobs/uploads/?\(query)")
                #expect(answer.status == 201)
                #expect(answer["Location"] == "/v2/other/blobs/\(blob)")
                #expect(try await client.send(.get, "/v2/other/blobs/\(blob)").text == "some blob")
            }
        },
        .init("a mount of what is not there begins an upload: 202") { client async throws in
            for digest in ["\(digest)", "sha512:" + String(repeating: "ab", count: 64)] {
                let query = "mount=\(digest)&from=other"
                let answer = try await client.send(.post, "blobs/uploads/?\(query)")
                #expect(answer.status == 202)
                #expect(answer["Location"] != nil)
            }
        },
    ]

    private static let manifests: [Conformer.Requirement] = [
        .init("a manifest must be stored in its exact bytes: 201, Location, digest") {
            client async throws in
            let text = try await client.manifest() + "\n  "
            let answer = try await client.send(
                .put,
                "manifests/v1",
                Array(text.utf8),
                headers: ["Content-Type": Conformer.manifestType + "; charset=utf-8"]
            )
            #expect(answer.status == 201)
            let digest = Digest(hashing: Array(text.utf8))
            #expect(answer["Docker-Content-Digest"] == "\(digest)")
            #expect(answer["OCI-Subject"] == nil)
            let location = try #require(answer["Location"])
            #expect(try await client.send(.get, location).text == text)
        },
        .init("a manifest pushed by another digest than its own must be refused") {
            client async throws in
            let text = try await client.manifest()
            try await client.send(
                .put,
                "manifests/\(Digest(hashing: [9]))",
                Array(text.utf8)
            ).expect(400, "DIGEST_INVALID")
        },
        .init("a manifest that references what is not there must get MANIFEST_BLOB_UNKNOWN") {
            client async throws in
            let text = try await client.manifest()
                .replacing("\(Digest(hashing: Array("layer".utf8)))", with: "\(digest)")
            let answer = try await client.send(.put, "manifests/v1", Array(text.utf8))
            answer.expect(400, "MANIFEST_BLOB_UNKNOWN")
            let detail = answer.json["errors"]?.array?.first?["detail"]
            #expect(detail?["digest"]?.string == "\(digest)")
        },
        .init("a manifest whose subject is not there must be accepted, with OCI-Subject") {
            client async throws in
            let subject = Digest(hashing: [9])
            let text = try await client.manifest(subject: subject)
            let answer = try await client.send(.put, "manifests/v1", Array(text.utf8))
            #expect(answer.status == 201)
            #expect(answer["OCI-Subject"] == "\(subject)")
        },
        .init("a manifest of 4 MiB is taken, a longer one must be 413") { client async throws in
            let text = try await client.manifest()
            let whole = text + String(repeating: " ", count: (4 << 20) - text.utf8.count)
            #expect(try await client.send(.put, "manifests/v1", Array(whole.utf8)).status == 201)
            try await client.send(.put, "manifests/v1", Array((whole + " ").utf8))
                .expect(413, "MANIFEST_INVALID")
        },
        .init("what is no manifest must be refused") { client async throws in
            for text in ["", "{", "[]", "{}", #"{"schemaVersion":1}"#] {
                try await client.send(.put, "manifests/v1", Array(text.utf8))
                    .expect(400, "MANIFEST_INVALID")
            }
            try await client.send(.put, "manifests/.v1", Array("{}".utf8))
                .expect(400, "TAG_INVALID")
        },
        .init("a Content-Type must be the manifest's own mediaType") { client async throws in
            let text = try await client.manifest()
            for type in [Conformer.indexType, "application/vnd.example.thing.v1+json"] {
                try await client.send(
                    .put,
                    "manifests/v1",
                    Array(text.utf8),
                    headers: ["Content-Type": type]
                ).expect(400, "MANIFEST_INVALID")
            }
        },
        .init("manifests of every media type come back as they were pushed") {
            client async throws in
            let docker = ManifestMediaType.dockerManifest.rawValue
            let image = try await client.put(
                try await client.manifest(type: docker),
                as: "docker",
                type: docker
            )
            let list = ManifestMediaType.dockerManifestList.rawValue
            let documents: [(String, String, String)] = [
                ("index", Conformer.indexType, client.index([image])),
                (
                    "list", list,
                    client.index([image]).replacing(Conformer.indexType, with: list)
                ),
                (
                    "helm", Conformer.manifestType,
                    try await client.manifest(
                        configType: "application/vnd.cncf.helm.config.v1+json"
                    )
                ),
                (
                    "wasm", Conformer.manifestType,
                    try await client.manifest(configType: "application/vnd.wasm.config.v0+json")
                ),
                (
                    "artifact", "application/vnd.oci.artifact.manifest.v1+json",
                    #"{"mediaType":"application/vnd.oci.artifact.manifest.v1+json","#
                        + #""artifactType":"a/b","blobs":[{"mediaType":"a/b","digest":"#
                        + #""\#(Digest(hashing: Array("layer".utf8)))","size":5}]}"#
                ),
            ]
            for (tag, type, text) in documents {
                try await client.put(text, as: tag, type: type)
                let answer = try await client.send(.get, "manifests/\(tag)")
                #expect(answer["Content-Type"] == type)
                #expect(answer.text == text)
            }
            #expect(try await client.send(.get, "manifests/docker")["Content-Type"] == docker)
        },
        .init("tags of the registry's own can't be put") { client async throws in
            let text = try await client.manifest()
            let subject = Digest(hashing: [9])
            for reserved in [ReservedTag.deleted(subject), .referrer(digest, of: subject)] {
                try await client.send(.put, "manifests/\(reserved.tag)", Array(text.utf8))
                    .expect(400, "TAG_INVALID")
            }
        },
    ]
}
