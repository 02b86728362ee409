// SPDX-License-Identifier: Apache-2.0

package import Content
import Files
import Synchronization

// Which blobs are owed to a storage backend. `_persist` says that a blob is, `_namespace` under which names, a line each.
extension BlobStore {
    /// The namespace that `digest` was committed under, the first one of several; nil when that is not known.
    /// - Throws: `FileError`.
    package func namespace(of digest: Digest) async throws -> Namespace? {
        try await pool.run { try self.namespacesNow(in: self.layout.cacheEntry(digest)).first }
    }

    /// The namespaces noted in an entry; lines that are none, as a power cut may leave them, are left out.
    func namespacesNow(in entry: String) throws -> [Namespace] {
        let bytes = try AtomicFile.read(entry.file(.namespace), bytesMax: Self.namespaceBytesMax)
        return String(decoding: bytes ?? [], as: UTF8.self).split(separator: "\n").compactMap {
            // An unreadable line is as good as absent.
            try? Namespace(String($0))
        }
    }

    /// Bytes of the largest list of namespaces: a thousand of the longest.
    private static let namespaceBytesMax = 1000 * (Namespace.bytesMax + 1)

    /// Marks `digest` as owed to the backend of `namespace`, durably; or as owed to nobody any more.
    /// - Throws: ``StorageError`` `.notCached`, `FileError`.
    package func setPersisted(
        _ isPersisted: Bool,
        _ digest: Digest,
        namespace: Namespace? = nil
    ) async throws {
        try await pool.runUncancelled { try self.setPersistedNow(isPersisted, digest, namespace) }
    }

    func setPersistedNow(_ isPersisted: Bool, _ digest: Digest, _ namespace: Namespace?) throws {
        let entry = layout.cacheEntry(digest)
        try shard(of: digest).sidecars.withLock { _ in
            guard isPersisted else { return try clearPersisted(in: entry) }
            guard try isTrustworthyNow(digest) else {
                throw StorageError.notCached(digest, "write back")
            }
            if let namespace {
                // What is noted while nothing is owed, is done.
                let owed = try isPersistedNow(in: entry) ? namespacesNow(in: entry) : []
                if !owed.contains(namespace) {
                    try writeNamespaces(owed + [namespace], of: digest, durable: true)
                }
            }
            try writeSidecar(.persist, Array("true".utf8), of: digest, durable: true)
            // The blob may have come by a commit that did not wait for the disk.
            try SharedFile.openForReading(entry.file(.data)).synchronize()
            // Or by one that has its place and still waits for the disk to know it.
            try Directory.synchronizeNames(from: layout.cache, to: entry)
            try Directory.remove(entry.file(.unflushed))
        }
    }

    /// Notes that the backend of `namespace` has `digest`. Once no other one is owed it, the blob may be removed.
    /// - Throws: `FileError`.
    package func finishWriteBack(of digest: Digest, namespace: Namespace) async throws {
        try await pool.runUncancelled {
            let entry = self.layout.cacheEntry(digest)
            try self.shard(of: digest).sidecars.withLock { _ in
                let noted = try self.namespacesNow(in: entry)
                let rest = noted.filter { $0 != namespace }
                guard !rest.isEmpty else { return try self.clearPersisted(in: entry) }
                if rest != noted { try self.writeNamespaces(rest, of: digest, durable: false) }
            }
        }
    }

    /// Notes that nothing is owed any more of the blob in `entry`.
    ///
    /// Its `_persist` becomes the access time that it has to have from now on: a file less to make, and one less to remove.
    /// With a time in it, should a crash come in between, it still says that the blob is owed.
    private func clearPersisted(in entry: String) throws {
        let path = entry.file(.persist)
        guard try FileStatus.of(entry.file(.lastAccess)) == nil else {
            return try Directory.remove(path)
        }
        do {
            let time = AccessTime.encode(clock())
            try time.withUnsafeBytes { try SharedFile.openForUpdate(path).write($0, at: 0) }
            try Directory.rename(path, to: entry.file(.lastAccess))
        } catch let error as FileError where error.code == .notFound {
            // It was noted before, or the blob is gone.
        }
    }

    private func writeNamespaces(
        _ namespaces: [Namespace],
        of digest: Digest,
        durable: Bool
    ) throws {
        let text = namespaces.map(\.name).joined(separator: "\n")
        try writeSidecar(.namespace, Array(text.utf8), of: digest, durable: durable)
    }

    /// Whether `digest` is cached and not written back yet.
    /// - Throws: `FileError`.
    package func isPersisted(_ digest: Digest) async throws -> Bool {
        try await pool.run { try self.isPersistedNow(in: self.layout.cacheEntry(digest)) }
    }

    func isPersistedNow(in entry: String) throws -> Bool {
        guard let bytes = try AtomicFile.read(entry.file(.persist), bytesMax: 64) else {
            return false
        }
        let text = String(decoding: bytes, as: UTF8.self)
        // Go's ParseBool, which Kraken reads it with; what neither says is kept rather than lost.
        return !["false", "False", "FALSE", "f", "F", "0"].contains(text)
    }

    /// The blobs that are owed to a backend, with the namespaces if they are known: what a restart has to go on with.
    /// - Complexity: reads the whole cache directory, a part at a time.
    /// - Throws: `FileError`.
    package func persistedBlobs() async throws -> [(digest: Digest, namespaces: [Namespace])] {
        var found: [(digest: Digest, namespaces: [Namespace])] = []
        for prefix in try await entryPrefixes(of: layout.cache) {
            found += try await pool.run {
                try self.entriesNow(in: prefix).compactMap { digest in
                    let entry = self.layout.cacheEntry(digest)
                    guard try self.isPersistedNow(in: entry), try self.infoNow(digest) != nil else {
                        return nil
                    }
                    return (digest, try self.namespacesNow(in: entry))
                }
            }
        }
        return found
    }
}
