// SPDX-License-Identifier: Apache-2.0

package import Content
package import HTTPKit
package import Logging
package import NIOCore
package import Primitives

/// All origins of a cluster as one: asks the owners of a blob, in the ring's order, until one
/// answers.
/// - Source: uber/kraken origin/blobclient/cluster_client.go.
package struct OriginCluster: Sendable {
    /// The origins any of which knows who owns a blob.
    package let hosts: HostList
    let http: HTTPClient
    let poll: PollPolicy
    let log: Logger
    private let common = CommonOwners()

    /// The cluster of `hosts`, reached through `http`.
    package init(
        hosts: HostList,
        http: HTTPClient,
        poll: PollPolicy = PollPolicy(),
        log: Logger
    ) {
        (self.hosts, self.http, self.poll, self.log) = (hosts, http, poll, log)
    }

    /// The origin at `address`, whether or not it is in the list.
    package func client(_ address: String) -> OriginClient {
        OriginClient(address: address, http: http)
    }

    /// The origins that own `digest`, best first; never empty.
    /// - Throws: ``ClusterError``, here as in every call.
    package func owners(of digest: Digest) async throws -> [OriginClient] {
        let listed = hosts.hosts
        if let known = common.owners(of: digest, asking: listed, at: .now) {
            let usable = known.filter(hosts.isHealthy)
            return (usable + known.filter { !usable.contains($0) }).map(client)
        }
        let what = "locate \(digest)"
        let answer = try await firstAnswer(
            from: await hosts.shuffledHosts(),
            what,
            isFinal: { _ in false }
        ) {
            try await $0.owners(of: digest)
        }
        if answer.areEveryones { common.note(answer.addresses, saidBy: listed, at: .now) }
        return answer.addresses.map(client)
    }

    /// Uploads `digest` to the first owner that takes it, which copies it to the others.
    ///
    /// The next owner is asked after a network failure, 429, 502, 503, 504 or 507 only, and only when
    /// `source` can be read from its start again.
    @discardableResult package func upload(
        _ digest: Digest,
        namespace: Namespace,
        from source: UploadSource
    ) async throws -> UploadOutcome {
        let owners = try await owners(of: digest).map(\.address)
        let isFinal = { (error: ClusterError) in
            !error.mayPassElsewhere || !source.isRestartable
        }
        return try await firstAnswer(from: owners, "upload \(digest)", isFinal: isFinal) {
            try await $0.upload(digest, namespace: namespace, from: source)
        }
    }

    /// Stores the manifest `digest` at an owner if that has all of `references`, too, on which the caller relies then.
    /// - Returns: false, with nothing stored, when that can't be found out in one question: not all owners own everything, or
    ///   this one lacks some, or does not look. Then ask for each reference, and ``upload(_:namespace:from:)`` it.
    package func uploadManifest(
        _ digest: Digest,
        namespace: Namespace,
        _ bytes: ByteBuffer,
        ifPresent references: [Digest]
    ) async throws -> Bool {
        let owners = try await owners(of: digest).map(\.address)
        guard common.owners(of: digest, asking: hosts.hosts, at: .now) != nil else { return false }
        let isFinal = { (error: ClusterError) in !error.mayPassElsewhere }
        return try await firstAnswer(from: owners, "upload \(digest)", isFinal: isFinal) {
            try await $0.uploadManifest(digest, namespace, bytes, ifPresent: references)
        }
    }

    /// How `digest` is cut into pieces. `.accepted` says that an owner has begun to fetch the blob:
    /// ask again.
    package func metaInfo(of digest: Digest, namespace: Namespace) async throws -> MetaInfo {
        let owners = try await owners(of: digest).map(\.address)
        let isFinal = { (error: ClusterError) in error.code == .accepted }
        return try await firstAnswer(from: owners, "meta info of \(digest)", isFinal: isFinal) {
            try await $0.metaInfo(of: digest, namespace: namespace)
        }
    }

    /// The size of `digest`; nil when no owner and no backend has it.
    package func stat(_ digest: Digest, namespace: Namespace) async throws -> ByteCount? {
        var owners = try await owners(of: digest).map(\.address)
        var generator = SystemRandomNumberGenerator()
        owners.shuffle(using: &generator)
        do {
            return try await firstAnswer(from: owners, "stat \(digest)", isFinal: { _ in false }) {
                client in
                // An owner that lacks the blob doesn't speak for the others: ask on.
                guard let size = try await client.stat(digest, namespace: namespace) else {
                    throw ClusterError(
                        .notFound,
                        what: "stat \(digest) at \(client.address)",
                        why: "not there"
                    )
                }
                return size
            }
        } catch let error as ClusterError where error.code == .notFound { return nil }
    }

    /// Makes an owner fetch `digest` from its backend, unless it has it.
    package func prefetch(_ digest: Digest, namespace: Namespace) async throws -> PrefetchOutcome {
        let owners = try await owners(of: digest).map(\.address)
        let isFinal = { (error: ClusterError) in error.code == .notFound }
        return try await firstAnswer(from: owners, "prefetch \(digest)", isFinal: isFinal) {
            try await $0.prefetch(digest, namespace: namespace)
        }
    }

    /// Makes an owner upload `digest` to the origin cluster at `remote`; waits until that is done.
    package func replicate(
        _ digest: Digest,
        namespace: Namespace,
        toRemote remote: String
    ) async throws {
        let owners = try await owners(of: digest).map(\.address)
        try await polling(owners, "replicate \(digest) to \(remote)") {
            try await $0.replicate(digest, namespace: namespace, toRemote: remote)
        }
    }

    /// The bytes of `digest`, or of `range` in it, as they arrive; waits while an owner fetches the
    /// blob.
    ///
    /// When an owner fails half-way, the rest comes from the next one.
    package func download(
        _ digest: Digest,
        namespace: Namespace,
        range: Range<Int>? = nil
    ) async throws -> BlobBody {
        let owners = try await owners(of: digest).map(\.address)
        let fetch: BlobBody.Fetch = { rest, failing in
            let others = owners.filter { $0 != failing }
            let ordered = others + owners.filter { $0 == failing }
            return try await self.polling(ordered, "download \(digest)") {
                try await $0.download(digest, namespace: namespace, range: rest)
            }
        }
        let body = try await fetch(range, nil)
        return body.resuming(from: range, attemptsMax: owners.count, with: fetch)
    }

    /// Who the owners of `digest` are in the peer protocol; those that do not answer are left out.
    package func peerContexts(ofOwnersOf digest: Digest) async throws -> [PeerContext] {
        let owners = try await owners(of: digest)
        return try await withThrowingTaskGroup(of: (Int, Result<PeerContext, any Error>).self) {
            group in
            for (index, owner) in owners.enumerated() {
                group.addTask {
                    do { return (index, .success(try await owner.peerContext())) } catch {
                        return (index, .failure(error))
                    }
                }
            }
            var contexts: [(Int, PeerContext)] = []
            var lastError: (any Error)?
            for try await (index, result) in group {
                switch result {
                case .success(let context): contexts.append((index, context))
                case .failure(let error): lastError = error
                }
            }
            if contexts.isEmpty, let lastError { throw lastError }
            return contexts.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    /// Has every owner compute the meta info of `digest` anew with pieces of `pieceBytes`.
    package func overwriteMetaInfo(of digest: Digest, pieceBytes: Int) async throws {
        for owner in try await owners(of: digest) {
            try await owner.overwriteMetaInfo(of: digest, pieceBytes: pieceBytes)
        }
    }

    /// Whether one owner of a random digest is ready.
    package func checkReadiness() async throws {
        var generator = SystemRandomNumberGenerator()
        let bytes = (0..<Digest.byteCount).map { _ in
            UInt8.random(in: .min ... .max, using: &generator)
        }
        guard let digest = Digest(bytes: bytes),
            let owner = try await owners(of: digest).randomElement()
        else { throw hosts.noHosts("readiness of the origins") }
        try await owner.checkReadiness()
    }
}
