// SPDX-License-Identifier: Apache-2.0

import Content
import Placement
import Primitives
import Synchronization

/// The owners of all blobs, where all blobs have the same ones: in a cluster with no more origins than copies. While it knows
/// them, nobody need be asked who owns a blob.
final class CommonOwners: Sendable {
    /// How long what an origin has said is good: so long an origin that joins is not asked for what it owns, and others, which
    /// have it too or pass it on, are.
    static let goodFor = Duration.seconds(1)

    private let state = Mutex<Known?>(nil)

    private struct Known {
        let addresses: [String]
        /// Whom one could have asked then.
        let hosts: [String]
        let until: ContinuousClock.Instant
    }

    /// Keeps `addresses`, which one of `hosts` said at `now` to own every blob.
    func note(_ addresses: [String], saidBy hosts: [String], at now: ContinuousClock.Instant) {
        state.withLock {
            $0 = Known(addresses: addresses, hosts: hosts, until: now + Self.goodFor)
        }
    }

    /// The owners of `digest`, in the ring's order; nil when one of `hosts` has to be asked, also because it is others than
    /// before who are to be asked.
    func owners(
        of digest: Digest,
        asking hosts: [String],
        at now: ContinuousClock.Instant
    ) -> [String]? {
        let known = state.withLock { $0 }
        guard let known, now < known.until, known.hosts == hosts else { return nil }
        guard known.addresses.count > 1 else { return known.addresses }
        let key = RendezvousHash.keyBytes(of: digest)
        return RendezvousHash.ranking(of: known.addresses, keyBytes: key)
    }
}
