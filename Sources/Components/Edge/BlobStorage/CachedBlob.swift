// SPDX-License-Identifier: Apache-2.0

package import Content
package import Files
import Synchronization

/// A whole, verified blob, open for reading; while a reference to it lives, the clean-up leaves the blob alone.
///
/// All who use one blob at one time share one of these and its descriptor.
package final class CachedBlob: Sendable {
    /// The blob.
    package let digest: Digest
    /// Its size.
    package let bytes: Int
    /// Its bytes.
    package let file: SharedFile
    private let store: BlobStore
    /// The last use that is recorded on disk, in Unix seconds.
    private let recordedAt: Atomic<Int64>

    init(digest: Digest, bytes: Int, file: SharedFile, recordedAt: Int64, store: BlobStore) {
        (self.digest, self.bytes, self.file, self.store) = (digest, bytes, file, store)
        self.recordedAt = Atomic(recordedAt)
    }

    deinit {
        store.forget(digest)
        // The blob was in use until now, which is what its idle time counts from.
        let now = store.clock()
        if now - recordedAt.load(ordering: .relaxed) >= AccessTime.resolutionSeconds {
            store.recordAccess(to: digest, at: now)
        }
    }

    /// Notes that the blob is used now; on disk at most every five minutes.
    func noteUse() {
        let now = store.clock()
        let recorded = recordedAt.load(ordering: .relaxed)
        guard now - recorded >= AccessTime.resolutionSeconds else { return }
        let (isMine, _) = recordedAt.compareExchange(
            expected: recorded,
            desired: now,
            ordering: .relaxed
        )
        if isMine { store.recordAccess(to: digest, at: now) }
    }
}
