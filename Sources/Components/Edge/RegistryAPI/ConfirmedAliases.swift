// SPDX-License-Identifier: Apache-2.0

import Content
import Synchronization

/// The SHA-512s that were found to name what repositories say they do: nothing is served by one that was not.
///
/// Content travels under its SHA-256. So the first time that a blob is asked for by its SHA-512, all of it is read once
/// before the first byte is sent.
final class ConfirmedAliases: Sendable {
    private let countMax: Int
    private let confirmed = Mutex<[SHA512Digest: Digest]>([:])

    /// None yet; at most `countMax` are remembered.
    init(countMax: Int) { self.countMax = countMax }

    /// Whether `asked` names the bytes of the blob `digest` of `repository` in `source`.
    func confirm(
        _ asked: ContentDigest,
        as digest: Digest,
        in repository: RepositoryName,
        by source: any BlobSource
    ) async throws -> Bool {
        guard case .sha512(let alias) = asked else { return true }
        if confirmed.withLock({ $0[alias] == digest }) { return true }
        guard try await source.sha512(of: digest, in: repository) == alias else { return false }
        confirmed.withLock { confirmed in
            // Reading once more costs less than remembering too much.
            if confirmed.count >= countMax { confirmed.removeAll() }
            confirmed[alias] = digest
        }
        return true
    }
}
