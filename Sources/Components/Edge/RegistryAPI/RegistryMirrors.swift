// SPDX-License-Identifier: Apache-2.0

package import ClusterConfiguration
import Content
import HTTPKit
import HTTPTypes

/// Which other registries' repositories a registry answers for, and under which names it has them itself.
///
/// containerd names the registry that it means in the query (`?ns=docker.io`), podman and CRI-O in the path
/// (`docker.io/library/alpine`), docker not at all: its mirrors are for Docker Hub.
/// - Source: containerd docs/hosts.md; containers-registries.conf(5); docker's daemon.json, `registry-mirrors`.
package struct RegistryMirrors: Sendable {
    private let prefixes: [String: String]
    private let fallback: String?

    /// Answers for `mirrors`; for none of them the query's `ns` is ignored.
    package init(_ mirrors: [MirroredRegistry] = []) {
        prefixes = Dictionary(mirrors.map { ($0.registry, $0.prefix) }) { first, _ in first }
        fallback = mirrors.first { $0.isDefault }?.prefix
    }

    /// What is meant by `request`, whose query is `query`: the first that is found.
    /// - Throws: 404 when it is for a registry that is not mirrored.
    func meanings(
        of request: RegistryRequest,
        query: String?
    ) throws(RegistryError) -> [RegistryRequest] {
        guard !prefixes.isEmpty, let name = request.repository, !request.isWrite else {
            return [request]
        }
        if let registry = Self.registry(in: query) {
            guard let prefix = prefixes[registry] else {
                throw RegistryError(
                    .nameUnknown,
                    .notFound,
                    "this registry is no mirror of \(registry.prefix(256)); see mirrors in its configuration"
                )
            }
            guard let other = Self.name(prefix, name) else { return [] }
            return [request.reading(other)]
        }
        // A repository that is named with its registry is that one.
        guard let fallback, !prefixes.values.contains(where: { $0.isPrefix(of: name) }),
            let other = Self.name(fallback, name)
        else { return [request] }
        return [request, request.reading(other)]
    }

    private static func name(_ prefix: String, _ name: RepositoryName) -> RepositoryName? {
        // One that gets too long has nothing.
        prefix.isEmpty ? name : try? RepositoryName("\(prefix)/\(name)")
    }

    /// The query's `ns`.
    private static func registry(in query: String?) -> String? {
        for pair in (query ?? "").split(separator: "&") where pair.hasPrefix("ns=") {
            guard let text = PercentCoding.decode(pair.dropFirst(3)), !text.isEmpty else {
                continue
            }
            return text.lowercased()
        }
        return nil
    }
}

extension String {
    fileprivate func isPrefix(of name: RepositoryName) -> Bool {
        !isEmpty && name.name.hasPrefix(self + "/")
    }
}

extension RegistryRequest {
    /// The same question about the repository `name`.
    fileprivate func reading(_ name: RepositoryName) -> RegistryRequest {
        switch self {
        case .tags(_, let page): .tags(name, page)
        case .manifest(_, let reference): .manifest(name, reference)
        case .blob(_, let digest): .blob(name, digest)
        case .referrers(_, let wanted): .referrers(name, wanted)
        case .ping, .repositories, .putManifest, .deleteManifest, .deleteBlob, .startUpload,
            .uploadStatus, .appendChunk, .finishUpload, .cancelUpload:
            self
        }
    }
}
