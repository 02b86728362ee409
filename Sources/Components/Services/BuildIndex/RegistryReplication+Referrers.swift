// SPDX-License-Identifier: Apache-2.0

import Backends
import Content
import HTTPKit
import Logging
import Telemetry

// What has the replicated manifests as its subject: signatures, SBOMs, attestations.
extension RegistryReplication {
    /// How often the list of referrers at the registry may turn out to lack one.
    private static let listingsMax = 8

    /// Sends the referrers of all manifests of `everything`, theirs, and so on.
    func sendReferrers(of everything: TagDependencies.Everything) async throws {
        var seen = Set(everything.manifests.keys)
        var subjects = everything.manifests.keys.sorted().flatMap { everything.names(of: $0) }
        while let subject = subjects.popLast() {
            let descriptors = try await sources.referrers.all(of: subject, in: tag.repository)
            guard !descriptors.isEmpty else { continue }
            for referrer in try descriptors.map({ try $0.referrer }) {
                guard seen.insert(referrer).inserted else { continue }
                let name = ReservedTag.referrer(referrer, of: subject.key).tag
                let needs = try await sources.dependencies.everything(
                    QualifiedTag(repository: tag.repository, tag: name),
                    referrer
                )
                try await send(needs)
                for manifest in needs.manifests.keys.sorted() {
                    seen.insert(manifest)
                    subjects += needs.names(of: manifest)
                }
            }
            try await list(referrersOf: subject)
        }
    }

    /// Sees to it that the registry lists the referrers of `subject` that it has.
    ///
    /// Where it keeps no account of them, the index under the referrers tag does. Another build-index of this cluster may write
    /// that at the same time; since each adds whatever is missing that is known here, and looks again afterwards, the last one
    /// leaves it whole.
    func list(referrersOf subject: ContentDigest) async throws {
        if try await repository.listsReferrers(of: subject) { return }
        try await turns.repositories.taking(repository.name) {
            for _ in 0..<Self.listingsMax {
                guard var index = try await referrersIndex(of: subject) else { return }
                let known = try await sources.referrers.all(of: subject, in: tag.repository)
                var missing: [JSON] = []
                for descriptor in index.missing(of: known) {
                    let isThere = try await repository.hasManifest(.sha256(descriptor.referrer))
                    if isThere { missing.append(descriptor) }
                }
                if missing.isEmpty { return }
                index.add(missing)
                try await put(index, of: subject)
            }
            throw BackendError(
                .unavailable,
                what: "list the referrers of \(subject) in \(repository.name)",
                why: "the index under the referrers tag changes all the time"
            )
        }
    }

    /// Takes `referrer` out of the index under the referrers tag, where there is one.
    func unlist(
        _ referrer: Digest,
        of subject: ContentDigest
    ) async throws -> ReplicationOutcome {
        try await turns.repositories.taking(repository.name) {
            guard var index = try await referrersIndex(of: subject), index.remove(referrer) else {
                return .unneeded("it was not there")
            }
            try await put(index, of: subject)
            return .deleted
        }
    }

    /// The index under the referrers tag, an empty one when there is none; nil when the tag names something else.
    private func referrersIndex(of subject: ContentDigest) async throws -> ReferrersIndex? {
        let name = ReservedTag.fallback(for: subject).name
        guard let bytes = try await repository.manifest(name) else { return ReferrersIndex() }
        let index = ReferrersIndex(parsing: bytes)
        if index == nil {
            environment.log.warning(
                "a referrers tag at a registry names something else, which stays",
                metadata: [LogKey.tag: "\(repository.name):\(name)"]
            )
        }
        return index
    }

    private func put(_ index: ReferrersIndex, of subject: ContentDigest) async throws {
        let name = ReservedTag.fallback(for: subject).name
        try await repository.put(index.bytes, .ociIndex, as: name)
    }
}

extension JSON {
    /// The digest of a referrer's descriptor, which ``Referrer`` has made.
    fileprivate var referrer: Digest {
        get throws { try Digest(parsing: self["digest"]?.string ?? "") }
    }
}
