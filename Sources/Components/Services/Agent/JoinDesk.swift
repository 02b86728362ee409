// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import NIOCore
import OrderedCollections
import Primitives
import Synchronization

/// What an agent asks its trackers about a blob, in as few questions as may be.
///
/// The question how a blob is cut is an announce, too, and tells which blobs were completed since the last one: a blob costs
/// one exchange instead of three. Handouts wait here until the swarm asks for them, completions until a question goes to
/// their tracker, for a tenth of a second at most.
final class JoinDesk: CompletionCourier {
    private struct Waiter {
        let address: String
        let continuation: CheckedContinuation<Bool, Never>
        var isTaken = false
    }

    private struct State {
        var waiters: OrderedDictionary<SwarmReference, Waiter> = [:]
        var isTimerSet = false
        var handouts: OrderedDictionary<InfoHash, (handout: TrackerHandout, at: NIODeadline)> = [:]
    }

    private let trackers: TrackerRing
    private let eventLoop: any EventLoop
    private let ridersMax: Int
    private let state = Mutex(State())

    /// How long a completion waits for a question to go with.
    private static let completionWait = TimeAmount.milliseconds(100)
    /// How old a handout may be when its swarm opens; that follows at once.
    private static let handoutAgeMax = TimeAmount.seconds(1)
    /// Handouts that wait; one whose swarm was open already is never asked for.
    private static let handoutsMax = 64

    init(trackers: TrackerRing, eventLoop: any EventLoop, limits: Limits) {
        (self.trackers, self.eventLoop) = (trackers, eventLoop)
        ridersMax = limits.announcesInFlightMax
    }

    /// How `digest` is cut; `peer` begins to download it.
    /// - Throws: as `TrackerRing.join`.
    func metaInfo(
        of digest: Digest,
        namespace: Namespace,
        joining peer: PeerInfo
    ) async throws -> MetaInfo {
        let answer = try await trackers.join(
            digest,
            namespace: namespace,
            as: peer,
            telling: self
        )
        if let handout = answer.handout, !handout.peers.isEmpty {
            state.withLock { state in
                state.handouts[answer.metaInfo.infoHash] = (handout, .now())
                if state.handouts.count > Self.handoutsMax { state.handouts.removeFirst() }
            }
        }
        return answer.metaInfo
    }

    /// What a tracker has handed out for `infoHash` just now, once; nil when it is to be asked.
    func takeHandout(for infoHash: InfoHash) -> TrackerHandout? {
        state.withLock { state in
            guard let (handout, at) = state.handouts.removeValue(forKey: infoHash),
                at + Self.handoutAgeMax > .now()
            else { return nil }
            return handout
        }
    }

    // MARK: - Completions

    /// Waits for a question that goes to the tracker of `swarm`, which is complete; answers whether the tracker has been told.
    func tellOnTheWay(_ swarm: SwarmReference) async -> Bool {
        guard let address = await trackers.joinTracker(of: swarm.digest) else { return false }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isWaiting = !Task.isCancelled && wait(for: swarm, at: address, continuation)
                if !isWaiting { continuation.resume(returning: false) }
            }
        } onCancel: {
            settle([swarm], isTold: false)
        }
    }

    private func wait(
        for swarm: SwarmReference,
        at address: String,
        _ continuation: CheckedContinuation<Bool, Never>
    ) -> Bool {
        let (isWaiting, isTimerNeeded) = state.withLock { state in
            guard state.waiters[swarm] == nil, state.waiters.count < ridersMax else {
                return (false, false)
            }
            state.waiters[swarm] = Waiter(address: address, continuation: continuation)
            defer { state.isTimerSet = true }
            return (true, !state.isTimerSet)
        }
        if isTimerNeeded {
            eventLoop.scheduleTask(in: Self.completionWait) { self.stopWaiting() }
        }
        return isWaiting
    }

    private func stopWaiting() {
        let late = state.withLock { state in
            state.isTimerSet = false
            return state.waiters.elements.filter { !$0.value.isTaken }.map(\.key)
        }
        settle(late, isTold: false)
    }

    func take(for address: String) -> [SwarmReference] {
        state.withLock { state in
            var taken: [SwarmReference] = []
            for index in state.waiters.values.indices
            where !state.waiters.values[index].isTaken
                && state.waiters.values[index].address == address
            {
                state.waiters.values[index].isTaken = true
                taken.append(state.waiters.keys[index])
            }
            return taken
        }
    }

    func settle(_ swarms: [SwarmReference], isTold: Bool) {
        guard !swarms.isEmpty else { return }
        let settled = state.withLock { state in
            swarms.compactMap { state.waiters.removeValue(forKey: $0) }
        }
        for waiter in settled { waiter.continuation.resume(returning: isTold) }
    }
}
