// SPDX-License-Identifier: Apache-2.0

package import ClusterClients
package import Content
import HTTPTypes
package import Primitives

/// The tags of a registry that are a cluster's: its build-indexes'.
package struct BuildIndexTags: TagSource {
    private let buildIndexes: BuildIndexCluster
    private let limits: Limits

    /// Tags asked of a build-index at a time.
    private static let pageLength = 10_000

    /// The tags that `buildIndexes` have.
    package init(buildIndexes: BuildIndexCluster, limits: Limits) {
        (self.buildIndexes, self.limits) = (buildIndexes, limits)
    }

    package func digest(of tag: QualifiedTag) async throws -> Digest? {
        do {
            return try await buildIndexes.digest(of: tag)
        } catch let error as ClusterError {
            throw RegistryError(error, what: "look up \(tag)", whom: "build-index")
        }
    }

    package func tags(
        of repository: RepositoryName,
        page: PageRequest
    ) async throws -> NamePage? {
        let names = try await names(of: repository)
        return names.isEmpty ? nil : NamePage(of: names, page: page)
    }

    package func repositories(page: PageRequest) async throws -> NamePage {
        let repositories = try await names(of: nil).compactMap { name in
            name.lastIndex(of: ":").map { String(name[..<$0]) }
        }
        return NamePage(of: repositories, page: page)
    }

    /// All tags of `repository`; of all repositories, as `repository:tag`, when it is nil.
    ///
    /// Build-indexes page by an opaque offset in no particular order; clients want lexical order, so all are read.
    private func names(of repository: RepositoryName?) async throws -> [String] {
        var names: [String] = []
        var offset: String?
        repeat {
            let page = try await page(of: repository, from: offset)
            names += page.names
            guard names.count <= limits.listedTagsMax else {
                throw RegistryError.unavailable("there are more names than can be listed")
            }
            // A page that leads to itself would never end.
            guard page.nextOffset != offset || offset == nil else { break }
            offset = page.nextOffset
        } while offset != nil
        return names
    }

    private func page(of repository: RepositoryName?, from offset: String?) async throws -> TagPage
    {
        do {
            guard let repository else {
                return try await buildIndexes.list(limit: Self.pageLength, offset: offset)
            }
            return try await buildIndexes.tags(
                of: repository,
                limit: Self.pageLength,
                offset: offset
            )
        } catch let error as ClusterError {
            let what = "list the tags of \(repository?.name ?? "all repositories")"
            throw RegistryError(error, what: what, whom: "build-index")
        }
    }
}

extension RegistryError {
    /// What a client is told when the components behind the registry, `whom`, failed while doing `what`.
    package init(_ error: ClusterError, what: String, whom: String) {
        switch error.code {
        case .network, .noHosts, .accepted, .status(429), .status(502), .status(503), .status(504):
            self = .unavailable("cannot \(what): no \(whom) answers (\(error)); try again")
        case .notFound, .status, .unreadableAnswer:
            self.init(.unknown, .badGateway, "cannot \(what): the \(whom) refused (\(error))")
        case .source:
            self.init(.unknown, .internalServerError, "cannot \(what): \(error)")
        }
    }
}
