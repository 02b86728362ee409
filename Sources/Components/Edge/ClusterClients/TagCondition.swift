// SPDX-License-Identifier: Apache-2.0

package import Content
package import HTTPTypes

/// What a tag must name for a change of it to be made; what HTTP calls a precondition.
/// - Source: RFC 9110 §13.1.1 and §13.1.2; the entity tag of a manifest is its digest in quotes.
package enum TagCondition: Hashable, Sendable {
    /// Anything or nothing.
    case none
    /// There is such a tag.
    case exists
    /// There is no such tag.
    case absent
    /// It names one of these.
    case names(Set<Digest>)
    /// It names none of these.
    case namesNone(of: Set<Digest>)

    /// Reads the condition of a request with `headers`.
    /// - Throws: `.invalidDigest` when an entity tag is none that a manifest has.
    package init(headers: HTTPFields) throws(ContentError) {
        if let text = headers[.ifMatch] {
            self = text.isStar ? .exists : .names(try Self.digests(text))
        } else if let text = headers[.ifNoneMatch] {
            self = text.isStar ? .absent : .namesNone(of: try Self.digests(text))
        } else {
            self = .none
        }
    }

    /// The headers that say so.
    package var headers: HTTPFields {
        switch self {
        case .none: [:]
        case .exists: [.ifMatch: "*"]
        case .absent: [.ifNoneMatch: "*"]
        case .names(let digests): [.ifMatch: Self.text(digests)]
        case .namesNone(let digests): [.ifNoneMatch: Self.text(digests)]
        }
    }

    /// Whether a tag that names `digest`, or does not exist, meets it.
    package func isMet(by digest: Digest?) -> Bool {
        switch self {
        case .none: true
        case .exists: digest != nil
        case .absent: digest == nil
        case .names(let digests): digest.map(digests.contains) ?? false
        case .namesNone(let digests): digest.map { !digests.contains($0) } ?? true
        }
    }

    private static func digests(_ text: String) throws(ContentError) -> Set<Digest> {
        var digests: Set<Digest> = []
        for part in text.split(separator: ",") {
            var tag = part.filter { $0 != " " && $0 != "\"" }[...]
            if tag.hasPrefix("W/") { tag = tag.dropFirst(2) }
            digests.insert(try Digest(parsing: tag))
        }
        return digests
    }

    private static func text(_ digests: Set<Digest>) -> String {
        digests.sorted().map { "\"\($0)\"" }.joined(separator: ", ")
    }
}

extension String {
    fileprivate var isStar: Bool { filter { $0 != " " } == "*" }
}
