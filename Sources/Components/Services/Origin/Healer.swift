// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import ClusterClients
import ClusterConfiguration
import Content
import HTTPKit
import Logging
import NIOCore
import Placement
import Primitives
import Synchronization
import Telemetry

/// Copies blobs to owners that lack them: after a change in the ring, at a start, and now and then, in case something was
/// missed.
///
/// Every origin looks through what it holds. Of those that hold a blob the best one in the ring's order makes the copies, so
/// that nobody sends what another one sends. It is bounded in rate, and one that fails is tried again later.
final class Healer: Sendable {
    private let store: BlobStore
    private let ring: OriginRing
    private let configuration: OriginConfiguration
    private let environment: ComponentEnvironment
    private let state: Mutex<State>

    private struct State {
        var status = HealingStatus()
        var pace: Pace
    }

    init(
        store: BlobStore,
        ring: OriginRing,
        configuration: OriginConfiguration,
        environment: ComponentEnvironment
    ) {
        (self.store, self.ring) = (store, ring)
        (self.configuration, self.environment) = (configuration, environment)
        state = Mutex(State(pace: Pace(rate: configuration.healingRate)))
    }

    /// How far it is, for `GET /status`.
    var status: HealingStatus { state.withLock { $0.status } }

    /// Heals after each change of the ring, until the task is cancelled.
    func run() async {
        let eventLoop = environment.eventLoopGroup.next()
        var timer: Scheduled<Void>?
        defer { timer?.cancel() }
        ring.noteChange()
        for await _ in ring.changes {
            timer?.cancel()
            let isWhole = await pass()
            let pause =
                isWhole ? configuration.healingInterval : configuration.healingRetryInterval
            timer = eventLoop.scheduleTask(in: .nanoseconds(pause.nanoseconds)) { [ring] in
                ring.noteChange()
            }
            state.withLock { state in
                state.status.isRunning = false
                state.status.passCount += 1
            }
        }
    }

    /// Blobs looked after at a time.
    private static let blobsAtATime = 4
    /// Bytes sent in one request, between which the rate is kept.
    private static let chunkBytes = 4 << 20

    /// Looks through everything once; answers whether all owners have what they should.
    private func pass() async -> Bool {
        guard ring.memberCount > 1 else { return true }
        let entries: [BlobEntry]
        do { entries = try await store.entries() } catch {
            environment.log.warning(
                "could not look for blobs to copy to their owners",
                metadata: [LogKey.error: "\(error)"]
            )
            return false
        }
        state.withLock { state in
            let passCount = state.status.passCount
            state.status = HealingStatus()
            state.status.passCount = passCount
            state.status.isRunning = true
            state.status.blobCount = entries.count
        }
        await withTaskGroup(of: Void.self) { group in
            for (index, entry) in entries.enumerated() {
                if index >= Self.blobsAtATime { await group.next() }
                guard !Task.isCancelled else { return }
                group.addTask { await self.heal(entry) }
            }
        }
        return status.failedCount == 0
    }

    /// Copies one blob to the owners that lack it, if that is for this origin to do.
    private func heal(_ entry: BlobEntry) async {
        defer { state.withLock { $0.status.checkedCount += 1 } }
        let duty = ring.healingDuty(for: entry.digest)
        do {
            let namespace = try await store.namespace(of: entry.digest) ?? .proxyUploads
            var lacking: [String] = []
            for member in duty.before {
                if try await holds(member, entry.digest, namespace) { return }
                if duty.owners.contains(member) { lacking.append(member) }
            }
            for member in duty.owners where !duty.before.contains(member) {
                if try await !holds(member, entry.digest, namespace) { lacking.append(member) }
            }
            for (index, owner) in lacking.enumerated() {
                try await copy(entry, namespace, to: owner, index)
            }
        } catch {
            state.withLock { $0.status.failedCount += 1 }
            report(error, entry.digest)
        }
    }

    private func holds(
        _ member: String,
        _ digest: Digest,
        _ namespace: Namespace
    ) async throws -> Bool {
        let client = OriginClient(address: member, http: environment.httpClient)
        return try await client.stat(digest, namespace: namespace, isLocal: true) != nil
    }

    private func copy(
        _ entry: BlobEntry,
        _ namespace: Namespace,
        to owner: String,
        _ index: Int
    ) async throws {
        guard let blob = try await store.cachedBlob(entry.digest) else { return }
        let start = ContinuousClock.now
        // What the backend lacks must get there even if this origin never comes back.
        let purpose: UploadPurpose =
            entry.isPersisted
            ? .duplicate(delay: configuration.duplicateWriteBackStagger * (index + 1)) : .transfer
        try await OriginClient(address: owner, http: environment.httpClient).upload(
            blob.digest,
            namespace: namespace,
            from: .file(blob.file, 0..<blob.bytes),
            purpose: purpose,
            chunkBytes: Self.chunkBytes
        ) { [self] count in
            let moment = state.withLock { $0.pace.take(count, at: LiveClock.now()) }
            let wait = LiveClock.now().duration(to: moment)
            // The rate is kept by waiting; nobody could tell when it is our turn but the clock.
            if wait > .zero { try await Task.sleep(for: wait) }
        }
        withExtendedLifetime(blob) {}
        state.withLock { state in
            state.status.copiedCount += 1
            state.status.copiedBytes += blob.bytes
        }
        environment.counters.counter("blobs_healed").add()
        environment.events.record(
            ClusterEvent(
                .replicationDone,
                blob: blob.digest,
                bytes: blob.bytes,
                tookMilliseconds: Int(start.duration(to: .now).seconds * 1000),
                reason: "healing",
                detail: ["to": owner]
            )
        )
    }

    private func report(_ error: any Error, _ digest: Digest) {
        guard !Task.isCancelled else { return }
        environment.log.info(
            "could not copy a blob to its owners; it is tried again",
            metadata: [LogKey.blobDigest: "\(digest)", LogKey.error: "\(error)"]
        )
        environment.events.record(
            ClusterEvent(.replicationFailed, blob: digest, reason: "healing: \(error)")
        )
    }
}
