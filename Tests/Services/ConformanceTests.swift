// SPDX-License-Identifier: Apache-2.0

import Content
import HTTPTypes
import Telemetry
import TestSupport
import Testing

extension ServicesTests {
    /// What the OCI distribution specification 1.1 says that a registry must do, sentence by sentence.
    @Suite("OCI distribution specification 1.1") struct ConformanceTests {
        @Test("pull", arguments: pull)
        func pulls(_ requirement: Conformer.Requirement) async throws {
            try await requirement.run()
        }

        @Test("content management", arguments: management)
        func manages(_ requirement: Conformer.Requirement) async throws {
            try await requirement.run()
        }

        private static let pull: [Conformer.Requirement] = [
            .init("GET /v2/ of a registry that implements the specification must be 200") {
                client async throws in
                #expect(try await client.send(.get, "/v2/").status == 200)
            },
            .init("a GET of a manifest by tag or digest must be 200 with the exact bytes") {
                client async throws in
                let text = try await client.manifest()
                let digest = try await client.put(text, as: "v1")
                for reference in ["v1", "\(digest)"] {
                    let answer = try await client.send(.get, "manifests/\(reference)")
                    #expect(answer.status == 200)
                    #expect(answer.bytes == Array(text.utf8))
                    #expect(answer["Content-Type"] == Conformer.manifestType)
                    #expect(answer["Docker-Content-Digest"] == "\(digest)")
                }
            },
            .init("a GET of a manifest that is not there must be 404") { client async throws in
                try await client.put(try await client.manifest(), as: "v1")
                for reference in ["v2", "\(Digest(hashing: [9]))", ".INVALID_MANIFEST_NAME"] {
                    try await client.send(.get, "manifests/\(reference)")
                        .expect(404, "MANIFEST_UNKNOWN")
                }
                try await client.send(.get, "/v2/none/manifests/v1").expect(404, "MANIFEST_UNKNOWN")
            },
            .init("a GET of a blob must be 200 with its bytes") { client async throws in
                let digest = try await client.push("some blob")
                let answer = try await client.send(.get, "blobs/\(digest)")
                #expect(answer.status == 200)
                #expect(answer.text == "some blob")
                #expect(answer["Docker-Content-Digest"] == "\(digest)")
            },
            .init("a GET of a blob that is not there must be 404") { client async throws in
                let absent = "blobs/\(Digest(hashing: [9]))"
                try await client.send(.get, absent).expect(404, "BLOB_UNKNOWN")
                let sha512 = "sha512:" + String(repeating: "ab", count: 64)
                try await client.send(.get, "blobs/\(sha512)").expect(404, "BLOB_UNKNOWN")
            },
            .init("a HEAD of what is there must be 200 with Content-Length, without a body") {
                client async throws in
                let digest = try await client.push("some blob")
                let manifest = try await client.manifest()
                try await client.put(manifest, as: "v1")
                for (path, count) in [
                    ("blobs/\(digest)", 9), ("manifests/v1", manifest.utf8.count),
                ] {
                    let answer = try await client.send(.head, path)
                    #expect(answer.status == 200)
                    #expect(answer["Content-Length"] == "\(count)")
                    #expect(answer["Docker-Content-Digest"] != nil)
                    #expect(answer.bytes.isEmpty)
                }
            },
            .init("a HEAD of what is not there must be 404") { client async throws in
                for path in ["blobs/\(Digest(hashing: [9]))", "manifests/none"] {
                    #expect(try await client.send(.head, path).status == 404)
                }
            },
            .init("ranges of a blob, one or several, are its bytes (RFC 9110)") {
                client async throws in
                let digest = try await client.push("0123456789")
                let one = try await client.send(
                    .get,
                    "blobs/\(digest)",
                    headers: ["Range": "bytes=2-4"]
                )
                #expect(one.status == 206)
                #expect(one.text == "234")
                #expect(one["Content-Range"] == "bytes 2-4/10")
                let several = try await client.send(
                    .get,
                    "blobs/\(digest)",
                    headers: ["Range": "bytes=0-1, 5-6, -1"]
                )
                #expect(several.status == 206)
                let type = try #require(several["Content-Type"])
                #expect(type.hasPrefix("multipart/byteranges; boundary="))
                let boundary = type.dropFirst("multipart/byteranges; boundary=".count)
                let parts = [("0-1", "01"), ("5-6", "56"), ("9-9", "9")].map { range, bytes in
                    "--\(boundary)\r\nContent-Type: application/octet-stream\r\n"
                        + "Content-Range: bytes \(range)/10\r\n\r\n\(bytes)\r\n"
                }
                #expect(several.text == parts.joined() + "--\(boundary)--\r\n")
                let outside = try await client.send(
                    .get,
                    "blobs/\(digest)",
                    headers: ["Range": "bytes=10-"]
                )
                #expect(outside.status == 416)
                let changed = try await client.send(
                    .get,
                    "blobs/\(digest)",
                    headers: ["Range": "bytes=2-4", "If-Range": "\"other\""]
                )
                #expect(changed.status == 200)
            },
            .init("conditional requests are answered by the digest (RFC 9110)") {
                client async throws in
                let blob = try await client.push("some blob")
                let manifest = try await client.put(try await client.manifest(), as: "v1")
                for (path, digest) in [("blobs/\(blob)", blob), ("manifests/v1", manifest)] {
                    let tag = "\"\(digest)\""
                    #expect(try await client.send(.get, path)["ETag"] == tag)
                    let held = try await client.send(.get, path, headers: ["If-None-Match": tag])
                    #expect(held.status == 304)
                    #expect(held.bytes.isEmpty)
                    let other = ["If-None-Match": "\"\(Digest(hashing: [9]))\""]
                    #expect(try await client.send(.get, path, headers: other).status == 200)
                    #expect(
                        try await client.send(.get, path, headers: ["If-Match": tag]).status == 200
                    )
                    try await client.send(
                        .get,
                        path,
                        headers: ["If-Match": "\"\(Digest(hashing: [9]))\""]
                    ).expect(412, "PRECONDITION_FAILED")
                }
            },
            .init("a name must match the specification's pattern") { client async throws in
                for name in ["UPPER", "a//b", "-a", "a-", "a..b", "a___b", "a/_b"] {
                    try await client.send(.get, "/v2/\(name)/tags/list").expect(400, "NAME_INVALID")
                }
            },
            .init("a digest must match its pattern, and that of its algorithm") {
                client async throws in
                for digest in [
                    "sha256:12", "sha256:" + String(repeating: "A", count: 64), "md5", ":",
                ] {
                    try await client.send(.get, "blobs/\(digest)").expect(400, "DIGEST_INVALID")
                }
            },
            .init("error bodies must be JSON with code, message and detail") {
                client async throws in
                let answer = try await client.send(.get, "manifests/none")
                #expect(answer["Content-Type"] == "application/json")
                let error = try #require(answer.json["errors"]?.array?.first)
                #expect(error["code"]?.string == "MANIFEST_UNKNOWN")
                #expect(error["message"]?.string != nil)
                #expect(error["detail"]?["reference"]?.string == "none")
            },
        ]

        private static let management: [Conformer.Requirement] = [
            .init("a deleted tag must be 202, and then be gone; the manifest stays") {
                client async throws in
                let digest = try await client.put(try await client.manifest(), as: "v1")
                try await client.put(try await client.manifest(), as: "v2")
                #expect(try await client.send(.delete, "manifests/v1").status == 202)
                try await client.send(.get, "manifests/v1").expect(404, "MANIFEST_UNKNOWN")
                #expect(try await client.send(.get, "manifests/\(digest)").status == 200)
                #expect(try await client.tags() == ["v2"])
                try await client.send(.delete, "manifests/v1").expect(404, "MANIFEST_UNKNOWN")
                try await client.put(try await client.manifest(), as: "v1")
                #expect(try await client.send(.get, "manifests/v1").status == 200)
            },
            .init("a deleted manifest must be 202, and be gone with all tags that name it") {
                client async throws in
                let text = try await client.manifest()
                let digest = try await client.put(text, as: "v1")
                try await client.put(text, as: "v2")
                let other = try await client.put(try await client.manifest("other"), as: "v3")
                #expect(try await client.send(.delete, "manifests/\(digest)").status == 202)
                for reference in ["\(digest)", "v1", "v2"] {
                    for method in [HTTPRequest.Method.get, .head, .delete] {
                        let answer = try await client.send(method, "manifests/\(reference)")
                        #expect(answer.status == 404, "\(method) \(reference)")
                    }
                }
                #expect(try await client.tags() == ["v3"])
                #expect(try await client.send(.get, "manifests/\(other)").status == 200)
                try await client.put(text, as: "v1")
                #expect(try await client.send(.get, "manifests/\(digest)").status == 200)
            },
            .init("to delete a manifest of a repository that does not exist must be 404") {
                client async throws in
                let path = "/v2/none/manifests/\(Digest(hashing: [9]))"
                try await client.send(.delete, path).expect(404, "MANIFEST_UNKNOWN")
            },
            .init("a deleted blob must be 202, then 404; a push brings it back") {
                client async throws in
                let digest = try await client.push("some blob")
                let path = "blobs/\(digest)"
                let mount = "/v2/other/blobs/uploads/?mount=\(digest)&from=\(client.name)"
                #expect(try await client.send(.post, mount).status == 201)
                #expect(try await client.send(.delete, path).status == 202)
                for method in [HTTPRequest.Method.get, .head, .delete] {
                    #expect(try await client.send(method, path).status == 404)
                }
                // It is the other repository's, too.
                #expect(try await client.send(.get, "/v2/other/\(path)").text == "some blob")
                #expect(try await client.send(.post, mount).status == 202)
                try await client.push("some blob")
                #expect(try await client.send(.get, path).text == "some blob")
            },
            .init("to delete a blob that is not found must be 404") { client async throws in
                try await client.send(.delete, "blobs/\(Digest(hashing: [9]))")
                    .expect(404, "BLOB_UNKNOWN")
            },
            .init("a manifest that references a deleted blob must get MANIFEST_BLOB_UNKNOWN") {
                client async throws in
                let text = try await client.manifest()
                let layer = Digest(hashing: Array("layer".utf8))
                #expect(try await client.send(.delete, "blobs/\(layer)").status == 202)
                try await client.send(.put, "manifests/v1", Array(text.utf8))
                    .expect(400, "MANIFEST_BLOB_UNKNOWN")
            },
            .init("a tag moves only as If-Match and If-None-Match allow") { client async throws in
                let one = try await client.manifest("1")
                let two = try await client.manifest("2")
                let digest = Digest(hashing: Array(one.utf8))
                func put(
                    _ text: String,
                    _ headers: [String: String]
                ) async throws
                    -> ProxyCluster.Answer
                {
                    try await client.send(.put, "manifests/v1", Array(text.utf8), headers: headers)
                }
                #expect(try await put(one, ["If-None-Match": "*"]).status == 201)
                try await put(two, ["If-None-Match": "*"]).expect(412, "PRECONDITION_FAILED")
                let other = "\"\(Digest(hashing: [9]))\""
                try await put(two, ["If-Match": other]).expect(412, "PRECONDITION_FAILED")
                #expect(try await client.send(.get, "manifests/v1").text == one)
                #expect(try await put(two, ["If-Match": "\"\(digest)\""]).status == 201)
                #expect(try await client.send(.get, "manifests/v1").text == two)
                try await client.send(
                    .delete,
                    "manifests/v1",
                    headers: ["If-Match": "\"\(digest)\""]
                ).expect(412, "PRECONDITION_FAILED")
                #expect(try await put(one, [:]).status == 201)
                #expect(try await client.send(.get, "manifests/v1").text == one)
            },
        ]
    }
}
