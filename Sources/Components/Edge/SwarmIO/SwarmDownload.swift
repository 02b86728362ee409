// SPDX-License-Identifier: Apache-2.0

import BlobStorage
package import Content
package import Files
import NIOCore
import Primitives
import SwarmCore

/// A blob that a driver downloads, or has: something to wait for and to read from. Dropping it stops nothing.
package struct SwarmDownload: Sendable {
    let driver: SwarmDriver
    /// The blob and its pieces.
    package let metaInfo: MetaInfo

    /// Returns once the whole blob is checked and in the cache.
    /// - Throws: ``SwarmError``, `CancellationError`.
    package func waitUntilComplete() async throws {
        try await driver.waitUntilComplete(metaInfo.digest)
    }

    /// Calls `body` with one part after the other of the bytes in `range`, as soon as they are here and checked; the swarm
    /// fetches what is read next first. What is read of an incomplete blob ends only once the whole blob was checked.
    /// - Throws: what `body` throws; ``SwarmError``; `CancellationError`. The download goes on regardless.
    package func read(
        _ range: Range<Int>,
        body: (SharedFile, Range<Int>) async throws -> Void
    ) async throws {
        let bytes = metaInfo.layout.blobBytes
        guard range.lowerBound >= 0, range.upperBound <= bytes else {
            throw SwarmError.outOfBounds(metaInfo.digest, range, bytes: bytes)
        }
        let reader = await driver.makeSerial()
        do {
            var rest = range
            while !rest.isEmpty {
                let (file, part) = try await driver.readablePart(
                    of: rest,
                    in: metaInfo.digest,
                    for: reader
                )
                try await body(file, part)
                rest = part.upperBound..<range.upperBound
            }
        } catch {
            await driver.endReading(metaInfo.digest, reader)
            throw error
        }
        await driver.endReading(metaInfo.digest, reader)
    }
}

/// Those on this host who wait for blobs or read them.
extension SwarmDriver {
    /// Bytes of an incomplete blob handed to a reader at a time, so that its window moves on.
    private static let readBytesMax = 4 << 20
    /// Pieces after the one that a reader waits for that are fetched with it.
    private static let windowPieces = 4

    func waitUntilComplete(_ digest: Digest) async throws {
        while true {
            try Task.checkCancellation()
            guard let swarm = swarm(of: digest) else {
                guard try await store.cachedBlob(digest) != nil else {
                    throw SwarmError.ended(digest, isStopping ? .stopped : .removed)
                }
                return
            }
            guard !swarm.isCommitted else { return }
            try await waitForCommit(swarm)
        }
    }

    /// Returns when something happened to `swarm` that its waiters must look at.
    private func waitForCommit(_ swarm: HostedSwarm) async throws {
        let (waiter, infoHash) = (makeSerial(), swarm.infoHash)
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                // Others may have had a turn since the caller looked; whoever comes too late would wait for ever.
                guard swarms[infoHash] === swarm, !swarm.isCommitted else {
                    return continuation.resume()
                }
                swarm.waiters[waiter] = continuation
            }
        } onCancel: {
            eventLoop.execute { [self] in
                assumeIsolated {
                    let waiters = $0.swarms[infoHash]?.waiters.removeValue(forKey: waiter)
                    waiters?.resume(throwing: CancellationError())
                }
            }
        }
    }

    /// The next readable part of `range`, once there is one, and the file that it lies in.
    func readablePart(
        of range: Range<Int>,
        in digest: Digest,
        for reader: UInt64
    ) async throws -> (SharedFile, Range<Int>) {
        while true {
            try Task.checkCancellation()
            guard let swarm = swarm(of: digest) else {
                // A complete swarm that nobody asked for leaves memory, and its blob stays.
                guard let blob = try await store.cachedBlob(digest) else {
                    throw SwarmError.ended(digest, isStopping ? .stopped : .removed)
                }
                return (blob.file, range)
            }
            if swarm.isCommitted {
                deliver(.readLocally(swarm.infoHash))
                return (swarm.file, range)
            }
            moveWindow(of: reader, to: range.lowerBound / swarm.layout.pieceBytes, in: swarm)
            let part = swarm.readablePart(of: range, bytesMax: Self.readBytesMax)
            if !part.isEmpty { return (swarm.file, part) }
            try await waitForPiece(swarm, reader)
        }
    }

    private func moveWindow(of reader: UInt64, to piece: Int, in swarm: HostedSwarm) {
        let end = min(piece + 1 + Self.windowPieces, swarm.layout.pieceCount)
        guard swarm.readers[reader]?.window != piece..<end else { return }
        swarm.readers[reader, default: HostedSwarm.Reader(window: 0..<0)].window = piece..<end
        deliver(.readersMoved(swarm.infoHash, swarm.windows))
    }

    private func waitForPiece(_ swarm: HostedSwarm, _ reader: UInt64) async throws {
        let infoHash = swarm.infoHash
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                // The scheduler may have ended the swarm when it was told of the window, or the piece may have come since.
                guard swarms[infoHash] === swarm, let window = swarm.readers[reader]?.window,
                    !swarm.isReadable(PieceIndex(window.lowerBound))
                else { return continuation.resume() }
                swarm.readers[reader]?.continuation = continuation
            }
        } onCancel: {
            eventLoop.execute { [self] in
                assumeIsolated {
                    let waiting = $0.swarms[infoHash]?.readers[reader]?.continuation.take()
                    waiting?.resume(throwing: CancellationError())
                }
            }
        }
    }

    func endReading(_ digest: Digest, _ reader: UInt64) {
        guard let swarm = swarm(of: digest), swarm.readers.removeValue(forKey: reader) != nil,
            !swarm.isCommitted
        else { return }
        deliver(.readersMoved(swarm.infoHash, swarm.windows))
    }
}
