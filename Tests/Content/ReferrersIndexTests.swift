// SPDX-License-Identifier: Apache-2.0

import Content
import Testing

@Suite("Indexes of referrers") struct ReferrersIndexTests {
    private func descriptor(_ digest: Digest) -> JSON {
        .object([
            .init("mediaType", .string("application/vnd.oci.image.manifest.v1+json")),
            .init("digest", .string(digest.description)), .init("size", .integer(7)),
        ])
    }

    private let digests = ["one", "two", "three"].map { Digest(hashing: Array($0.utf8)) }

    @Test("list what they are given, and are read as they were written")
    func grows() throws {
        var index = ReferrersIndex()
        let all = digests.map(descriptor)
        #expect(index.missing(of: all) == all)
        index.add([all[0], all[2]])
        #expect(index.missing(of: all) == [all[1]])
        #expect(ReferrersIndex(parsing: index.bytes) == index)
        // Whoever reads it takes it for an index.
        let document = try ManifestDocument(parsing: index.bytes, aliases: [:])
        #expect(document.mediaType == .ociIndex)
        #expect(document.references.map(\.digest) == [digests[0], digests[2]])
        let removals = [index.remove(digests[0]), index.remove(digests[0])]
        #expect(removals == [true, false])
        #expect(index.descriptors == [all[2]])
    }

    @Test("keep what else a client has written")
    func keepsTheRest() throws {
        let text =
            #"{"schemaVersion":2,"manifests":[],"annotations":{"by":"hand"},"artifactType":"a/b"}"#
        var index = try #require(ReferrersIndex(parsing: Array(text.utf8)))
        index.add([descriptor(digests[0])])
        let document = try JSON(parsing: index.bytes)
        #expect(document["annotations"]?["by"]?.string == "hand")
        #expect(document["artifactType"]?.string == "a/b")
        #expect(document["manifests"]?.array?.count == 1)
    }

    @Test(
        "are not made of something else",
        arguments: [
            "", "[]", #"{"schemaVersion":2,"config":{},"layers":[]}"#,
            #"{"mediaType":"application/vnd.oci.image.manifest.v1+json","manifests":[]}"#,
        ]
    )
    func others(_ text: String) { #expect(ReferrersIndex(parsing: Array(text.utf8)) == nil) }

    @Test("have a tag that says whose referrers they list")
    func subjects() throws {
        let subject = ContentDigest.sha256(digests[0])
        let tag = ReservedTag.fallback(for: subject)
        #expect(ReservedTag.fallbackSubject(of: tag) == subject)
        let signature = try Tag(tag.name + ".sig")
        let upper = try Tag("sha256-" + String(repeating: "A", count: 64))
        for other in [signature, upper, try Tag("v1"), ReservedTag.deleted(digests[0]).tag] {
            #expect(ReservedTag.fallbackSubject(of: other) == nil)
        }
    }
}
