// SPDX-License-Identifier: Apache-2.0

import Content
import Synchronization

/// One of the parts the store's index is cut into, so that blobs seldom wait for each other.
///
/// The index holds only what is in use: entries on disk are found by looking there.
final class StoreShard: Sendable {
    /// Held over the few short system calls (open, rename, stat) that must see one state of an entry; on pool threads
    /// only. Never held over a flush, a hash or the removal of bytes.
    let files = Mutex<Void>(())
    /// Held while the sidecars that say who is owed a blob are read and replaced, flush included; taken before ``files``.
    let sidecars = Mutex<Void>(())
    private let state = Mutex(State())

    private struct State {
        var cached: [Digest: WeakReference<CachedBlob>] = [:]
        var downloads: [Digest: WeakReference<BlobDownload>] = [:]
        /// The downloads that are being opened, each with those who wait for their turn.
        var opening: [Digest: [CheckedContinuation<Void, Never>]] = [:]
        /// The blob whose entry can be read but may not be on the disk yet; one at a time, since ``StoreShard/sidecars`` is
        /// held meanwhile.
        var flushing: Digest?
        /// How often one of them began or ended.
        var flushChanges = 0
    }

    /// Notes that the entry of `digest` is about to be put in its place and flushed there; to be called holding ``sidecars``,
    /// which is held until ``endFlushing()``.
    func beginFlushing(_ digest: Digest) {
        state.withLock { ($0.flushing, $0.flushChanges) = (digest, $0.flushChanges + 1) }
    }

    /// Notes that what was flushed is on the disk, or gone.
    func endFlushing() {
        state.withLock { ($0.flushing, $0.flushChanges) = (nil, $0.flushChanges + 1) }
    }

    /// How often a flush in its place has begun or ended so far, for ``isSettled(_:since:)``.
    func flushChanges() -> Int { state.withLock { $0.flushChanges } }

    /// Whether `digest` was not being flushed at any time since there were `flushChanges`; may be false although it was not.
    func isSettled(_ digest: Digest, since flushChanges: Int) -> Bool {
        state.withLock { $0.flushChanges == flushChanges && $0.flushing != digest }
    }

    /// The open cached blob `digest`, if somebody uses it and it is not being flushed.
    func flushedBlob(_ digest: Digest) -> CachedBlob? {
        state.withLock { $0.flushing == digest ? nil : $0.cached[digest]?.object }
    }

    /// The open cached blob `digest`, if somebody uses it.
    func cachedBlob(_ digest: Digest) -> CachedBlob? {
        state.withLock { $0.cached[digest]?.object }
    }

    /// The open download of `digest`, if somebody uses it.
    func download(_ digest: Digest) -> BlobDownload? {
        state.withLock { $0.downloads[digest]?.object }
    }

    // References leave the lock before they go: the last one must not go under it, since deinit takes it too.

    /// Whether somebody uses or is opening the download of `digest`.
    func isDownloading(_ digest: Digest) -> Bool {
        let (download, isOpening) = state.withLock {
            ($0.downloads[digest]?.object, $0.opening[digest] != nil)
        }
        return download != nil || isOpening
    }

    /// Whether somebody uses the cached blob or the download of `digest`.
    func isInUse(_ digest: Digest) -> Bool { cachedBlob(digest) != nil || isDownloading(digest) }

    /// Waits until nobody else is opening the download of `digest`, then takes the turn; ``endOpening(_:)`` passes it on.
    func beginOpening(_ digest: Digest) async {
        await withCheckedContinuation { continuation in
            let isMine = state.withLock { state in
                guard state.opening[digest] != nil else {
                    state.opening[digest] = []
                    return true
                }
                state.opening[digest]?.append(continuation)
                return false
            }
            if isMine { continuation.resume() }
        }
    }

    /// Passes the turn on to the one who has waited longest.
    func endOpening(_ digest: Digest) {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard var waiters = state.opening[digest], !waiters.isEmpty else {
                state.opening[digest] = nil
                return nil
            }
            let next = waiters.removeFirst()
            state.opening[digest] = waiters
            return next
        }
        next?.resume()
    }

    /// Notes that `blob` is in use.
    func insert(_ blob: CachedBlob) {
        state.withLock { $0.cached[blob.digest] = WeakReference(object: blob) }
    }

    /// Notes that `download` is in use.
    func insert(_ download: BlobDownload) {
        state.withLock { $0.downloads[download.digest] = WeakReference(object: download) }
    }

    /// Forgets what is no longer used under `digest`.
    func forgetUnused(_ digest: Digest) {
        // What the lock finds alive is kept alive until after it.
        let alive = state.withLock { state -> (CachedBlob?, BlobDownload?) in
            let blob = state.cached[digest]?.object
            let download = state.downloads[digest]?.object
            if blob == nil { state.cached[digest] = nil }
            if download == nil { state.downloads[digest] = nil }
            return (blob, download)
        }
        withExtendedLifetime(alive) {}
    }

    /// Forgets the cached blob `digest` even if it is in use: it is no longer what the name stands for.
    func removeCached(_ digest: Digest) { state.withLock { $0.cached[digest] = nil } }

    /// Forgets the download of `digest` even if it is in use.
    func removeDownload(_ digest: Digest) { state.withLock { $0.downloads[digest] = nil } }
}

/// A reference that keeps nothing alive.
private struct WeakReference<Object: AnyObject> {
    weak var object: Object?
}
