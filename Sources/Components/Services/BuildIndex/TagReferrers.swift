// SPDX-License-Identifier: Apache-2.0

import Backends
import ClusterClients
import Content
import HTTPKit
import Primitives

/// Which manifests have another one as their subject: one reserved tag each, and the index that clients kept under the
/// referrers tag before.
///
/// What a referrer is like, its manifest says; those read lately are in memory.
struct TagReferrers: Sendable {
    let reader: TagReader
    let lists: TagLists
    let manifests: ManifestReader
    let limits: Limits

    /// Manifests read at a time.
    private static let readsMax = 16

    /// The page of referrers of `subject` in `repository` that begins after the referrer `start`.
    ///
    /// With `artifactType` those of that type only.
    func page(
        of subject: ContentDigest,
        in repository: RepositoryName,
        artifactType: String?,
        after start: Digest? = nil
    ) async throws -> ReferrerPage {
        var digests: Set<Digest>
        do { digests = Set(try await known(subject, repository)) } catch let error as BackendError {
            if error.code == .rateLimited { throw HTTPProblem.rateLimited(error) }
            throw HTTPProblem.unavailable("cannot list referrers: \(error)").asText
        }
        digests.formUnion(try await fallback(subject, repository))
        return try await page(of: digests, subject, repository, artifactType, after: start)
    }

    /// The descriptors of all referrers of `subject` in `repository`; where the backend lists nothing, of those that clients
    /// have listed.
    func all(of subject: ContentDigest, in repository: RepositoryName) async throws -> [JSON] {
        var digests = Set(try await fallback(subject, repository))
        do { digests.formUnion(try await known(subject, repository)) } catch let error
            as BackendError
        {
            guard error.code == .unsupported else { throw error }
        }
        var descriptors: [JSON] = []
        var start: Digest?
        repeat {
            let page = try await page(of: digests, subject, repository, nil, after: start)
            descriptors += page.descriptors
            start = page.next
        } while start != nil
        return descriptors
    }

    private func page(
        of digests: Set<Digest>,
        _ subject: ContentDigest,
        _ repository: RepositoryName,
        _ artifactType: String?,
        after start: Digest?
    ) async throws -> ReferrerPage {
        let sorted = digests.sorted().drop { digest in start.map { digest <= $0 } ?? false }
        var page = ReferrerPage(descriptors: [])
        var (bytes, rest, previous) = (0, sorted, start)
        while !rest.isEmpty {
            let batch = rest.prefix(Self.readsMax)
            rest = rest.dropFirst(Self.readsMax)
            for (digest, referrer) in zip(batch, try await read(Array(batch), repository)) {
                guard let referrer, referrer.subject == subject,
                    artifactType == nil || referrer.artifactType == artifactType
                else {
                    previous = digest
                    continue
                }
                bytes += referrer.descriptor.utf8.count
                guard bytes <= limits.referrersPageBytesMax || page.descriptors.isEmpty else {
                    page.next = previous
                    return page
                }
                page.descriptors.append(referrer.descriptor)
                previous = digest
            }
        }
        return page
    }

    private func known(
        _ subject: ContentDigest,
        _ repository: RepositoryName
    ) async throws -> [Digest] {
        let names = try await lists.allNames(
            "\(repository):\(ReservedTag.referrerPrefix(of: subject.key))",
            namespace: repository.name,
            namesMax: limits.referrersMax
        )
        return names.compactMap { name in
            // Signing tools have tags that begin alike.
            guard let tag = try? QualifiedTag(parsing: name),
                case .referrer(let referrer, of: subject.key)? = ReservedTag(tag.tag)
            else { return nil }
            return referrer
        }
    }

    /// What clients have listed themselves, as they do where a registry does not, and have not deleted since.
    private func fallback(
        _ subject: ContentDigest,
        _ repository: RepositoryName
    ) async throws -> [Digest] {
        let tag = QualifiedTag(
            repository: repository,
            tag: ReservedTag.fallback(for: subject)
        )
        // Something else under that tag is no list of referrers, whatever it is.
        guard let digest = await reader.digest(of: tag),
            let bytes = try await manifest(digest, repository),
            // As above: why it can't be read does not matter.
            case .index(let index)? = try? ManifestDocument(
                parsing: bytes,
                limits: limits,
                aliases: [:]
            )
        else { return [] }
        var digests: [Digest] = []
        for descriptor in index.manifests.prefix(limits.referrersMax) {
            let deletion = QualifiedTag(
                repository: repository,
                tag: ReservedTag.deleted(descriptor.digest).tag
            )
            if await reader.digest(of: deletion) == nil { digests.append(descriptor.digest) }
        }
        return digests
    }

    private func read(
        _ digests: [Digest],
        _ repository: RepositoryName
    ) async throws -> [Referrer?] {
        try await withThrowingTaskGroup(of: (Int, Referrer?).self) { group in
            for (index, digest) in digests.enumerated() {
                group.addTask {
                    guard let bytes = try await manifest(digest, repository) else {
                        return (index, nil)
                    }
                    return (index, Referrer(manifest: bytes, digest: digest, limits: limits))
                }
            }
            var referrers = [Referrer?](repeating: nil, count: digests.count)
            for try await (index, referrer) in group { referrers[index] = referrer }
            return referrers
        }
    }

    private func manifest(
        _ digest: Digest,
        _ repository: RepositoryName
    ) async throws -> [UInt8]? {
        do {
            return try await manifests.manifest(digest, namespace: Namespace(repository))
        } catch let error as ClusterError {
            throw HTTPProblem.unavailable("the origins give no answer: \(error)").asText
        }
    }
}
