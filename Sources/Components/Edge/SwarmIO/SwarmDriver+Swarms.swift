// SPDX-License-Identifier: Apache-2.0

import BlobStorage
package import Content
import Files
import Logging
import Primitives
import SwarmCore
import Telemetry

/// Swarms and their files: opened, committed, closed, deleted.
extension SwarmDriver {
    // MARK: - Opening

    /// Downloads `metaInfo`'s blob, or joins its download; returns when that is under way.
    /// - Throws: ``SwarmError``; `FileError`, `.noSpace` when the disk can't take the blob.
    package func download(
        _ metaInfo: MetaInfo,
        namespace: Namespace
    ) async throws -> SwarmDownload {
        try await open(metaInfo, namespace: namespace, isLocalRequest: true)
        return SwarmDownload(driver: self, metaInfo: metaInfo)
    }

    /// Brings the swarm of `metaInfo` into memory unless it is there, and tells the scheduler.
    func open(
        _ metaInfo: MetaInfo,
        namespace: Namespace,
        isLocalRequest: Bool
    ) async throws {
        let digest = metaInfo.digest
        while true {
            guard !isStopping else { throw SwarmError.ended(digest, .stopped) }
            if let closing = closings[digest] {
                await closing.value
                continue
            }
            if let swarm = swarm(of: digest) {
                guard swarm.infoHash == metaInfo.infoHash || swarm.isCommitted else {
                    throw SwarmError.metaInfoDiffers(digest)
                }
                return tell(of: swarm, isLocalRequest: isLocalRequest)
            }
            let target = try await store.openDownload(metaInfo, namespace: namespace)
            // Others were at work meanwhile; what they have done counts.
            guard !isStopping, closings[digest] == nil, swarm(of: digest) == nil else { continue }
            let swarm = HostedSwarm(
                serial: makeSerial(),
                metaInfo: metaInfo,
                namespace: namespace,
                target: target,
                at: Self.now
            )
            swarms[swarm.infoHash] = swarm
            infoHashes[digest] = swarm.infoHash
            dormant[digest] = nil
            return tell(of: swarm, isLocalRequest: isLocalRequest)
        }
    }

    func swarm(of digest: Digest) -> HostedSwarm? { infoHashes[digest].flatMap { swarms[$0] } }

    private func tell(of swarm: HostedSwarm, isLocalRequest: Bool) {
        let description = SwarmDescription(
            metaInfo: swarm.metaInfo,
            namespace: swarm.namespace.name,
            held: swarm.available,
            isCommitted: swarm.isCommitted,
            isLocalRequest: isLocalRequest
        )
        deliver(.opened(description))
    }

    // MARK: - Incoming handshakes

    private enum Finding { case opened, otherPieces, missing }

    /// Looks for the blob that a peer asks for.
    func lookUp(_ id: ConnectionID, _ handshake: PeerHandshake) {
        spawn { driver in
            var finding = Finding.otherPieces
            do {
                finding = try await driver.revive(handshake)
            } catch {
                driver.log.warning(
                    "could not open a blob that a peer asks for",
                    metadata: [
                        LogKey.blobDigest: "\(handshake.digest)", LogKey.error: "\(error)",
                    ]
                )
            }
            guard finding != .opened else { return }
            driver.deliver(.swarmUnavailable(id))
            guard finding == .missing,
                driver.missingBlobCount < driver.configuration.limits.missingBlobsMax
            else { return }
            driver.missingBlobCount += 1
            await driver.host.blobMissing(handshake.digest, namespace: handshake.namespace)
            driver.missingBlobCount -= 1
        }
    }

    private func revive(_ handshake: PeerHandshake) async throws -> Finding {
        let digest = handshake.digest
        if let swarm = swarm(of: digest) {
            guard swarm.infoHash == handshake.infoHash else { return .otherPieces }
            tell(of: swarm, isLocalRequest: false)
            return .opened
        }
        if let sleeper = dormant[digest] {
            guard sleeper.metaInfo.infoHash == handshake.infoHash else { return .otherPieces }
            let (metaInfo, namespace) = sleeper
            try await open(metaInfo, namespace: namespace, isLocalRequest: false)
            return .opened
        }
        // Held while its swarm is being opened, so that it is not evicted in between.
        guard let blob = try await store.cachedBlob(digest) else { return .missing }
        guard let metaInfo = try await store.metaInfo(of: blob.digest),
            metaInfo.infoHash == handshake.infoHash
        else { return .otherPieces }
        // Only peers that dial tell a namespace, and a complete swarm dials nobody.
        try await open(metaInfo, namespace: .proxyUploads, isLocalRequest: false)
        withExtendedLifetime(blob) {}
        return .opened
    }

    // MARK: - Committing

    /// Checks the whole blob, on the pool, and moves it to the cache.
    func commit(_ infoHash: InfoHash) {
        guard let swarm = swarms[infoHash], let download = swarm.download else { return }
        let (digest, serial) = (swarm.digest, swarm.serial)
        commits[digest] = spawn { driver in
            let outcome: Result<CachedBlob, any Error>
            do {
                outcome = .success(try await download.commit())
            } catch let error as StorageError where error.code == .digestMismatch {
                outcome = .failure(await driver.startOver(download, after: error))
            } catch {
                outcome = .failure(error)
            }
            driver.commits[digest] = nil
            // It may have been deleted meanwhile.
            guard let swarm = driver.swarms[infoHash], swarm.serial == serial else { return }
            driver.finishCommit(swarm, outcome)
        }
    }

    private func startOver(_ download: BlobDownload, after error: StorageError) async -> any Error {
        do {
            try await download.reset()
            return error
        } catch let resetError {
            return resetError
        }
    }

    private func finishCommit(_ swarm: HostedSwarm, _ outcome: Result<CachedBlob, any Error>) {
        switch outcome {
        case .success(let blob):
            swarm.commit(blob)
            deliver(.committed(swarm.infoHash))
        case .failure(let error):
            log.error(
                "could not commit a blob",
                metadata: [LogKey.blobDigest: "\(swarm.digest)", LogKey.error: "\(error)"]
            )
            if let error = error as? StorageError, error.code == .digestMismatch {
                swarm.reset(SwarmError.unverifiable(swarm.digest))
                deliver(.commitFailed(swarm.infoHash, .digestMismatch))
            } else {
                deliver(.commitFailed(swarm.infoHash, .disk))
            }
        }
    }

    // MARK: - Ending

    /// The scheduler has forgotten a swarm: those who wait are told, its files are closed.
    func endSwarm(_ infoHash: InfoHash, _ reason: ForgetReason) {
        guard let swarm = swarms.removeValue(forKey: infoHash) else { return }
        let digest = swarm.digest
        infoHashes[digest] = nil
        swarm.end(SwarmError.ended(digest, reason))
        guard let download = swarm.download else { return }
        if reason == .leecherTimedOut, dormant.count < configuration.limits.swarmsMax {
            dormant[digest] = (swarm.metaInfo, swarm.namespace)
        }
        let isOver = reason == .removed || reason == .unverifiable
        closings[digest] = spawn { driver in
            await driver.commits[digest]?.value
            if isOver { await download.delete() } else { await download.close() }
            driver.closings[digest] = nil
        }
    }

    /// Closes the swarm of `digest`, which is complete, and its connections; the blob stays as it is in the cache. For blobs
    /// that are cut anew, whose swarm has another info hash then.
    package func leave(_ digest: Digest) {
        if let infoHash = infoHashes[digest] { deliver(.removed(infoHash)) }
    }

    /// Deletes the blob and whatever has been downloaded of it; its connections are closed, those who wait are told. It can
    /// be downloaded again at once.
    /// - Throws: `StorageError` `.isPersisted` while it is not written back, and nothing changes; `FileError`.
    package func remove(_ digest: Digest) async throws {
        try await store.delete(digest)
        dormant[digest] = nil
        if let infoHash = infoHashes[digest] { deliver(.removed(infoHash)) }
        guard let closing = closings[digest] else { return }
        await closing.value
        // A commit that was under way has put it into the cache after all.
        if swarm(of: digest) == nil { try await store.delete(digest) }
    }
}
