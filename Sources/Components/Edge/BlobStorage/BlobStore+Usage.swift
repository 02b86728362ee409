// SPDX-License-Identifier: Apache-2.0

import Files
import Synchronization

/// How many blobs the cache holds, and their bytes.
package struct StorageUsage: Hashable, Sendable {
    /// Whole blobs.
    package var blobCount = 0
    /// Their bytes.
    package var blobBytes = 0

    /// An empty cache.
    package init() {}
}

// What the cache holds in all: counted once by a scan, then kept up with each commit and removal.
extension BlobStore {
    /// What the cache holds as far as it is known without a scan; right after ``measure()``, else what came and went since
    /// the start.
    package var usage: StorageUsage { usageCell.withLock { $0 } }

    /// Counts what the cache holds; what comes and goes meanwhile may be counted or not until the next time.
    /// - Complexity: reads the whole cache directory, a part at a time.
    /// - Throws: `FileError`.
    package func measure() async throws -> StorageUsage {
        var counted = StorageUsage()
        for prefix in try await entryPrefixes(of: layout.cache) {
            let sizes = try await pool.run {
                try self.entriesNow(in: prefix).compactMap { try self.infoNow($0)?.bytes }
            }
            counted.blobCount += sizes.count
            counted.blobBytes += sizes.reduce(0, +)
        }
        return usageCell.withLock { usage in
            usage = counted
            return usage
        }
    }

    func noteAdded(bytes: Int) {
        usageCell.withLock { usage in
            usage.blobCount += 1
            usage.blobBytes += bytes
        }
    }

    /// Notes that the entry that now lies at `trash` has left the cache.
    func noteRemoved(_ trash: String) throws {
        guard let bytes = try FileStatus.of(trash.file(.data))?.bytes else { return }
        usageCell.withLock { usage in
            usage.blobCount = max(0, usage.blobCount - 1)
            usage.blobBytes = max(0, usage.blobBytes - bytes)
        }
    }
}
