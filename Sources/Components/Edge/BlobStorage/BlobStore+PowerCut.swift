// SPDX-License-Identifier: Apache-2.0

import Content
import Files
import Logging
import Synchronization
import Telemetry

// Commits that do not wait for the disk. The page cache survives the process but not the machine: after a power cut the
// entry may be there and its bytes may not. So such an entry carries the identity of the boot it was made in, and after
// another boot it is hashed once more before anyone gets to see it. That costs a small file instead of a flush.
extension BlobStore {
    /// What identifies this boot of the machine; the same text always where the system does not tell.
    static func readBootIdentity() -> [UInt8] {
        do {
            let file = try SharedFile.openForReading("/proc/sys/kernel/random/boot_id")
            // The file claims to be empty, so its length is no guide.
            return try [UInt8](unsafeUninitializedCapacity: 64) { buffer, count in
                count = try file.read(into: UnsafeMutableRawBufferPointer(buffer), at: 0)
            }
        } catch {
            // Other systems lack the file: there nothing is hashed again.
            return []
        }
    }

    /// Gives `directory` its place without waiting for the disk; false when the blob was there already.
    /// - Throws: `FileError`.
    func installUnflushed(_ directory: String, as digest: Digest, bytes: Int) throws -> Bool {
        try markUnflushed(directory)
        return try install(directory, as: digest, bytes: bytes).isNew
    }

    /// Notes in an entry that is about to be committed that its bytes may not be on the disk yet.
    func markUnflushed(_ entry: String) throws {
        guard !bootIdentity.isEmpty else { return }
        let path = entry.file(.unflushed)
        try Directory.remove(path)
        try AtomicFile.stage(bootIdentity, at: path, durable: false)
    }

    /// Whether the entry of `digest` may be opened: it was flushed, or made in this boot, or is found to be right now.
    /// One that is not is removed.
    /// - Throws: `FileError`.
    func isTrustworthyNow(_ digest: Digest) throws -> Bool {
        let entry = layout.cacheEntry(digest)
        let mark = try AtomicFile.read(entry.file(.unflushed), bytesMax: 64)
        guard let mark, mark != bootIdentity else { return true }
        let file: SharedFile
        do {
            file = try SharedFile.openForReading(entry.file(.data))
        } catch let error as FileError where error.code == .notFound {
            return true
        }
        var hasher = BlobHasher(pieceBytes: nil)
        try hasher.update(from: file, upTo: try file.size())
        let isWhole = try hasher.digest() == digest
        // Meanwhile somebody may have put another entry in its place, which is none of our business.
        let isSame = { try AtomicFile.read(entry.file(.unflushed), bytesMax: 64) == mark }
        if isWhole {
            // What was read back from the disk after a boot is on the disk.
            try shard(of: digest).files.withLock { _ in
                if try isSame() { try Directory.remove(entry.file(.unflushed)) }
            }
            return true
        }
        guard try removeDamagedNow(digest, if: isSame) else { return true }
        log.warning(
            "removed a blob that a power cut had damaged",
            metadata: [LogKey.blobDigest: "\(digest)"]
        )
        return false
    }

    /// Removes the entry of `digest`, whose bytes the disk does not have, whoever is owed it, if it still is the one that
    /// `isSame` means; answers whether it did.
    /// - Throws: `FileError`.
    @discardableResult func removeDamagedNow(
        _ digest: Digest,
        if isSame: () throws -> Bool
    ) throws -> Bool {
        let shard = shard(of: digest)
        let trash = try shard.files.withLock { _ in
            guard try isSame() else { return String?.none }
            shard.removeCached(digest)
            return try moveToTrashNow(layout.cacheEntry(digest))
        }
        guard let trash else { return false }
        try noteRemoved(trash)
        discard(trash)
        return true
    }
}
