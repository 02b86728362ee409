// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import TestSupport
import Testing

@Suite("Reserved tags") struct ReservedTagTests {
    private let one = Digest(hashing: Array("one".utf8))
    private let two = Digest(hashing: Array("two".utf8))

    @Test("are tags, and are read back")
    func roundTrip() throws {
        for reserved in [ReservedTag.referrer(one, of: two), .deleted(one), .pushed(one)] {
            let tag = reserved.tag
            #expect(tag.name.utf8.count <= 128)
            #expect(ReservedTag(tag) == reserved)
            #expect(reserved.digest == one)
        }
        let prefix = ReservedTag.referrerPrefix(of: two)
        #expect(ReservedTag.referrer(one, of: two).tag.name.hasPrefix(prefix))
        #expect(ReservedTag.fallback(for: .sha256(two)).name + "." == prefix)
        let long = SHA512Digest(hashing: Array("one".utf8))
        let alias = ReservedTag.alias(long)
        #expect(alias.tag.name.utf8.count <= 128)
        #expect(ReservedTag(alias.tag) == alias)
        #expect(alias.digest == nil)
        // As the specification cuts it.
        let fallback = ReservedTag.fallback(for: .sha512(long))
        #expect(fallback.name == "sha512-\(long.hex.prefix(64))")
        #expect(ReservedTag(fallback) == nil)
    }

    @Test("are none of the tags that people and signing tools use")
    func others() throws {
        let hex = one.hex
        let upper = hex.uppercased()
        for name in [
            "v1", "sha256-\(hex)", "sha256-\(hex).sig", "sha256-\(hex).att", "sha256-\(hex).sbom",
            "sha256-\(upper).deleted", "sha256-12.deleted", "sha512-\(hex).deleted",
            "sha512.\(hex)", "sha512.\(String(repeating: "_", count: 86))",
            "sha256-\(hex).\(String(repeating: "A", count: 42))",
            "sha256-\(hex).\(String(repeating: "_", count: 43))",
        ] {
            #expect(ReservedTag(try Tag(name)) == nil, "\(name)")
        }
    }

    @Test("base64url round-trips and refuses what it would not write", arguments: 0..<70)
    func base64(count: Int) {
        var generator = Generator(seed: UInt64(count))
        let bytes = generator.bytes(count)
        let text = Base64URL.encode(bytes)
        #expect(Base64URL.decode(text) == bytes)
        #expect(Base64URL.decode(text + "=") == nil)
        #expect(text.utf8.count == (count * 4 + 2) / 3)
    }
}
