// SPDX-License-Identifier: Apache-2.0

import Content
import HTTPTypes
import Primitives
import RegistryAPI
import Testing

@Suite("Pulling") struct PullTests {
    @Test("says that it is a registry", .timeLimit(.minutes(1)))
    func ping() async throws {
        try await RegistryHarness.run { registry in
            for path in ["/v2/", "/v2"] {
                let answer = try await registry.send(.get, path)
                #expect(answer.status == 200)
                #expect(answer["Docker-Distribution-Api-Version"] == "registry/2.0")
                #expect(answer.text == "{}")
            }
        }
    }

    @Test(
        "serves a blob, its size and its ranges, however the bytes come",
        .timeLimit(.minutes(1)),
        arguments: MemoryRegistry.Style.allCases
    )
    func blobs(style: MemoryRegistry.Style) async throws {
        let memory = MemoryRegistry(style: style)
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        let digest = memory.add(bytes)
        try await RegistryHarness.run(memory) { registry in
            let path = "/v2/demo/web/blobs/\(digest)"
            let whole = try await registry.send(.get, path)
            #expect(whole.status == 200)
            #expect(whole.bytes == bytes)
            #expect(whole["Docker-Content-Digest"] == digest.description)
            #expect(whole["ETag"] == "\"\(digest)\"")
            #expect(whole["Accept-Ranges"] == "bytes")

            let head = try await registry.send(.head, path)
            #expect(head.status == 200)
            #expect(head["Content-Length"] == "300000")
            #expect(head.bytes.isEmpty)

            for (range, part) in [
                ("bytes=0-0", 0..<1), ("bytes=1000-1999", 1000..<2000),
                ("bytes=-7", 299_993..<300_000),
                ("bytes=299000-999999", 299_000..<300_000),
            ] {
                let answer = try await registry.send(.get, path, headers: ["Range": range])
                #expect(answer.status == 206)
                #expect(answer.bytes == Array(bytes[part]), "\(range)")
                let last = part.upperBound - 1
                #expect(answer["Content-Range"] == "bytes \(part.lowerBound)-\(last)/300000")
            }
            let outside = try await registry.send(.get, path, headers: ["Range": "bytes=300000-"])
            #expect(outside.status == 416)
            #expect(outside.code == "RANGE_INVALID")
            #expect(outside["Content-Range"] == "bytes */300000")

            for match in [
                "\"\(digest)\"", "W/\"\(digest)\"", "\(digest)", "\"x\", \"\(digest)\"", "*",
            ] {
                let answer = try await registry.send(.get, path, headers: ["If-None-Match": match])
                #expect(answer.status == 304, "\(match)")
                #expect(answer.bytes.isEmpty)
            }
            let other = try await registry.send(.get, path, headers: ["If-None-Match": "\"x\""])
            #expect(other.status == 200)
        }
    }

    @Test("serves an empty blob", .timeLimit(.minutes(1)), arguments: MemoryRegistry.Style.allCases)
    func emptyBlob(style: MemoryRegistry.Style) async throws {
        let memory = MemoryRegistry(style: style)
        let digest = memory.add([])
        try await RegistryHarness.run(memory) { registry in
            let answer = try await registry.send(.get, "/v2/a/blobs/\(digest)")
            #expect(answer.status == 200)
            #expect(answer["Content-Length"] == "0")
        }
    }

    @Test("says what is not there", .timeLimit(.minutes(1)))
    func unknown() async throws {
        let memory = MemoryRegistry()
        let layer = memory.add("no manifest")
        let absent = Digest(hashing: [1, 2, 3])
        try await RegistryHarness.run(memory) { registry in
            for (path, code) in [
                ("/v2/a/blobs/\(absent)", "BLOB_UNKNOWN"),
                ("/v2/a/manifests/\(absent)", "MANIFEST_UNKNOWN"),
                ("/v2/a/manifests/latest", "MANIFEST_UNKNOWN"), ("/v2/a/tags/list", "NAME_UNKNOWN"),
                ("/v2/a/manifests/\(layer)", "MANIFEST_UNKNOWN"),
            ] {
                let answer = try await registry.send(.get, path)
                #expect(answer.status == 404)
                #expect(answer.code == code)
                #expect(answer["Content-Type"] == "application/json")
                #expect(try await registry.send(.head, path).status == 404)
            }
        }
    }

    @Test(
        "serves a manifest by tag and by digest, byte for byte, with the type its bytes say",
        .timeLimit(.minutes(1)),
        arguments: ManifestMediaType.allCases,
        [true, false]
    )
    func manifests(type: ManifestMediaType, isNamed: Bool) async throws {
        guard isNamed || type == .ociManifest || type == .ociIndex else { return }
        let memory = MemoryRegistry()
        let child = memory.add("child")
        let text =
            type.isIndex
            ? Documents.index([child], mediaType: isNamed ? type : nil)
            : Documents.manifest(config: child, mediaType: isNamed ? type : nil)
        let digest = memory.add(text + "\n")
        try memory.tag("demo/web:v1", digest)
        try await RegistryHarness.run(memory) { registry in
            for reference in ["v1", digest.description] {
                for accept in [nil, "*/*", "application/vnd.docker.distribution.manifest.v2+json"] {
                    let headers = accept.map { ["Accept": $0] } ?? [:]
                    let path = "/v2/demo/web/manifests/\(reference)"
                    let answer = try await registry.send(.get, path, headers: headers)
                    #expect(answer.status == 200)
                    #expect(answer.text == text + "\n")
                    #expect(answer["Content-Type"] == type.rawValue)
                    #expect(answer["Docker-Content-Digest"] == digest.description)
                    let head = try await registry.send(.head, path, headers: headers)
                    #expect(head.status == 200)
                    #expect(head["Content-Length"] == "\(text.utf8.count + 1)")
                    #expect(head["Content-Type"] == type.rawValue)
                    let known = try await registry.send(
                        .get,
                        path,
                        headers: ["If-None-Match": "\"\(digest)\""]
                    )
                    #expect(known.status == 304)
                }
            }
        }
    }

    @Test("lists tags in lexical order, page by page", .timeLimit(.minutes(1)))
    func tags() async throws {
        let memory = MemoryRegistry()
        let digest = memory.add("x")
        for tag in ["v2", "v10", "latest", "A", "v1"] { try memory.tag("demo/web:\(tag)", digest) }
        try memory.tag("demo/other:v9", digest)
        try await RegistryHarness.run(memory) { registry in
            let all = try await registry.send(.get, "/v2/demo/web/tags/list")
            #expect(all.json["name"]?.string == "demo/web")
            let sorted = ["A", "latest", "v1", "v10", "v2"]
            #expect(all.json["tags"]?.array?.compactMap(\.string) == sorted)
            #expect(all["Link"] == nil)

            var (next, names, pages): (String?, [String], Int) = (
                "/v2/demo/web/tags/list?n=2", [], 0
            )
            while let path = next {
                let page = try await registry.send(.get, path)
                names += page.json["tags"]?.array?.compactMap(\.string) ?? []
                next = page["Link"].flatMap { Self.target(of: $0) }
                pages += 1
            }
            #expect(names == sorted)
            #expect(pages == 3)

            let none = try await registry.send(.get, "/v2/demo/web/tags/list?n=0")
            #expect(none.json["tags"] == .array([]))
            #expect(none["Link"] == nil)
            let tail = try await registry.send(.get, "/v2/demo/web/tags/list?last=v10")
            #expect(tail.json["tags"]?.array?.compactMap(\.string) == ["v2"])
            let many = try await registry.send(.get, "/v2/demo/web/tags/list?n=99")
            #expect(many["Link"] == nil)
        }
    }

    @Test("lists repositories in lexical order, page by page", .timeLimit(.minutes(1)))
    func catalog() async throws {
        let memory = MemoryRegistry()
        let digest = memory.add("x")
        for name in ["b:1", "b:2", "a/c:1", "c:1"] { try memory.tag(name, digest) }
        try await RegistryHarness.run(memory) { registry in
            let all = try await registry.send(.get, "/v2/_catalog")
            #expect(all.json["repositories"]?.array?.compactMap(\.string) == ["a/c", "b", "c"])
            let page = try await registry.send(.get, "/v2/_catalog?n=1&last=a%2Fc")
            #expect(page.json["repositories"]?.array?.compactMap(\.string) == ["b"])
            #expect(page["Link"] == "</v2/_catalog?last=b&n=1>; rel=\"next\"")
        }
    }

    /// The path inside `<…>; rel="next"`.
    private static func target(of link: String) -> String? {
        guard link.hasPrefix("<"), let end = link.firstIndex(of: ">"),
            link.hasSuffix("; rel=\"next\"")
        else { return nil }
        return String(link[link.index(after: link.startIndex)..<end])
    }
}
