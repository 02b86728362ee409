// SPDX-License-Identifier: Apache-2.0

/// One row of a component's backend table: what is named by a matching namespace lives in this
/// backend.
///
/// Rows are tried in order; the first whose pattern matches wins.
/// - Source: uber/kraken lib/backend/manager.go, `backends:`.
package struct BackendRule: Hashable, Sendable {
    /// A regular expression, searched for anywhere in the namespace (unanchored).
    package var namespacePattern: String
    /// Where matching blobs or tags are stored.
    package var backend: BackendConfiguration
    /// Whether the component is ready only while this backend answers.
    package var mustBeReady: Bool

    /// Namespaces that match `namespacePattern` are stored in `backend`.
    package init(
        namespacePattern: String = ".*",
        backend: BackendConfiguration,
        mustBeReady: Bool = false
    ) {
        (self.namespacePattern, self.backend) = (namespacePattern, backend)
        self.mustBeReady = mustBeReady
    }
}

/// Which backend, and where.
package enum BackendConfiguration: Hashable, Sendable {
    /// A directory of the local or a mounted file system: its absolute path.
    case file(root: String, namePath: NamePath)
    /// A testfs server at `address` (`host:port`), below `root` (may be empty).
    case testfs(address: String, root: String, namePath: NamePath)

    /// What a component keeps in its backend.
    package enum Purpose: Hashable, Sendable {
        /// Blobs, named by the 64 hexadecimal digits of their digest.
        case blobs
        /// Tags, named `repository:tag`.
        case tags

        /// The layout of a Docker registry's storage, in which blobs and tags share one root.
        package var namePath: NamePath {
            switch self {
            case .blobs: .shardedDockerBlob
            case .tags: .dockerTag
            }
        }
    }

    /// Reads `file:<directory>` (absolute) or `testfs://host:port/root`, as `herd up --backend`
    /// takes it.
    /// - Throws: ``BackendURLError``.
    package init(url: String, purpose: Purpose) throws(BackendURLError) {
        if url.hasPrefix("file:") {
            var path = url.dropFirst("file:".count)
            if path.hasPrefix("//") { path = path.dropFirst(2) }
            guard path.hasPrefix("/") else {
                throw BackendURLError(url: url, why: "the directory after file: is not absolute")
            }
            self = .file(root: String(path), namePath: purpose.namePath)
        } else if url.hasPrefix("testfs://") {
            let rest = url.dropFirst("testfs://".count)
            let address = rest.prefix { $0 != "/" }
            guard let colon = address.lastIndex(of: ":"), colon > address.startIndex,
                let port = Int(address[address.index(after: colon)...]), (1...65535).contains(port)
            else { throw BackendURLError(url: url, why: "expected testfs://host:port/root") }
            let root = rest[address.endIndex...].split(separator: "/").joined(separator: "/")
            self = .testfs(address: String(address), root: root, namePath: purpose.namePath)
        } else {
            throw BackendURLError(url: url, why: "the scheme is neither file: nor testfs:")
        }
    }
}

/// How the name of a blob or tag becomes a path in a backend.
/// - Source: uber/kraken lib/backend/namepath.
package enum NamePath: String, Hashable, Sendable, CaseIterable {
    /// `docker/registry/v2/repositories/<repo>/_manifests/tags/<tag>/current/link`, of `repo:tag`.
    case dockerTag = "docker_tag"
    /// `docker/registry/v2/blobs/sha256/<first 2 digits>/<64 digits>/data`, of 64 hexadecimal
    /// digits.
    case shardedDockerBlob = "sharded_docker_blob"
    /// The name itself.
    case identity
}

/// A backend URL that can't be used.
package struct BackendURLError: Error, Hashable, CustomStringConvertible {
    /// The text.
    package let url: String
    /// What is wrong with it.
    package let why: String

    /// `url` is unusable because of `why`.
    package init(url: String, why: String) { (self.url, self.why) = (url, why) }

    package var description: String {
        "backend URL \(url): \(why); use file:/directory or testfs://host:port/root"
    }
}
