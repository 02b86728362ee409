// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import Content
import Files
import Primitives

/// A swarm's files, and those on this host who wait for it. Belongs to the driver: used on its loop only.
final class HostedSwarm {
    /// Where the bytes are.
    enum Storage {
        case download(BlobDownload)
        case cached(CachedBlob)
    }

    /// A reader's place in the blob.
    struct Reader {
        /// The pieces it wants soon.
        var window: Range<Int>
        /// Resumed when the first of them can be read.
        var continuation: CheckedContinuation<Void, any Error>?
    }

    /// Tells this swarm from a later one of the same blob.
    let serial: UInt64
    let metaInfo: MetaInfo
    let namespace: Namespace
    let openedAt: Instant
    private(set) var storage: Storage
    /// The pieces that can be read.
    private(set) var available: Bitfield
    /// Those who wait for the whole blob.
    var waiters: [UInt64: CheckedContinuation<Void, any Error>] = [:]
    var readers: [UInt64: Reader] = [:]
    var bytesFromAgents = 0
    var bytesFromOrigins = 0
    var bytesUploaded = 0

    init(
        serial: UInt64,
        metaInfo: MetaInfo,
        namespace: Namespace,
        target: DownloadTarget,
        at now: Instant
    ) {
        (self.serial, self.metaInfo, self.namespace) = (serial, metaInfo, namespace)
        openedAt = now
        switch target {
        case .cached(let blob):
            storage = .cached(blob)
            available = .full(pieceCount: metaInfo.layout.pieceCount)
        case .download(let download):
            storage = .download(download)
            available = download.bitfield
        }
    }

    var infoHash: InfoHash { metaInfo.infoHash }
    var digest: Digest { metaInfo.digest }
    var layout: PieceLayout { metaInfo.layout }

    /// Whether the whole blob was checked.
    var isCommitted: Bool {
        if case .cached = storage { true } else { false }
    }

    var download: BlobDownload? {
        if case .download(let download) = storage { download } else { nil }
    }

    var file: SharedFile {
        switch storage {
        case .download(let download): download.file
        case .cached(let blob): blob.file
        }
    }

    // MARK: - Progress

    /// A piece is in the file, checked: its readers go on.
    func gain(_ piece: PieceIndex) {
        available.insert(piece)
        guard isReadable(piece) else { return }
        for (key, reader) in readers where reader.window.lowerBound == piece.value {
            readers[key]?.continuation.take()?.resume()
        }
    }

    /// The whole blob is in the cache: everyone goes on.
    func commit(_ blob: CachedBlob) {
        storage = .cached(blob)
        available.fill()
        for key in readers.keys { readers[key]?.continuation.take()?.resume() }
        for waiter in waiters.values { waiter.resume() }
        waiters = [:]
    }

    /// All pieces are to be fetched again; what readers have got of them may be wrong.
    func reset(_ error: any Error) {
        available = Bitfield(pieceCount: layout.pieceCount)
        failReaders(error)
    }

    /// It is over: everyone who waits is told `error`.
    func end(_ error: any Error) {
        failReaders(error)
        for waiter in waiters.values { waiter.resume(throwing: error) }
        waiters = [:]
    }

    private func failReaders(_ error: any Error) {
        for key in readers.keys { readers[key]?.continuation.take()?.resume(throwing: error) }
    }

    // MARK: - Reading

    /// Whether a reader may have `piece`. Unless each is proved, the last one is kept back until the whole blob was checked, so
    /// that nobody is served to the end what turns out to be wrong.
    func isReadable(_ piece: PieceIndex) -> Bool {
        guard let download else { return true }
        return available.contains(piece)
            && (piece.value < layout.pieceCount - 1 || download.isProved)
    }

    /// The longest readable beginning of `range`, at most `bytesMax` long unless the blob is complete; empty when its first
    /// byte has to be waited for.
    func readablePart(of range: Range<Int>, bytesMax: Int) -> Range<Int> {
        if isCommitted { return range }
        var piece = range.lowerBound / layout.pieceBytes
        let limit = min(range.upperBound, range.lowerBound + bytesMax)
        while piece * layout.pieceBytes < limit, isReadable(PieceIndex(piece)) { piece += 1 }
        return range.lowerBound..<max(range.lowerBound, min(limit, piece * layout.pieceBytes))
    }

    /// The windows of all readers, those who wait first.
    var windows: [Range<Int>] {
        let ordered = readers.sorted { left, right in
            let (leftWaits, rightWaits) = (
                left.value.continuation != nil, right.value.continuation != nil
            )
            return leftWaits == rightWaits ? left.key < right.key : leftWaits
        }
        var windows: [Range<Int>] = []
        for reader in ordered where !reader.value.window.isEmpty {
            if !windows.contains(reader.value.window) { windows.append(reader.value.window) }
            if windows.count == Self.windowsMax { break }
        }
        return windows
    }

    /// Windows told to the scheduler; further readers ride along.
    private static let windowsMax = 16
}
