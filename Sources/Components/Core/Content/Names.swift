// SPDX-License-Identifier: Apache-2.0

/// Kraken's routing scope for storage backends: any text, percent-encoded in URLs and raw in the peer protocol.
package struct Namespace: Hashable, Sendable, CustomStringConvertible {
    /// The text.
    package let name: String
    /// Bytes of the longest namespace.
    package static let bytesMax = 512

    /// The namespace `name`.
    /// - Throws: `.invalidName` when it is empty, too long or holds control characters.
    package init(_ name: String) throws(ContentError) {
        guard !name.isEmpty, name.utf8.count <= Self.bytesMax,
            !name.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f })
        else {
            throw ContentError(
                .invalidName,
                what: "namespace",
                why: "empty, over 512 bytes or with control characters"
            )
        }
        self.name = name
    }

    /// A namespace for the parts of `repository`; repositories are valid namespaces.
    package init(_ repository: RepositoryName) { name = repository.name }

    private init(unchecked name: String) { self.name = name }

    /// What Kraken's proxy uploads under, whatever the repository.
    /// - Source: uber/kraken lib/dockerregistry/transfer.
    package static let proxyUploads = Namespace(unchecked: "TODO")

    package var description: String { name }
}

/// The name of a repository: `library/busybox`.
/// - Source: OCI distribution specification 1.1, "Pulling manifests".
package struct RepositoryName: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The text.
    package let name: String
    /// Bytes of the longest name.
    package static let bytesMax = 255

    /// The repository `name`.
    /// - Throws: `.invalidName`.
    package init(_ name: String) throws(ContentError) {
        let isValid =
            !name.isEmpty && name.utf8.count <= Self.bytesMax
            && name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy(
                Self.isComponent
            )
        guard isValid else {
            throw ContentError(
                .invalidName,
                what: "repository name",
                why: "not of the form a-z0-9/…"
            )
        }
        self.name = name
    }

    /// Alphanumeric runs joined by one of `.`, `_`, `__` or any number of dashes.
    private static func isComponent(_ component: Substring) -> Bool {
        func isAlphanumeric(_ byte: UInt8) -> Bool {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        guard let first = component.utf8.first, let last = component.utf8.last,
            isAlphanumeric(first),
            isAlphanumeric(last)
        else { return false }
        let separators = component.utf8.split(whereSeparator: isAlphanumeric)
        return separators.allSatisfy { run in
            let text = String(Substring(run))
            return text == "." || text == "_" || text == "__" || text.allSatisfy { $0 == "-" }
        }
    }

    package var description: String { name }
    package static func < (left: RepositoryName, right: RepositoryName) -> Bool {
        left.name < right.name
    }
}

/// The name of a tag within a repository: `v1.2`.
/// - Source: OCI distribution specification 1.1, "Pulling manifests".
package struct Tag: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The text.
    package let name: String

    /// The tag `name`.
    /// - Throws: `.invalidName`.
    package init(_ name: String) throws(ContentError) {
        func isWord(_ byte: UInt8) -> Bool {
            byte == UInt8(ascii: "_") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
        }
        guard let first = name.utf8.first, isWord(first), name.utf8.count <= 128,
            name.utf8.allSatisfy({
                isWord($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-")
            })
        else {
            throw ContentError(
                .invalidName,
                what: "tag",
                why: "not of the form [A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
            )
        }
        self.name = name
    }

    package var description: String { name }
    package static func < (left: Tag, right: Tag) -> Bool { left.name < right.name }
}

/// A tag with its repository, `library/busybox:v1`: the build-index's key.
package struct QualifiedTag: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The repository.
    package let repository: RepositoryName
    /// The tag in it.
    package let tag: Tag

    /// `tag` in `repository`.
    package init(repository: RepositoryName, tag: Tag) {
        (self.repository, self.tag) = (repository, tag)
    }

    /// Reads `repository:tag`.
    /// - Throws: `.invalidName`.
    package init(parsing text: String) throws(ContentError) {
        guard let colon = text.lastIndex(of: ":") else {
            throw ContentError(.invalidName, what: "tag", why: "expected repository:tag")
        }
        repository = try RepositoryName(String(text[..<colon]))
        tag = try Tag(String(text[text.index(after: colon)...]))
    }

    package var description: String { "\(repository):\(tag)" }
    package static func < (left: QualifiedTag, right: QualifiedTag) -> Bool {
        (left.repository, left.tag) < (right.repository, right.tag)
    }
}
