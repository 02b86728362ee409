// SPDX-License-Identifier: Apache-2.0

import Files
import Logging
package import Telemetry

extension ComponentEnvironment {
    /// What is kept on disk as `status` says, with how full the disk under `directory` is.
    package func examined(
        _ status: StorageStatus,
        in directory: String
    ) async -> StorageStatus {
        var status = status
        do {
            let disk = try await pool.run { try DiskUsage.of(directory) }
            status.diskTotalBytes = disk.totalBytes
            status.diskFreeBytes = disk.totalBytes - disk.usedBytes
        } catch {
            log.debug("could not examine the disk", metadata: [LogKey.error: "\(error)"])
        }
        return status
    }
}
