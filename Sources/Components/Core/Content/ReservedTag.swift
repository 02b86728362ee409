// SPDX-License-Identifier: Apache-2.0

/// What a registry has to remember of a repository besides its users' tags, spelled as a tag.
///
/// Tags are stored durably, replicated, written back and restored, so what is a tag is all of that, too. Users can't
/// put tags of these names, and lists leave them out.
package enum ReservedTag: Hashable, Sendable {
    /// The manifest `referrer` has `subject` as its subject: `sha256-<64 hex digits>.<43 base64url digits>`.
    ///
    /// What begins with the referrers tag of the OCI specification and a dot, as signing tools name tags of theirs; none
    /// of those is as long. The name holds all there is to know, so that a list of names is a list of referrers.
    case referrer(Digest, of: Digest)
    /// The content was deleted from the repository: `sha256-<64 hex digits>.deleted`.
    case deleted(Digest)
    /// The manifest was pushed by its digest, so that it is kept without a tag: `sha256-<64 hex digits>.manifest`.
    case pushed(Digest)
    /// What the tag names has this SHA-512, too: `sha512.<86 base64url digits>`.
    ///
    /// The one that does not say itself what it names; both digests in a name would be too long for a tag.
    case alias(SHA512Digest)

    private static let deletedSuffix = "deleted"
    private static let pushedSuffix = "manifest"
    private static let algorithm = "sha256-"
    private static let aliasPrefix = "sha512."

    /// Whether `name` may be one of these; else there is no need to look closer.
    package static func isPossible(_ name: String) -> Bool {
        name.hasPrefix(algorithm) || name.hasPrefix(aliasPrefix)
    }

    /// What `tag` says, if it is one of these.
    package init?(_ tag: Tag) {
        if tag.name.hasPrefix(Self.aliasPrefix) {
            let text = tag.name.dropFirst(Self.aliasPrefix.count)
            guard let digest = Base64URL.decode(text).flatMap({ SHA512Digest(bytes: $0) }) else {
                return nil
            }
            self = .alias(digest)
            return
        }
        guard tag.name.hasPrefix(Self.algorithm), let dot = tag.name.lastIndex(of: "."),
            let digest = Digest(hex: tag.name[..<dot].dropFirst(Self.algorithm.count))
        else { return nil }
        let suffix = tag.name[tag.name.index(after: dot)...]
        if suffix == Self.deletedSuffix {
            self = .deleted(digest)
        } else if suffix == Self.pushedSuffix {
            self = .pushed(digest)
        } else if let referrer = Base64URL.decode(suffix).flatMap({ Digest(bytes: $0) }) {
            self = .referrer(referrer, of: digest)
        } else {
            return nil
        }
        // Hexadecimal digits of the other case would spell the same once more.
        guard name == tag.name else { return nil }
    }

    /// The tag that says so.
    package var tag: Tag {
        do { return try Tag(name) } catch {
            preconditionFailure("\(name) has only characters of tags, and fewer than 128")
        }
    }

    /// What the tag names: the referrer, the deleted content, or the manifest; nil where its name does not say that.
    package var digest: Digest? {
        switch self {
        case .referrer(let referrer, _): referrer
        case .deleted(let digest), .pushed(let digest): digest
        case .alias: nil
        }
    }

    /// What the names of all referrers of `subject` begin with.
    package static func referrerPrefix(of subject: Digest) -> String {
        "\(algorithm)\(subject.hex)."
    }

    /// The tag under which clients keep the referrers of `subject` where a registry doesn't.
    /// - Source: OCI distribution specification 1.1, "Referrers Tag Schema".
    package static func fallback(for subject: ContentDigest) -> Tag {
        let algorithm = if case .sha512 = subject { "sha512-" } else { algorithm }
        do { return try Tag(algorithm + subject.key.hex) } catch {
            preconditionFailure("sha256- and 64 hexadecimal digits are a tag")
        }
    }

    /// Whose referrers clients keep under `tag`; nil when it is another kind of tag.
    package static func fallbackSubject(of tag: Tag) -> ContentDigest? {
        guard tag.name.hasPrefix(algorithm),
            let digest = Digest(hex: tag.name.dropFirst(algorithm.count)),
            fallback(for: .sha256(digest)) == tag
        else { return nil }
        return .sha256(digest)
    }

    private var name: String {
        switch self {
        case .referrer(let referrer, let subject):
            Self.referrerPrefix(of: subject) + Base64URL.encode(referrer.bytes)
        case .deleted(let digest): Self.referrerPrefix(of: digest) + Self.deletedSuffix
        case .pushed(let digest): Self.referrerPrefix(of: digest) + Self.pushedSuffix
        case .alias(let digest): Self.aliasPrefix + Base64URL.encode(digest.bytes)
        }
    }
}
