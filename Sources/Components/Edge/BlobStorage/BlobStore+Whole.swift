// SPDX-License-Identifier: Apache-2.0

package import Content
import Files
package import NIOCore

// Blobs that are in memory as a whole: no upload, and one visit to the pool instead of four.
extension BlobStore {
    /// Verifies `bytes` and takes them into the cache as the blob `digest`; nil when it is cached already.
    /// - Throws: ``StorageError`` `.digestMismatch`; `FileError`.
    package func store(
        _ bytes: ByteBuffer,
        as digest: Digest,
        options: CommitOptions
    ) async throws -> BlobInfo? {
        // Not cancelled with the task: a client that goes away must not leave the outcome open.
        try await pool.runUncancelled {
            if try self.trustedInfoNow(digest) != nil { return nil }
            var hasher = BlobHasher(pieceBytes: options.pieceBytes)
            bytes.withUnsafeReadableBytes { hasher.update($0) }
            let actual = try hasher.digest()
            guard actual == digest else {
                let count = bytes.readableBytes
                throw StorageError.digestMismatch(expected: digest, actual: actual, bytes: count)
            }
            let directory = self.temporaryPath()
            do {
                return try self.makingRoom {
                    try Directory.create(directory)
                    let data = directory.file(.data)
                    let file = try SharedFile.create(data, bytes: 0, preallocate: false)
                    try bytes.withUnsafeReadableBytes { try file.write($0, at: 0) }
                    return try self.commit(directory, file, hasher, as: digest, options)
                }
            } catch {
                self.discard(directory)
                throw error
            }
        }
    }
}
