// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import TestSupport
import Testing

@Suite("Names") struct NameTests {
    @Test(
        "accepts repository names of the OCI grammar",
        arguments: [
            "a", "library/busybox", "a.b", "a_b", "a__b", "a-b", "a---b", "a.b/c_d/e-f", "0/1",
            String(repeating: "a", count: 255),
        ]
    )
    func repositories(name: String) throws {
        #expect(try RepositoryName(name).name == name)
    }

    @Test(
        "refuses other repository names",
        arguments: [
            "", "/", "a/", "/a", "a//b", "A", "a..b", "a.-b", "a___b", "_a", "a_", "-a", "a-", ".a",
            "a.", "a b", "a:b", "a@b", "é", "a/../b", "a\u{0}", "a_-b",
            String(repeating: "a", count: 256),
        ]
    )
    func refusedRepositories(name: String) {
        #expect(throws: ContentError.self) { try RepositoryName(name) }
    }

    @Test(
        "accepts tags of the OCI grammar",
        arguments: ["v1", "latest", "_", "A.b-c_d", "1.2.3", String(repeating: "t", count: 128)]
    )
    func tags(name: String) throws { #expect(try Tag(name).name == name) }

    @Test(
        "refuses other tags",
        arguments: [
            "", ".a", "-a", "a/b", "a:b", "a b", "é", "a\n", "[a", "a`", "@",
            String(repeating: "t", count: 129),
        ]
    )
    func refusedTags(name: String) {
        #expect(throws: ContentError.self) { try Tag(name) }
    }

    @Test("takes qualified tags apart at the last colon")
    func qualified() throws {
        let tag = try QualifiedTag(parsing: "library/busybox:v1")
        #expect(tag.repository.name == "library/busybox")
        #expect(tag.tag.name == "v1")
        #expect(tag.description == "library/busybox:v1")
        for text in ["", "a", "a:", ":v1", "a:b:c", "A:v1", "localhost:5000/a"] {
            #expect(throws: ContentError.self) { try QualifiedTag(parsing: text) }
        }
    }

    @Test("takes any printable namespace")
    func namespaces() throws {
        #expect(try Namespace("library/busybox").name == "library/busybox")
        #expect(try Namespace("é ∞:%2F").name == "é ∞:%2F")
        #expect(Namespace.proxyUploads.name == "TODO")
        for text in ["", "a\n", "\u{7f}", String(repeating: "a", count: 513)] {
            #expect(throws: ContentError.self) { try Namespace(text) }
        }
    }

    @Test("agrees with the grammar's regular expressions on random text", arguments: Seeds.fresh(8))
    func grammar(seed: UInt64) {
        let repository = /[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*/
        let tag = /[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}/
        var generator = Generator(seed: seed)
        let alphabet = Array("aaab01._-/A:")
        for _ in 0..<2000 {
            let text = String((0..<generator.below(9)).map { _ in generator.pick(alphabet) })
            let isRepository = (try? RepositoryName(text)) != nil  // nil is the answer
            #expect(isRepository == (text.wholeMatch(of: repository) != nil), "\(text)")
            let isTag = (try? Tag(text)) != nil  // nil is the answer
            #expect(isTag == (text.wholeMatch(of: tag) != nil), "\(text)")
        }
    }
}
