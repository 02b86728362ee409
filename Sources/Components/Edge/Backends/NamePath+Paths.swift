// SPDX-License-Identifier: Apache-2.0

package import ClusterConfiguration
import Content

extension NamePath {
    private static let blobs = "docker/registry/v2/blobs"
    private static let repositories = "docker/registry/v2/repositories"

    /// The path below a backend's root at which `name` is stored; its segments never climb.
    /// - Throws: ``BackendError`` `.invalidName`.
    /// - Source: uber/kraken lib/backend/namepath/pather.go.
    package func path(of name: String) throws(BackendError) -> String {
        switch self {
        case .dockerTag:
            // What is wrong with the name is said below, with the form that was expected.
            guard let tag = try? QualifiedTag(parsing: name) else {
                throw invalid(name, "it is not of the form repository:tag")
            }
            return "\(Self.repositories)/\(tag.repository)/_manifests/tags/\(tag.tag)/current/link"
        case .shardedDockerBlob:
            guard let digest = Digest(hex: name) else {
                throw invalid(name, "it is not 64 hex digits")
            }
            return "\(Self.blobs)/sha256/\(digest.hex.prefix(2))/\(digest.hex)/data"
        case .identity:
            let segments = name.split(separator: "/", omittingEmptySubsequences: false)
            // Backends keep files of their own under hidden names.
            guard segments.allSatisfy(Self.isSafe), !name.hasPrefix(".") else {
                throw invalid(
                    name,
                    "it is hidden, or a segment is empty, climbs, or holds control characters"
                )
            }
            return name
        }
    }

    /// The name that is stored at `path`; nil when a path of this form is none.
    package func name(at path: String) -> String? {
        switch self {
        case .dockerTag:
            let suffix = "/current/link"
            guard path.hasPrefix(Self.repositories + "/"), path.hasSuffix(suffix) else {
                return nil
            }
            let inner = path.dropFirst(Self.repositories.count + 1).dropLast(suffix.count)
            guard let (repository, tag) = Self.split(String(inner), at: "/_manifests/tags/") else {
                return nil
            }
            let name = "\(repository):\(tag)"
            // Somebody else's file in between is no tag of ours.
            return (try? QualifiedTag(parsing: name))?.description
        case .shardedDockerBlob:
            let segments = path.split(separator: "/")
            guard path.hasPrefix(Self.blobs + "/"), segments.last == "data", segments.count >= 2
            else {
                return nil
            }
            return Digest(hex: segments[segments.count - 2])?.hex
        case .identity: return path
        }
    }

    /// The directory, below a backend's root, that holds everything whose name begins with
    /// `prefix`; empty is the root.
    /// - Throws: ``BackendError`` `.invalidName`.
    package func directory(ofPrefix prefix: String) throws(BackendError) -> String {
        let prefix = plainPrefix(prefix)
        let segments = prefix.prefix { $0 != ":" }.split(separator: "/")
        guard segments.allSatisfy(Self.isSafe) else {
            throw invalid(prefix, "a segment of it climbs or holds control characters")
        }
        // The last segment is usually the beginning of a longer name.
        let isWhole = prefix.hasSuffix("/") || (self == .dockerTag && prefix.contains(":"))
        let kept = (isWhole ? segments : segments.dropLast()).map(String.init)
        switch self {
        case .dockerTag:
            let tags = prefix.contains(":") ? ["_manifests", "tags"] : []
            return ([Self.repositories] + kept + tags).joined(separator: "/")
        case .shardedDockerBlob: return Self.blobs
        case .identity: return kept.joined(separator: "/")
        }
    }

    /// What the paths of all names begin with that begin with `prefix`, for stores that list by prefix: at best nothing
    /// else is below it.
    /// - Throws: ``BackendError`` `.invalidName`.
    package func pathPrefix(ofPrefix prefix: String) throws(BackendError) -> String {
        // Says whether the prefix is one.
        let directory = try directory(ofPrefix: prefix)
        let plain = plainPrefix(prefix)
        switch self {
        case .dockerTag:
            guard let (repository, tag) = Self.split(plain, at: ":") else {
                return "\(Self.repositories)/\(plain)"
            }
            return "\(Self.repositories)/\(repository)/_manifests/tags/\(tag)"
        case .shardedDockerBlob: return directory + "/"
        case .identity: return plain
        }
    }

    /// Whether `name` is one that a list of `prefix` shows.
    package func matches(_ name: String, prefix: String) -> Bool {
        name.hasPrefix(plainPrefix(prefix))
    }

    /// What names begin with, of a prefix that may be Kraken's `/<repository>/_manifests/tags`.
    func plainPrefix(_ prefix: String) -> String {
        let plain = String(prefix.drop { $0 == "/" })
        guard self == .dockerTag, let (repository, _) = Self.split(plain, at: "/_manifests") else {
            return plain
        }
        return repository + ":"
    }

    /// Whether `segment` names one entry of a directory and nothing else.
    static func isSafe(_ segment: Substring) -> Bool {
        !segment.isEmpty && segment != "." && segment != ".." && segment.utf8.count <= 255
            && !segment.utf8.contains { $0 < 0x20 || $0 == 0x7f || $0 == UInt8(ascii: "/") }
    }

    private static func split(_ text: String, at separator: String) -> (String, String)? {
        var index = text.startIndex
        while index < text.endIndex {
            if text[index...].hasPrefix(separator) {
                let after = text.index(index, offsetBy: separator.count)
                return (String(text[..<index]), String(text[after...]))
            }
            index = text.index(after: index)
        }
        return nil
    }

    private func invalid(_ name: String, _ why: String) -> BackendError {
        BackendError(
            .invalidName,
            what: "make a path of \(name) by \(rawValue)",
            why: why,
            remedy: "use a name of the form that name_path expects"
        )
    }
}
