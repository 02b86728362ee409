// SPDX-License-Identifier: Apache-2.0

package import ClusterClients
package import Content
import HTTPTypes
package import Primitives

/// The tags of a registry that are a cluster's: its build-indexes'.
package struct BuildIndexTags: TagSource {
    private let buildIndexes: BuildIndexCluster
    private let limits: Limits
    private let memory: TagListMemory

    /// Tags asked of a build-index at a time.
    private static let pageLength = 10_000
    /// Digests that a build-index is asked about at a time: 300 KiB.
    private static let deletionsMax = 4096

    /// The tags that `buildIndexes` have.
    package init(buildIndexes: BuildIndexCluster, limits: Limits) {
        (self.buildIndexes, self.limits) = (buildIndexes, limits)
        memory = TagListMemory(namesMax: limits.listedNamesKeptMax)
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
        let names = try await userTags(of: repository)
        return names.isEmpty ? nil : NamePage(ofSorted: names, page: page)
    }

    /// All tags of `repository` that users have put, in the order of their bytes.
    ///
    /// Build-indexes page by an opaque offset in no particular order; clients want lexical order, so all are read: those
    /// pages that are other than they were.
    package func userTags(of repository: RepositoryName) async throws -> [String] {
        let known = memory.list(of: repository)
        var isKnown = true
        let pages = try await allPages { number, offset in
            let old = isKnown ? known?.pages.dropFirst(number).first : nil
            if let page = try await page(of: repository, from: offset, unless: old?.entityTag) {
                isKnown = false
                return page
            }
            return old
        }
        if isKnown, let known, known.pages.count == pages.count { return known.names }
        let names = Set(pages.lazy.flatMap(\.names)).filter { !Self.isReserved($0) }.sorted()
        memory.keep(TagListMemory.List(pages: pages, names: names), of: repository)
        return names
    }

    /// All pages of a list, of which `read` gets one by its number and offset, as long as it finds any.
    private func allPages(
        _ read: (_ number: Int, _ offset: String?) async throws -> TagPage?
    ) async throws -> [TagPage] {
        var pages: [TagPage] = []
        var (count, offset) = (0, String?.none)
        repeat {
            guard let page = try await read(pages.count, offset) else { break }
            pages.append(page)
            count += page.names.count
            guard count <= limits.listedTagsMax else {
                throw RegistryError.unavailable("there are more names than can be listed")
            }
            // A page that leads to itself would never end.
            guard page.nextOffset != offset || offset == nil else { break }
            offset = page.nextOffset
        } while offset != nil
        return pages
    }

    private func page(
        of repository: RepositoryName,
        from offset: String?,
        unless known: String?
    ) async throws -> TagPage? {
        do {
            return try await buildIndexes.tags(
                of: repository,
                limit: Self.pageLength,
                offset: offset,
                unless: known
            )
        } catch let error as ClusterError {
            let what = "list the tags of \(repository)"
            throw RegistryError(error, what: what, whom: "build-index")
        }
    }

    package func repositories(page: PageRequest) async throws -> NamePage {
        let repositories = try await allNames().compactMap { name in
            name.lastIndex(of: ":").flatMap { colon -> String? in
                let tag = name[name.index(after: colon)...]
                return Self.isReserved(String(tag)) ? nil : String(name[..<colon])
            }
        }
        return NamePage(of: repositories, page: page)
    }

    package func referrers(
        of subject: ContentDigest,
        in repository: RepositoryName,
        artifactType: String?,
        after last: Digest?
    ) async throws -> ReferrerPage {
        do {
            return try await buildIndexes.referrers(
                of: subject,
                in: repository,
                artifactType: artifactType,
                after: last
            )
        } catch let error as ClusterError where error.code == .notFound {
            // Kraken's build-indexes know no referrers.
            return ReferrerPage(descriptors: [])
        } catch let error as ClusterError {
            throw RegistryError(
                error,
                what: "list the referrers of \(subject)",
                whom: "build-index"
            )
        }
    }

    package func isDeleted(_ digest: Digest, in repository: RepositoryName) async throws -> Bool {
        let tag = ReservedTag.deleted(digest).tag
        return try await self.digest(of: QualifiedTag(repository: repository, tag: tag)) != nil
    }

    package func deleted(
        among digests: [Digest],
        in repository: RepositoryName
    ) async throws -> Set<Digest> {
        do {
            if digests.count > 1 {
                var deleted = Set<Digest>()
                for start in stride(from: 0, to: digests.count, by: Self.deletionsMax) {
                    let part = Array(digests[start...].prefix(Self.deletionsMax))
                    deleted.formUnion(try await buildIndexes.deleted(among: part, in: repository))
                }
                return deleted
            }
        } catch let error as ClusterError where error.isUnknownRequest {
            // Kraken's can be asked about a tag at a time only.
        } catch let error as ClusterError {
            let what = "look for deletions in \(repository)"
            throw RegistryError(error, what: what, whom: "build-index")
        }
        return try await deletedOneByOne(among: digests, in: repository)
    }

    private static func isReserved(_ name: String) -> Bool {
        // Cheap first: lists may be long.
        guard ReservedTag.isPossible(name), let tag = try? Tag(name) else { return false }
        return ReservedTag(tag) != nil
    }

    /// All tags of all repositories, as `repository:tag`.
    private func allNames() async throws -> [String] {
        try await allPages { _, offset in
            do {
                return try await buildIndexes.list(limit: Self.pageLength, offset: offset)
            } catch let error as ClusterError {
                let what = "list the tags of all repositories"
                throw RegistryError(error, what: what, whom: "build-index")
            }
        }.flatMap(\.names)
    }
}

extension RegistryError {
    /// What a client is told when the components behind the registry, `whom`, failed while doing `what`.
    package init(_ error: ClusterError, what: String, whom: String) {
        switch error.code {
        case .status(429):
            self = .tooManyRequests(
                "cannot \(what): \(error.reason)",
                retryAfter: error.retryAfter ?? .seconds(1)
            )
        case .network, .noHosts, .accepted, .status(502), .status(503), .status(504):
            self = .unavailable("cannot \(what): no \(whom) answers (\(error)); try again")
        case .status(409):
            self.init(.denied, .conflict, "cannot \(what): \(error.reason)")
        case .status(412):
            self.init(.preconditionFailed, .preconditionFailed, "cannot \(what): \(error.reason)")
        case .status(405):
            self.init(.unsupported, .methodNotAllowed, "cannot \(what): \(error.reason)")
        case .status(507):
            self = .noSpace("cannot \(what): the disk of the \(whom) is full (\(error))")
        case .notFound, .status, .unreadableAnswer:
            self.init(.unknown, .badGateway, "cannot \(what): the \(whom) refused (\(error))")
        case .source:
            self.init(.unknown, .internalServerError, "cannot \(what): \(error)")
        }
    }
}

extension ClusterError {
    /// What the other side says, without the status.
    fileprivate var reason: String {
        guard why.hasPrefix("status "), let colon = why.firstIndex(of: ":") else { return why }
        return String(why[why.index(after: colon)...].drop { $0 == " " })
    }
}
