// SPDX-License-Identifier: Apache-2.0

package import Primitives

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
    /// How fast bytes go there and come from there; nil without a limit.
    package var bandwidth: BackendBandwidth?
    /// Whether the component is ready only while this backend answers.
    package var mustBeReady: Bool

    /// Namespaces that match `namespacePattern` are stored in `backend`.
    package init(
        namespacePattern: String = ".*",
        backend: BackendConfiguration,
        bandwidth: BackendBandwidth? = nil,
        mustBeReady: Bool = false
    ) {
        (self.namespacePattern, self.backend) = (namespacePattern, backend)
        (self.bandwidth, self.mustBeReady) = (bandwidth, mustBeReady)
    }
}

/// The configuration of a component that has backends.
package protocol BackedConfiguration {
    /// The table of backends.
    var backends: [BackendRule] { get }
}

/// How fast bytes go to a backend and come from it, over all transfers of one component.
package struct BackendBandwidth: Hashable, Sendable {
    /// To the backend.
    package var egress: ByteRate
    /// From the backend.
    package var ingress: ByteRate

    /// Kraken's rates where one is switched on and not said: 8 and 80 Gibit/s.
    /// - Source: uber/kraken lib/backend/s3backend.
    package static let unsaid = BackendBandwidth(
        egress: ByteRate(bytesPerSecond: 1 << 30),
        ingress: ByteRate(bytesPerSecond: 10 << 30)
    )

    /// A pair of rates.
    package init(egress: ByteRate, ingress: ByteRate) {
        (self.egress, self.ingress) = (egress, ingress)
    }
}

/// Which backend, and where, as a configuration says it; the backend itself knows its keys.
package struct BackendConfiguration: Hashable, Sendable, CustomStringConvertible {
    /// The one key below `backend:`: `s3`, `file`.
    package var kind: String
    /// What stands below that key.
    package var settings: ConfigurationNode
    /// What stands below the file's `auth:`, for all kinds; nil without it.
    package var credentials: ConfigurationNode?

    /// The backend of `kind` that `settings` describe.
    package init(kind: String, settings: ConfigurationNode, credentials: ConfigurationNode? = nil) {
        (self.kind, self.settings, self.credentials) = (kind, settings, credentials)
    }

    /// The backend of `kind` with these keys and values.
    package init(kind: String, _ values: [(key: String, value: String)]) {
        self.init(
            kind: kind,
            settings: ConfigurationNode(values: values, path: "backend.\(kind)")
        )
    }

    /// A directory of the local or a mounted file system: its absolute path.
    package static func file(root: String, namePath: NamePath) -> BackendConfiguration {
        BackendConfiguration(
            kind: "file",
            [("root", root), ("name_path", namePath.rawValue)]
        )
    }

    /// A testfs server at `address` (`host:port`), below `root` (may be empty).
    package static func testfs(
        address: String,
        root: String,
        namePath: NamePath
    ) -> BackendConfiguration {
        BackendConfiguration(
            kind: "testfs",
            [("addr", address), ("root", root), ("name_path", namePath.rawValue)]
        )
    }

    /// The kind only: settings and credentials stay out of logs.
    package var description: String { kind }

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
