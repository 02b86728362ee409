// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import ClusterClients
import Content
import Logging
import Synchronization
import Telemetry
import Tracing

/// Sends an upload to an origin while its client still sends it, so that little is left to do after the last byte.
///
/// The bytes stay here until an origin has stored all of them: whatever goes wrong on the way, they are sent to the blob's owners
/// from the start. ``run()`` sends chunks in the background; ``commit(as:)``, of the client's last request, sends the rest.
final class UploadFollower: Sendable {
    private let upload: Upload
    private let namespace: Namespace
    private let origins: OriginCluster
    private let policy: SharedFollowPolicy
    private let counters: ProxyCounters
    private let log: Logger
    /// The trace of the request that brought the first bytes, to which ours belong.
    private let context = ServiceContext.current
    private let state = Mutex(State())
    /// Wakes ``run()``.
    private let (wakes, wake) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
    /// Ends when ``run()`` sends nothing more.
    private let (pauses, pause) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))

    private struct State {
        var schedule = FollowSchedule()
        var hasBegun = false
        /// Where the bytes go; nil before that is settled and after a failure.
        var target: OpenUpload?
        /// What came of it: whether the origin has stored the blob; nil as long as nothing came of it.
        var isStored: Bool?
    }

    init(
        _ upload: Upload,
        namespace: Namespace,
        origins: OriginCluster,
        policy: SharedFollowPolicy,
        counters: ProxyCounters,
        log: Logger
    ) {
        (self.upload, self.namespace) = (upload, namespace)
        (self.origins, self.policy) = (origins, policy)
        (self.counters, self.log) = (counters, log)
    }

    /// Notes that `bytes` bytes are in the upload's file.
    func receive(upTo bytes: Int) {
        if state.withLock({ $0.schedule.receive(upTo: bytes) }) { wake.yield() }
    }

    /// Gives up what was sent, unless it was committed.
    func giveUp() { end(isStored: false) }

    private func end(isStored: Bool) {
        state.withLock { state in
            state.schedule.giveUp()
            state.isStored = state.isStored ?? isStored
        }
        wake.yield()
    }

    // MARK: - In the background

    /// Sends chunks as they come in until the last byte is in, then waits for what comes of it.
    func run() async {
        await ServiceContext.withValue(context ?? .topLevel) { await follow() }
    }

    private func follow() async {
        let isWanted = state.withLock { state in
            state.hasBegun = state.schedule.next() != .stop
            return state.hasBegun
        }
        guard isWanted else { return }
        do {
            try await send()
            pause.finish()
            while state.withLock({ $0.isStored }) == nil, await woken() {}
        } catch {
            noteFailure(error)
        }
        let abandoned = state.withLock { state in
            defer { state.target = nil }
            return state.isStored == true ? nil : state.target
        }
        pause.finish()
        if let abandoned { await cancel(abandoned) }
    }

    /// Returns when there is something to be done: true; or the task is cancelled: false.
    private func woken() async -> Bool {
        var turns = wakes.makeAsyncIterator()
        return await turns.next() != nil
    }

    private func send() async throws {
        let hostCount = origins.hosts.hosts.count
        let target = try await origins.openUpload(namespace: namespace) { [policy] owners in
            policy.isWorthIt(owners: owners, hostCount: hostCount)
        }
        guard let target else { return }
        state.withLock { $0.target = target }
        while true {
            switch state.withLock({ $0.schedule.next() }) {
            case .send(let chunk):
                try await target.send(chunk, of: upload.file)
                state.withLock { $0.schedule.sent(upTo: chunk.upperBound) }
            case .wait: guard await woken() else { throw CancellationError() }
            case .stop: return
            }
        }
    }

    /// Has the origin forget what it has and nobody will commit.
    private func cancel(_ target: OpenUpload) async {
        counters.followsGivenUp.add()
        do {
            try await target.cancel()
        } catch {
            log.debug(
                "an origin keeps an upload until it is idle",
                metadata: [LogKey.address: "\(target.address)", LogKey.error: "\(error)"]
            )
        }
    }

    private func noteFailure(_ error: any Error) {
        log.info(
            "an upload will be sent from its start again",
            metadata: ["upload.id": "\(upload.id)", LogKey.error: "\(error)"]
        )
    }

    // MARK: - At the end

    /// Brings the rest to the origin that has the beginning, if that owns `digest`, and has it store the blob. Nil: the bytes have
    /// to be sent to the owners from the start.
    /// - Throws: ``ClusterError`` when the origin has all bytes and refuses them; `CancellationError`.
    func commit(as digest: Digest) async throws -> UploadOutcome? {
        let isUnderWay = state.withLock { state in
            state.schedule.seal()
            return state.hasBegun
        }
        guard isUnderWay else { return nil }
        wake.yield()
        for await _ in pauses {}
        try Task.checkCancellation()
        let (target, sentBytes) = state.withLock { ($0.target, $0.schedule.sentBytes) }
        guard let target else { return nil }
        var outcome: UploadOutcome?
        defer { end(isStored: outcome == .stored) }
        do {
            let owners = try await origins.owners(of: digest).map(\.address)
            policy.note(owners)
            guard owners.contains(target.address) else { return nil }
            try await sendRest(from: sentBytes, to: target)
        } catch let error as ClusterError {
            noteFailure(error)
            return nil
        }
        outcome = try await commit(target, as: digest)
        return outcome
    }

    private func sendRest(from start: Int, to target: OpenUpload) async throws {
        var start = start
        while start < upload.bytesReceived {
            let end = min(start + FollowSchedule.chunkBytes, upload.bytesReceived)
            try await target.send(start..<end, of: upload.file)
            start = end
        }
    }

    private func commit(_ target: OpenUpload, as digest: Digest) async throws -> UploadOutcome? {
        do {
            let outcome = try await target.commit(as: digest)
            if outcome == .stored { counters.uploadsFollowed.add() }
            return outcome
        } catch let error as ClusterError where error.mayBeTheBytes {
            throw error
        } catch let error as ClusterError {
            noteFailure(error)
            return nil
        }
    }
}

extension ClusterError {
    /// Whether an origin that answers so to a commit may say that the bytes are not those of the digest: ours answer 400,
    /// Kraken's 500.
    var mayBeTheBytes: Bool { code == .status(400) || code == .status(500) }
}

/// The policy of all followers of a proxy.
final class SharedFollowPolicy: Sendable {
    private let policy = Mutex(FollowPolicy())

    /// See ``FollowPolicy/note(_:)``.
    func note(_ owners: [String]) { policy.withLock { $0.note(owners) } }

    /// See ``FollowPolicy/isWorthIt(owners:hostCount:)``; notes `owners`, too.
    func isWorthIt(owners: [String], hostCount: Int) -> Bool {
        policy.withLock { policy in
            policy.note(owners)
            return policy.isWorthIt(owners: owners, hostCount: hostCount)
        }
    }
}
