// SPDX-License-Identifier: Apache-2.0

/// A swarm by its own name and that of its blob.
package struct SwarmReference: Hashable, Sendable {
    /// The blob.
    package let digest: Digest
    /// The swarm.
    package let infoHash: InfoHash

    /// The swarm `infoHash` of `digest`.
    package init(digest: Digest, infoHash: InfoHash) {
        (self.digest, self.infoHash) = (digest, infoHash)
    }

    /// The JSON form; of Herd's own, so its names are written as everywhere else in text.
    package var json: JSON {
        .object([
            .init("digest", .string(digest.description)),
            .init("info_hash", .string(infoHash.hex)),
        ])
    }
}
