// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import HTTPTypes
import TestSupport
import Testing

extension ServicesTests.ConformanceTests {
    @Test("content named by its sha512", arguments: sha512)
    func namesBySHA512(_ requirement: Conformer.Requirement) async throws {
        try await requirement.run()
    }

    private static let blob = Array("0123456789abcdef".utf8)
    private static let name = SHA512Digest(hashing: blob)
    private static let stored = Digest(hashing: blob)
    private static let wrong = SHA512Digest(hashing: [1])

    private static let sha512: [Conformer.Requirement] = [
        .init("a blob pushed under a supported algorithm must be 201, pullable by that digest") {
            client async throws in
            for way in Way.allCases {
                try await client.checkedPush(blob, as: "\(name)", by: way) {
                    $0.expectCreated("/v2/\(client.name)/blobs/\(name)", "\(name)")
                }
                for digest in ["\(name)", "\(stored)"] {
                    let head = try await client.send(.head, "blobs/\(digest)")
                    #expect(head.status == 200 && head["Content-Length"] == "16")
                    let get = try await client.send(.get, "blobs/\(digest)")
                    #expect(get.status == 200 && get.bytes == blob)
                    for answer in [head, get] {
                        #expect(answer["Docker-Content-Digest"] == digest)
                        #expect(answer["ETag"] == "\"\(digest)\"")
                    }
                }
            }
            // What the registry remembers is no tag of the users'.
            #expect(try await client.tags().isEmpty)
        },
        .init("bytes that do not match the sha512 must be refused, however they come") {
            client async throws in
            for way in Way.allCases {
                try await client.checkedPush(blob, as: "\(wrong)", by: way) {
                    $0.expect(400, "DIGEST_INVALID")
                }
            }
            try await client.send(.get, "blobs/\(wrong)").expect(404, "BLOB_UNKNOWN")
            try await client.send(.get, "blobs/\(stored)").expect(404, "BLOB_UNKNOWN")
            #expect(try client.cluster.filesOnDisk().isEmpty)
        },
        .init("a blob is known by its sha512 where it was pushed or mounted so, not elsewhere") {
            client async throws in
            try await client.checkedPush(blob, as: "\(name)", by: .whole) { _ in }
            let other = "/v2/other"
            try await client.send(.get, "\(other)/blobs/\(name)").expect(404, "BLOB_UNKNOWN")
            let mount = "\(other)/blobs/uploads/?mount=\(name)&from="
            #expect(try await client.send(.post, mount + "third").status == 202)
            let answer = try await client.send(.post, mount + client.name)
            answer.expectCreated("\(other)/blobs/\(name)", "\(name)")
            #expect(try await client.send(.get, "\(other)/blobs/\(name)").bytes == blob)
        },
        .init("ranges and conditions hold for a sha512, too") { client async throws in
            try await client.checkedPush(blob, as: "\(name)", by: .whole) { _ in }
            func get(_ headers: [String: String]) async throws -> ProxyCluster.Answer {
                try await client.send(.get, "blobs/\(name)", headers: headers)
            }
            let part = try await get(["Range": "bytes=4-7"])
            #expect(part.status == 206 && part.bytes == Array(blob[4...7]))
            #expect(try await get(["If-None-Match": "\"\(name)\""]).status == 304)
            #expect(try await get(["If-None-Match": "\"\(wrong)\""]).status == 200)
            #expect(try await get(["If-Match": "\"\(name)\""]).status == 200)
            #expect(try await get(["If-Match": "\"\(wrong)\""]).status == 412)
        },
        .init("a deleted blob is gone by both names, and pushed again it is back") {
            client async throws in
            try await client.checkedPush(blob, as: "\(name)", by: .whole) { _ in }
            #expect(try await client.send(.delete, "blobs/\(name)").status == 202)
            for digest in ["\(name)", "\(stored)"] {
                try await client.send(.get, "blobs/\(digest)").expect(404, "BLOB_UNKNOWN")
            }
            try await client.send(.delete, "blobs/\(name)").expect(404, "BLOB_UNKNOWN")
            try await client.checkedPush(blob, as: "\(stored)", by: .whole) { _ in }
            #expect(try await client.send(.get, "blobs/\(name)").bytes == blob)
        },
        .init("a manifest pushed by its sha512 must be 201, and is pulled and deleted by it") {
            client async throws in
            let text = Array(try await client.manifest().utf8)
            let (long, short) = (SHA512Digest(hashing: text), Digest(hashing: text))
            for (path, isRight) in [
                ("manifests/\(long)", true), ("manifests/v1?digest=\(long)", true),
                ("manifests/\(wrong)", false), ("manifests/v2?digest=\(wrong)", false),
                ("manifests/v2?digest=\(stored)", false),
            ] {
                let answer = try await client.send(.put, path, text)
                guard isRight else {
                    answer.expect(400, "DIGEST_INVALID")
                    continue
                }
                answer.expectCreated("/v2/\(client.name)/manifests/\(long)", "\(long)")
            }
            #expect(try await client.tags() == ["v1"])
            for (reference, digest) in [
                ("\(long)", "\(long)"), ("\(short)", "\(short)"), ("v1", "\(short)"),
            ] {
                for method in [HTTPRequest.Method.get, .head] {
                    let answer = try await client.send(method, "manifests/\(reference)")
                    #expect(answer.status == 200)
                    #expect(answer["Docker-Content-Digest"] == digest)
                    #expect(answer["Content-Type"] == Conformer.manifestType)
                    if method == .get { #expect(answer.bytes == text) }
                }
            }
            #expect(try await client.send(.delete, "manifests/\(long)").status == 202)
            for reference in ["\(long)", "\(short)", "v1"] {
                try await client.send(.get, "manifests/\(reference)")
                    .expect(404, "MANIFEST_UNKNOWN")
            }
        },
        .init("a manifest may name its content by sha512, if that is there") {
            client async throws in
            let config = try await client.push("{}")
            let layer = #"{"mediaType":"x","digest":"\#(name)","size":16}"#
            let text =
                #"{"schemaVersion":2,"config":{"mediaType":"x","digest":"\#(config)","size":2},"#
                + #""layers":[\#(layer)]}"#
            let early = try await client.send(.put, "manifests/v1", Array(text.utf8))
            early.expect(400, "MANIFEST_BLOB_UNKNOWN")
            #expect(early.text.contains("\(name)"))
            // That the bytes are there by their other name is not known of it.
            try await client.checkedPush(blob, as: "\(stored)", by: .whole) { _ in }
            try await client.send(.put, "manifests/v1", Array(text.utf8))
                .expect(400, "MANIFEST_BLOB_UNKNOWN")
            try await client.checkedPush(blob, as: "\(name)", by: .whole) { _ in }
            let digest = try await client.put(text, as: "v1")
            let long = SHA512Digest(hashing: Array(text.utf8))
            let index =
                #"{"schemaVersion":2,"manifests":[{"mediaType":"x","size":9,"digest":"\#(long)"}]}"#
            try await client.send(.put, "manifests/all", Array(index.utf8))
                .expect(400, "MANIFEST_BLOB_UNKNOWN")
            #expect(
                try await client.send(.put, "manifests/\(long)", Array(text.utf8)).status == 201
            )
            try await client.put(index, as: "all", type: Conformer.indexType)
            #expect(try await client.send(.get, "manifests/v1").text == text)
            #expect(try await client.send(.get, "manifests/\(digest)").status == 200)
        },
        .init("referrers of a sha512 must be those whose subject says so") { client async throws in
            let image = try await client.manifest()
            let subject = SHA512Digest(hashing: Array(image.utf8))
            let short = try await client.put(image, as: "v1")
            func referrer(_ subject: String, _ marker: String) async throws -> String {
                let text = try await client.manifest(marker, artifactType: "x/y")
                let member =
                    #","subject":{"mediaType":"\#(Conformer.manifestType)","digest":"\#(subject)","size":9}}"#
                return text.dropLast() + member
            }
            func list(_ digest: String) async throws -> [String] {
                let answer = try await client.send(.get, "referrers/\(digest)")
                #expect(answer.status == 200)
                return (answer.json["manifests"]?.array ?? []).compactMap {
                    $0["digest"]?.string
                }
            }
            let long = Array(try await referrer("\(subject)", "long").utf8)
            let answer = try await client.send(.put, "manifests/\(Digest(hashing: long))", long)
            #expect(answer.status == 201 && answer["OCI-Subject"] == "\(subject)")
            let other = try await client.put(try await referrer("\(short)", "short"))
            #expect(try await list("\(subject)") == ["\(Digest(hashing: long))"])
            #expect(try await list("\(short)") == ["\(other)"])
            // As clients listed it where registries did not: under the cut digest.
            let old = try await client.put(try await referrer("\(subject)", "old"))
            let key = ReservedTag.referrer(old, of: subject.standIn).tag
            let name = try RepositoryName(client.name)
            try await client.cluster.forget(QualifiedTag(repository: name, tag: key))
            #expect(try await list("\(subject)").count == 1)
            try await client.put(
                client.index([old]),
                as: "sha512-\(subject.hex.prefix(64))",
                type: Conformer.indexType
            )
            #expect(try await list("\(subject)").count == 2)
            let gone = "manifests/\(Digest(hashing: long))"
            #expect(try await client.send(.delete, gone).status == 202)
            #expect(try await list("\(subject)") == ["\(old)"])
        },
    ]

    /// How a blob is pushed.
    enum Way: CaseIterable {
        case whole, putWithBody, chunked, announced
    }
}

extension Conformer {
    /// Pushes `bytes` as `digest`, and gives `check` the last answer.
    fileprivate func checkedPush(
        _ bytes: [UInt8],
        as digest: String,
        by way: ServicesTests.ConformanceTests.Way,
        _ check: (ProxyCluster.Answer) -> Void
    ) async throws {
        let middle = bytes.count / 2
        switch way {
        case .whole: check(try await send(.post, "blobs/uploads/?digest=\(digest)", bytes))
        case .putWithBody:
            let location = try await start()
            check(try await send(.put, "\(location)?digest=\(digest)", bytes))
        case .chunked, .announced:
            let query = way == .announced ? "?digest-algorithm=sha512" : ""
            let begun = try await send(.post, "blobs/uploads/\(query)")
            let location = try #require(begun["Location"])
            let first = try await chunk(location, Array(bytes[..<middle]), at: 0)
            #expect(first.status == 202)
            check(try await send(.put, "\(location)?digest=\(digest)", Array(bytes[middle...])))
        }
    }
}

extension ProxyCluster.Answer {
    /// Expects 201 with a `Location` and the digest asked with.
    fileprivate func expectCreated(_ location: String, _ digest: String) {
        #expect(status == 201, "\(text)")
        #expect(self["Location"] == location)
        #expect(self["Docker-Content-Digest"] == digest)
    }
}
