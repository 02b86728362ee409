// SPDX-License-Identifier: Apache-2.0

import Content
import HTTPTypes
import Primitives
import RegistryAPI
import TestSupport
import Testing

private let hex = String(repeating: "ab", count: 32)

@Suite("Registry requests") struct RegistryRequestTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let method: HTTPRequest.Method
        let path: String
        let query: String?
        let contentRange: String?
        let wanted: String

        init(
            _ method: HTTPRequest.Method,
            _ path: String,
            _ wanted: String,
            query: String? = nil,
            contentRange: String? = nil
        ) {
            (self.method, self.path, self.wanted) = (method, path, wanted)
            (self.query, self.contentRange) = (query, contentRange)
        }

        var testDescription: String { "\(method) \(path)?\(query ?? "")" }
    }

    @Test(
        "a path is read into a value or refused with the specification's code",
        arguments: [
            Case(.get, "/v2", "ping"), Case(.head, "/v2/", "ping"),
            Case(.post, "/v2/", "405 UNSUPPORTED"),
            Case(.get, "/v2/_catalog", "repositories n=nil last=nil"),
            Case(.get, "/v2/_catalog", "repositories n=5 last=a", query: "n=5&last=a"),
            Case(.get, "/v2/_catalog", "400 PAGINATION_NUMBER_INVALID", query: "n=-1"),
            Case(.get, "/v2/_catalog", "400 PAGINATION_NUMBER_INVALID", query: "n=x"),
            Case(.get, "/v2/a/tags/list", "tags a n=nil last=nil"),
            Case(.get, "/v2/a/b-c/d.e/tags/list", "tags a/b-c/d.e n=0 last=nil", query: "n=0"),
            Case(.get, "/v2/tags/list/tags/list", "tags tags/list n=nil last=nil"),
            Case(.get, "/v2/a/manifests/v1", "manifest a v1"),
            Case(.head, "/v2/a/manifests/manifests/latest", "manifest a/manifests latest"),
            Case(.get, "/v2/a/manifests/sha256:\(hex)", "manifest a sha256:\(hex)"),
            Case(.get, "/v2/a/manifests/sha256%3A\(hex)", "manifest a sha256:\(hex)"),
            Case(.put, "/v2/a/manifests/v1", "putManifest a v1"),
            Case(.put, "/v2/a/manifests/.v1", "400 TAG_INVALID"),
            Case(.get, "/v2/a/manifests/.v1", "404 MANIFEST_UNKNOWN"),
            Case(.delete, "/v2/a/manifests/v1", "deleteManifest a v1"),
            Case(.delete, "/v2/a/manifests/sha256:\(hex)", "deleteManifest a sha256:\(hex)"),
            Case(.get, "/v2/a/manifests/sha512:\(hex)\(hex)", "manifest a sha512:\(hex)\(hex)"),
            Case(
                .put,
                "/v2/a/manifests/sha512:\(hex)\(hex)",
                "putManifest a sha512:\(hex)\(hex)"
            ),
            Case(.get, "/v2/a/manifests/sha384:\(hex)", "404 MANIFEST_UNKNOWN"),
            Case(.put, "/v2/a/manifests/sha384:\(hex)", "400 DIGEST_INVALID"),
            Case(
                .put,
                "/v2/a/manifests/v1",
                "putManifest a v1 sha512:\(hex)\(hex)",
                query: "digest=sha512:\(hex)\(hex)"
            ),
            Case(.put, "/v2/a/manifests/v1", "400 DIGEST_INVALID", query: "digest=sha512:\(hex)"),
            Case(.put, "/v2/a/manifests/sha256-\(hex).deleted", "400 TAG_INVALID"),
            Case(.get, "/v2/a/manifests/sha256-\(hex).deleted", "404 MANIFEST_UNKNOWN"),
            Case(.put, "/v2/a/manifests/sha256-\(hex).sig", "putManifest a sha256-\(hex).sig"),
            Case(.get, "/v2/a/blobs/sha256:\(hex)", "blob a sha256:\(hex)"),
            Case(.get, "/v2/a/blobs/sha256:\(hex.uppercased())", "400 DIGEST_INVALID"),
            Case(.get, "/v2/a/blobs/sha512:\(hex)", "400 DIGEST_INVALID"),
            Case(.get, "/v2/a/blobs/sha256:xyz", "400 DIGEST_INVALID"),
            Case(.get, "/v2/a/blobs/sha512:\(hex)\(hex)", "blob a sha512:\(hex)\(hex)"),
            Case(.get, "/v2/a/blobs/sha384:\(hex)", "404 BLOB_UNKNOWN"),
            Case(.get, "/v2/a/blobs/multihash+base58:QmRZxt2b1FVZ", "404 BLOB_UNKNOWN"),
            Case(.get, "/v2/a/blobs/SHA256:\(hex)", "400 DIGEST_INVALID"),
            Case(.delete, "/v2/a/blobs/sha256:\(hex)", "deleteBlob a sha256:\(hex)"),
            Case(.post, "/v2/a/blobs/uploads/", "startUpload a session"),
            Case(.post, "/v2/a/blobs/uploads", "startUpload a session"),
            Case(
                .post,
                "/v2/a/blobs/uploads/",
                "startUpload a whole",
                query: "digest=sha256:\(hex)"
            ),
            Case(.post, "/v2/a/blobs/uploads/", "400 DIGEST_INVALID", query: "digest=5"),
            Case(
                .post,
                "/v2/a/blobs/uploads/",
                "startUpload a mount b/c",
                query: "mount=sha256%3A\(hex)&from=b%2Fc"
            ),
            Case(
                .post,
                "/v2/a/blobs/uploads/",
                "startUpload a mount any",
                query: "mount=sha256:\(hex)"
            ),
            Case(
                .post,
                "/v2/a/blobs/uploads/",
                "400 NAME_INVALID",
                query: "mount=sha256:\(hex)&from=B"
            ),
            Case(.get, "/v2/a/blobs/uploads/7", "uploadStatus a 7"),
            Case(.delete, "/v2/a/blobs/uploads/7", "cancelUpload a 7"),
            Case(.patch, "/v2/a/blobs/uploads/7", "appendChunk a 7 nil"),
            Case(.patch, "/v2/a/blobs/uploads/7", "appendChunk a 7 5+5", contentRange: "5-9"),
            Case(
                .patch,
                "/v2/a/blobs/uploads/7",
                "appendChunk a 7 0+1",
                contentRange: "bytes 0-0/*"
            ),
            Case(.patch, "/v2/a/blobs/uploads/7", "400 RANGE_INVALID", contentRange: "9-5"),
            Case(.patch, "/v2/a/blobs/uploads/7", "400 RANGE_INVALID", contentRange: "-5"),
            Case(
                .patch,
                "/v2/a/blobs/uploads/7",
                "400 RANGE_INVALID",
                contentRange: "0-9223372036854775807"
            ),
            Case(.put, "/v2/a/blobs/uploads/7", "finishUpload a 7", query: "digest=sha256:\(hex)"),
            Case(.put, "/v2/a/blobs/uploads/7", "400 DIGEST_INVALID"),
            Case(.post, "/v2/a/blobs/uploads/7", "405 UNSUPPORTED"),
            Case(.get, "/v2/a/referrers/sha256:\(hex)", "referrers a sha256:\(hex) nil nil"),
            Case(
                .get,
                "/v2/a/referrers/sha256:\(hex)",
                "referrers a sha256:\(hex) a/b+c sha256:\(hex)",
                query: "artifactType=a%2Fb+c&last=sha256:\(hex)"
            ),
            Case(
                .get,
                "/v2/a/referrers/sha512:\(hex)\(hex)",
                "referrers a sha512:\(hex)\(hex) nil nil"
            ),
            Case(.get, "/v2/a/referrers/sha384:\(hex)", "referrers a nil nil nil"),
            Case(.get, "/v2/a/referrers/v1", "400 DIGEST_INVALID"),
            Case(.post, "/v2/a/referrers/sha256:\(hex)", "405 UNSUPPORTED"),
            Case(.get, "/v2/UPPER/manifests/x", "400 NAME_INVALID"),
            Case(.get, "/v2/a//b/manifests/x", "400 NAME_INVALID"),
            Case(.get, "/v2/-a/tags/list", "400 NAME_INVALID"),
            Case(.get, "/v2/a%2Fb/manifests/x", "400 NAME_INVALID"),
            Case(.get, "/v2/../../etc/passwd", "400 NAME_INVALID"),
            Case(.get, "/v2/%2e%2e/%2e%2e/etc/passwd/manifests/x", "400 NAME_INVALID"),
            Case(.get, "/v2/a/manifests/..%2f..%2fetc", "400 NAME_INVALID"),
            Case(.get, "/v2/a/manifests/%zz", "400 NAME_INVALID"),
            Case(.get, "/v2/a/blobs/uploads/%00", "uploadStatus a \u{0}"),
            Case(.get, "/v2/\(String(repeating: "a", count: 256))/tags/list", "400 NAME_INVALID"),
            Case(.get, "/v2/a", "404 UNSUPPORTED"), Case(.get, "/v2/a/what/x", "404 UNSUPPORTED"),
            Case(.get, "/nothing/here", "404 UNSUPPORTED"),
        ]
    )
    func reading(_ example: Case) {
        #expect(Self.describe(example) == example.wanted)
    }

    @Test("no path, method or header makes the reader fail otherwise", arguments: Seeds.fresh(8))
    func garbage(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        let words = [
            "v2", "a", "blobs", "uploads", "manifests", "tags", "list", "_catalog", "..", ".", "",
            "%2e%2e", "%2F", "%", "%00", "é", "sha256:\(hex)", "sha256:", "A", "referrers", "x_y",
        ]
        let methods: [HTTPRequest.Method] = [.get, .head, .put, .post, .patch, .delete, .options]
        for _ in 0..<4000 {
            let path =
                "/v2/"
                + (0..<generator.below(8)).map { _ in generator.pick(words) }
                .joined(separator: "/")
            let query = (0..<generator.below(3)).map { _ in
                generator.pick(["n", "last", "digest", "mount", "from", "%", ""]) + "="
                    + generator.pick(words)
            }.joined(separator: "&")
            let bytes = generator.bytes(generator.below(12)).map { $0 % 64 + 32 }
            do {
                let request = try RegistryRequest(
                    method: generator.pick(methods),
                    path: path,
                    query: query,
                    contentRange: generator.below(2) == 0
                        ? nil : String(decoding: bytes, as: UTF8.self)
                )
                if let repository = request.repository {
                    #expect(try RepositoryName(repository.name) == repository)
                    #expect(path.hasPrefix("/v2/" + repository.name), "\(path)")
                }
            } catch let error as RegistryError {
                #expect((400..<500).contains(error.status.code), "\(path): \(error)")
            }
        }
    }

    private static func describe(_ example: Case) -> String {
        func page(_ page: PageRequest) -> String {
            "n=\(page.limit.map(String.init) ?? "nil") last=\(page.after ?? "nil")"
        }
        do {
            let request = try RegistryRequest(
                method: example.method,
                path: example.path,
                query: example.query,
                contentRange: example.contentRange
            )
            switch request {
            case .ping: return "ping"
            case .repositories(let wanted): return "repositories \(page(wanted))"
            case .tags(let name, let wanted): return "tags \(name) \(page(wanted))"
            case .manifest(let name, let reference): return "manifest \(name) \(reference)"
            case .putManifest(let name, let reference, let digest):
                return "putManifest \(name) \(reference)" + (digest.map { " \($0)" } ?? "")
            case .deleteManifest(let name, let reference):
                return "deleteManifest \(name) \(reference)"
            case .deleteBlob(let name, let digest): return "deleteBlob \(name) \(digest)"
            case .referrers(let name, let wanted):
                let words = [
                    wanted.subject?.description, wanted.artifactType, wanted.last?.description,
                ]
                return "referrers \(name) " + words.map { $0 ?? "nil" }.joined(separator: " ")
            case .blob(let name, let digest): return "blob \(name) \(digest)"
            case .startUpload(let name, .session): return "startUpload \(name) session"
            case .startUpload(let name, .whole): return "startUpload \(name) whole"
            case .startUpload(let name, .mount(_, let source)):
                return "startUpload \(name) mount \(source?.name ?? "any")"
            case .uploadStatus(let name, let id): return "uploadStatus \(name) \(id)"
            case .appendChunk(let name, let id, let range):
                return
                    "appendChunk \(name) \(id) \(range.map { "\($0.start)+\($0.count)" } ?? "nil")"
            case .finishUpload(let name, let id, _, _): return "finishUpload \(name) \(id)"
            case .cancelUpload(let name, let id): return "cancelUpload \(name) \(id)"
            }
        } catch {
            return "\(error.status.code) \(error.code.rawValue)"
        }
    }
}
