// SPDX-License-Identifier: Apache-2.0

import Content
import HTTPTypes
import Telemetry
import TestSupport
import Testing

extension ServicesTests.ConformanceTests {
    @Test("content discovery", arguments: discovery)
    func discovers(_ requirement: Conformer.Requirement) async throws {
        try await requirement.run()
    }

    @Test("referrers", arguments: referrers)
    func refers(_ requirement: Conformer.Requirement) async throws { try await requirement.run() }

    private static let discovery: [Conformer.Requirement] = [
        .init("the tags of a repository must be 200, in lexical order") { client async throws in
            let text = try await client.manifest()
            for tag in ["v10", "v2", "V1", "a", "_x"] { try await client.put(text, as: tag) }
            let answer = try await client.send(.get, "tags/list")
            #expect(answer.status == 200)
            #expect(answer["Content-Type"] == "application/json")
            #expect(answer.json["name"]?.string == client.name)
            #expect(try await client.tags() == ["V1", "_x", "a", "v10", "v2"])
        },
        .init("n limits the tags, and last must be a tag after which they begin") {
            client async throws in
            let text = try await client.manifest()
            for tag in ["t1", "t2", "t3", "t4", "t5"] { try await client.put(text, as: tag) }
            #expect(try await client.tags("?n=2") == ["t1", "t2"])
            #expect(try await client.tags("?n=2&last=t2") == ["t3", "t4"])
            #expect(try await client.tags("?last=t3") == ["t4", "t5"])
            #expect(try await client.tags("?last=t31") == ["t4", "t5"])
            #expect(try await client.tags("?n=99") == ["t1", "t2", "t3", "t4", "t5"])
            try await client.send(.get, "tags/list?n=x").expect(400, "PAGINATION_NUMBER_INVALID")
        },
        .init("n=0 must be an empty list without a Link") { client async throws in
            try await client.put(try await client.manifest(), as: "v1")
            let answer = try await client.send(.get, "tags/list?n=0")
            #expect(answer.status == 200)
            #expect(answer.json["tags"]?.array == [])
            #expect(answer["Link"] == nil)
        },
        .init("a Link must lead through all pages (RFC 8288)") { client async throws in
            let text = try await client.manifest()
            let all = (1...7).map { "t\($0)" }
            for tag in all { try await client.put(text, as: tag) }
            for path in ["/v2/\(client.name)/tags/list?n=3", "/v2/_catalog?n=1"] {
                var (listed, next): ([String], String?) = ([], path)
                while let page = next {
                    let answer = try await client.send(.get, page)
                    let names = answer.json["tags"] ?? answer.json["repositories"]
                    listed += (names?.array ?? []).compactMap(\.string)
                    next = answer["Link"].flatMap { link in
                        link.hasSuffix(">; rel=\"next\"")
                            ? String(link.dropFirst().prefix { $0 != ">" }) : nil
                    }
                }
                #expect(listed == (path.contains("catalog") ? [client.name] : all))
            }
        },
        .init("a repository that does not exist must be 404") { client async throws in
            try await client.send(.get, "/v2/none/tags/list").expect(404, "NAME_UNKNOWN")
        },
    ]

    private static let referrers: [Conformer.Requirement] = [
        .init("referrers must be 200, even of what nobody knows, and never 404") {
            client async throws in
            #expect(try await client.referrers(Digest(hashing: [9])).isEmpty)
            for digest in ["sha512:" + String(repeating: "ab", count: 64), "sha384:ab"] {
                let answer = try await client.send(.get, "referrers/\(digest)")
                #expect(answer.status == 200)
                #expect(answer.json["manifests"]?.array == [])
            }
        },
        .init("referrers of what is no digest must be 400") { client async throws in
            for text in ["v1", "sha256:12", "sha256:"] {
                try await client.send(.get, "referrers/\(text)").expect(400, "DIGEST_INVALID")
            }
        },
        .init("descriptors must have type, size, digest, artifactType and annotations") {
            client async throws in
            let subject = try await client.put(try await client.manifest(), as: "v1")
            let typed = try await client.manifest(
                "typed",
                subject: subject,
                artifactType: "application/vnd.example.sbom.v1"
            )
            let plain = try await client.manifest(
                "plain",
                subject: subject,
                configType: "application/vnd.example.signature.v1+json"
            )
            let index = client.index([subject], subject: subject)
            let wanted: [Digest: (String, String, String?)] = [
                try await client.put(typed): (
                    typed, Conformer.manifestType, "application/vnd.example.sbom.v1"
                ),
                try await client.put(plain): (
                    plain, Conformer.manifestType, "application/vnd.example.signature.v1+json"
                ),
                try await client.put(index, type: Conformer.indexType): (
                    index, Conformer.indexType, nil
                ),
            ]
            let descriptors = try await client.referrers(subject)
            #expect(descriptors.count == 3)
            for descriptor in descriptors {
                let digest = try Digest(parsing: descriptor["digest"]?.string ?? "")
                let (text, type, artifactType) = try #require(wanted[digest])
                #expect(descriptor["mediaType"]?.string == type)
                #expect(descriptor["size"]?.integer == text.utf8.count)
                #expect(descriptor["artifactType"]?.string == artifactType)
                let document = try JSON(parsing: text)
                #expect(descriptor["annotations"] == document["annotations"])
            }
            // Tags lists and the catalog know nothing of them.
            #expect(try await client.tags() == ["v1"])
        },
        .init("a filter that was applied must be named in OCI-Filters-Applied") {
            client async throws in
            let subject = try await client.put(try await client.manifest(), as: "v1")
            for type in ["a/sbom", "a/signature", "a/sbom+more"] {
                try await client.put(
                    try await client.manifest(type, subject: subject, artifactType: type)
                )
            }
            let query = "?artifactType=a%2Fsbom"
            let answer = try await client.send(.get, "referrers/\(subject)\(query)")
            #expect(answer["OCI-Filters-Applied"] == "artifactType")
            let types = try await client.referrers(subject, query: query)
                .map { $0["artifactType"]?.string }
            #expect(types == ["a/sbom"])
            let none = try await client.referrers(subject, query: "?artifactType=a%2Fnone")
            #expect(none.isEmpty)
            let all = try await client.send(.get, "referrers/\(subject)")
            #expect(all["OCI-Filters-Applied"] == nil)
            #expect(all.json["manifests"]?.array?.count == 3)
        },
        .init("referrers pushed before their subject are listed") { client async throws in
            let text = try await client.manifest()
            let subject = Digest(hashing: Array(text.utf8))
            let referrer = try await client.put(try await client.manifest("r", subject: subject))
            #expect(try await client.referrers(subject).count == 1)
            try await client.put(text, as: "v1")
            let digests = try await client.referrers(subject).map { $0["digest"]?.string }
            #expect(digests == ["\(referrer)"])
        },
        .init("referrers are a repository's own") { client async throws in
            let subject = try await client.put(try await client.manifest(), as: "v1")
            try await client.put(try await client.manifest("r", subject: subject))
            let other = try await client.send(.get, "/v2/other/referrers/\(subject)")
            #expect(other.json["manifests"]?.array == [])
        },
        .init("a deleted referrer is listed no more; pushed again, it is") { client async throws in
            let subject = try await client.put(try await client.manifest(), as: "v1")
            let text = try await client.manifest("r", subject: subject)
            let referrer = try await client.put(text)
            #expect(try await client.send(.delete, "manifests/\(referrer)").status == 202)
            #expect(try await client.referrers(subject).isEmpty)
            try await client.put(text)
            #expect(try await client.referrers(subject).count == 1)
        },
        .init("what clients listed under the referrers tag must be included, if valid") {
            client async throws in
            let subject = try await client.put(try await client.manifest(), as: "v1")
            // Put past the registry's API, as by Kraken's proxy or an older Herd.
            let referrer = try await client.manifest("old", subject: subject)
            let known = try await client.put(referrer)
            let stranger = try await client.put(try await client.manifest("stranger"))
            let tag = QualifiedTag(
                repository: try RepositoryName(client.name),
                tag: ReservedTag.referrer(known, of: subject).tag
            )
            try await client.cluster.forget(tag)
            #expect(try await client.referrers(subject).isEmpty)
            let fallback = ReservedTag.fallback(for: .sha256(subject))
            let index = client.index([known, stranger])
            try await client.put(index, as: "\(fallback)", type: Conformer.indexType)
            let digests = try await client.referrers(subject).map { $0["digest"]?.string }
            #expect(digests == ["\(known)"])
            #expect(try await client.send(.delete, "manifests/\(known)").status == 202)
            #expect(try await client.referrers(subject).isEmpty)
        },
        .init("many referrers must come in pages that a Link joins") { client async throws in
            let subject = try await client.put(try await client.manifest(), as: "v1")
            // Long ones, so that a page is full soon.
            let filler = String(repeating: "x", count: 400_000)
            var pushed: Set<String> = []
            for turn in 0..<5 {
                let text = try await client.manifest("\(turn)\(filler)", subject: subject)
                pushed.insert("\(try await client.put(text))")
            }
            var (listed, pages): ([String], Int) = ([], 0)
            var next: String? = "/v2/\(client.name)/referrers/\(subject)"
            while let page = next {
                let answer = try await client.send(.get, page)
                listed += (answer.json["manifests"]?.array ?? []).compactMap {
                    $0["digest"]?.string
                }
                pages += 1
                next = answer["Link"].map { String($0.dropFirst().prefix { $0 != ">" }) }
            }
            #expect(pages == 3)
            #expect(listed.count == 5 && Set(listed) == pushed)
        },
        .init("referrers pushed at once by many are all listed") { client async throws in
            let subject = try await client.put(try await client.manifest(), as: "v1")
            let texts = try await withThrowingTaskGroup(of: String.self) { group in
                for turn in 0..<16 {
                    group.addTask { try await client.manifest("\(turn)", subject: subject) }
                }
                return try await group.reduce(into: [String]()) { $0.append($1) }
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for text in texts { group.addTask { _ = try await client.put(text) } }
                try await group.waitForAll()
            }
            #expect(try await client.referrers(subject).count == 16)
        },
    ]
}
