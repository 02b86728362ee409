// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import CChecksum
import ClusterConfiguration
import Content
import Crypto
import Files
import Logging
import NIOCore
import Primitives
import Synchronization
import TestSupport
import Testing

/// Where the blob `digest` lies below `root`: in `cache`, or in `download` while it is fetched.
func entryPath(_ root: String, _ area: String = "cache", of digest: Content.Digest) -> String {
    let hex = digest.hex
    return "\(root)/\(area)/\(hex.prefix(2))/\(hex.dropFirst(2).prefix(2))/\(hex)"
}

/// A blob with everything that is to come of it, computed in the plainest way.
struct SampleBlob {
    let bytes: [UInt8]
    let digest: Content.Digest
    let metaInfo: MetaInfo

    /// - Parameter hasStates: whether the meta info has the states that prove pieces.
    init(_ bytes: [UInt8], pieceBytes: Int, hasStates: Bool = false) throws {
        self.bytes = bytes
        digest = try #require(Digest(bytes: Array(SHA256.hash(data: bytes))))
        let layout = try #require(PieceLayout(blobBytes: bytes.count, pieceBytes: pieceBytes))
        let sums = (0..<layout.pieceCount).map { index -> UInt32 in
            let start = index * pieceBytes
            let piece = Array(bytes[start..<min(start + pieceBytes, bytes.count)])
            return herd_crc32_portable(0, piece, piece.count)
        }
        metaInfo = try MetaInfo(
            digest: digest,
            layout: layout,
            pieceSums: sums,
            pieceStates: hasStates ? pieceStates(of: bytes, layout) : []
        )
    }

    init(_ text: String, pieceBytes: Int = 4) throws {
        try self.init(Array(text.utf8), pieceBytes: pieceBytes)
    }

    /// The bytes of the piece at `index` and where they belong.
    func piece(_ index: PieceIndex) -> (bytes: [UInt8], offset: Int) {
        let start = metaInfo.layout.offset(of: index)
        return (Array(bytes[start..<start + metaInfo.layout.bytes(of: index)]), start)
    }
}

/// A clock that stands still until it is told otherwise, and the steady one beside it.
final class ManualClock: Sendable {
    private let now: Atomic<Int64>
    private let passed = Atomic<Int64>(0)

    init(_ now: Int64 = 1_700_000_000) { self.now = Atomic(now) }

    /// Civil time.
    var seconds: Int64 { now.load(ordering: .relaxed) }
    /// What has passed, however civil time was set.
    var steady: Instant {
        Instant.origin.advanced(by: .seconds(passed.load(ordering: .relaxed)))
    }
    /// Lets time pass.
    func advance(by seconds: Int64) {
        now.add(seconds, ordering: .relaxed)
        passed.add(seconds, ordering: .relaxed)
    }
    /// Sets civil time, by `seconds` that have not passed.
    func jump(by seconds: Int64) { now.add(seconds, ordering: .relaxed) }
}

/// An opened store under `root`.
func openStore(
    _ root: String,
    clock: ManualClock = ManualClock(),
    cleanup: CleanupPolicy = CleanupPolicy(),
    limits: Limits = Limits(),
    diskUsage: @escaping @Sendable (String) throws -> DiskUsage = { try DiskUsage.of($0) }
) async throws -> BlobStore {
    let store = BlobStore(
        configuration: BlobStoreConfiguration(root: root, cleanup: cleanup, limits: limits),
        pool: .singleton,
        clock: { clock.seconds },
        steadyClock: { clock.steady },
        diskUsage: diskUsage,
        log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    )
    try await store.open()
    return store
}

extension BlobStore {
    /// Uploads `blob` in one chunk.
    @discardableResult func add(
        _ blob: SampleBlob,
        options: CommitOptions = CommitOptions()
    ) async throws -> BlobInfo {
        let upload = try await startUpload()
        try await upload.append(ByteBuffer(bytes: blob.bytes))
        return try await upload.commit(as: blob.digest, options: options)
    }

    /// The download of `blob`, which must not be cached.
    func download(_ blob: SampleBlob) async throws -> BlobDownload {
        let target = try await openDownload(blob.metaInfo, namespace: .proxyUploads)
        guard case .download(let download) = target else {
            throw TestFailure("\(blob.digest) is cached")
        }
        return download
    }
}

extension BlobDownload {
    /// Writes the bytes of the piece at `index`, which must be right unless not `isChecked`, and marks it complete.
    func receive(_ index: PieceIndex, of blob: SampleBlob, isChecked: Bool = true) throws {
        let (bytes, offset) = blob.piece(index)
        var check = check(index)
        try bytes.withUnsafeBytes {
            try file.write($0, at: offset)
            check.update($0)
        }
        #expect(!isChecked || check.isRight)
        try markComplete(index, isProved: check.isProof)
    }
}

extension CachedBlob {
    /// All bytes.
    func read() throws -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: bytes)
        let count = try buffer.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
        return Array(buffer.prefix(count))
    }
}

struct TestFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Whether `error` is the store's with that code.
func isStorageError(_ error: any Error, _ code: StorageError.Code) -> Bool {
    (error as? StorageError)?.code == code
}

/// Where the SHA-256 of `bytes` stands at the end of each piece but the last.
func pieceStates(of bytes: [UInt8], _ layout: PieceLayout) -> [UInt8] {
    var (hash, states) = (RunningHash(), [UInt8]())
    for index in 0..<max(0, layout.pieceCount - 1) {
        let start = layout.offset(of: PieceIndex(index))
        bytes[start..<start + layout.pieceBytes].withUnsafeBytes { hash.update($0) }
        states += hash.state
    }
    return states
}
