// SPDX-License-Identifier: Apache-2.0

package import Content

/// What an agent has completed and tells a tracker with its next ``TrackerRing/join(_:namespace:as:telling:)``, if that
/// comes soon.
package protocol CompletionCourier: Sendable {
    /// The swarms of which the tracker at `address` has still to hear; they are in the caller's hands then.
    func take(for address: String) -> [SwarmReference]
    /// What became of those that were taken: whether the tracker has been told.
    func settle(_ swarms: [SwarmReference], isTold: Bool)
}

extension TrackerRing {
    /// How `digest` is cut and, where the tracker answers both at once, whom `peer`, which begins to download it, may dial;
    /// waits while the origins fetch the blob. `.notFound` when nobody has it.
    package func join(
        _ digest: Digest,
        namespace: Namespace,
        as peer: PeerInfo,
        telling courier: some CompletionCourier
    ) async throws -> TrackerJoin {
        try await poll.untilDone {
            try await asking(digest, "meta info of \(digest)") { tracker in
                guard notJoining.mayKnow(tracker.address) else {
                    let metaInfo = try await tracker.metaInfo(of: digest, namespace: namespace)
                    return TrackerJoin(metaInfo: metaInfo, handout: nil)
                }
                let completed = courier.take(for: tracker.address)
                var isTold = false
                defer { courier.settle(completed, isTold: isTold) }
                if let answer = try await tracker.join(
                    digest,
                    namespace: namespace,
                    as: peer,
                    completed: completed
                ) {
                    isTold = true
                    return answer
                }
                do {
                    let metaInfo = try await tracker.metaInfo(of: digest, namespace: namespace)
                    // It knows the blob, so it was the question that it does not know.
                    notJoining.note(tracker.address)
                    return TrackerJoin(metaInfo: metaInfo, handout: nil)
                } catch let error as ClusterError where error.code == .accepted {
                    notJoining.note(tracker.address)
                    throw error
                }
            }
        }
    }

    /// The tracker that hears of `digest` first, if it is to be told of completions by the way.
    package func joinTracker(of digest: Digest) async -> String? {
        guard let address = await trackers(of: digest).first, notJoining.mayKnow(address) else {
            return nil
        }
        return address
    }
}
