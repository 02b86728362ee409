// SPDX-License-Identifier: Apache-2.0

package import Content
package import Primitives

/// Which blobs one origin may not give up because somebody relies on them, and which are about to be removed.
///
/// Whoever asks for a blob touches it; whoever sends or receives it holds it. A collection condemns blobs that were not
/// used for long enough; from then until it has removed or released them they are as good as gone, so that nobody begins to
/// rely on one in between. After a restart everything counts as touched at that moment.
package struct BlobLeases: Sendable {
    /// Which run of the process this is; instants of another one mean nothing here.
    package let epoch: UInt64
    private let touchesMax: Int
    /// Touches in two generations; when the younger one is full the older one goes, and ``floor`` covers for it.
    private var recent: [Digest: Instant] = [:]
    private var older: [Digest: Instant] = [:]
    private var rotatedAt: Instant
    /// What is not remembered may have been touched as late as this.
    private var floor: Instant
    private var holds: [Digest: Int] = [:]
    private var condemned: [Digest: Condemnation] = [:]

    /// What a collection may remove.
    package struct Condemnation: Hashable, Sendable {
        /// Which collection it is.
        package let run: UInt64
        /// When it ends by itself, should the collection never come back.
        package let until: Instant

        /// A condemnation by `run` that ends at `until`.
        package init(run: UInt64, until: Instant) { (self.run, self.until) = (run, until) }
    }

    /// Why a blob is not given up.
    package enum Refusal: Hashable, Sendable, CustomStringConvertible {
        /// Somebody asked for it, that long before the collection began; negative: since.
        case used(before: Duration)
        /// Nothing is remembered from before this moment, at which the origin started or dropped what it remembered.
        case unremembered
        /// It is being sent or received.
        case held
        /// Another collection is about to remove it.
        case condemned
        /// The origin has restarted since the collection began.
        case restarted

        package var description: String {
            switch self {
            case .used(let age) where age <= .zero: "used since the collection began"
            case .used(let age): "used \(Int(age.seconds)) s before the collection began"
            case .unremembered: "the origin does not remember for as long as the grace period"
            case .held: "being sent or received"
            case .condemned: "another collection is at work on it"
            case .restarted: "the origin has restarted since the collection began"
            }
        }
    }

    /// The leases of a process that starts at `now`, with what an earlier one had condemned.
    package init(
        epoch: UInt64,
        touchesMax: Int,
        condemned: [Digest: Condemnation] = [:],
        at now: Instant
    ) {
        precondition(touchesMax > 1, "each generation holds half")
        (self.epoch, self.touchesMax, self.condemned) = (epoch, touchesMax, condemned)
        (floor, rotatedAt) = (now, now)
    }

    // MARK: - Use

    /// Notes that somebody relies on `digest`; false when it is condemned, and so as good as gone.
    package mutating func touch(_ digest: Digest, at now: Instant) -> Bool {
        guard !isCondemned(digest, at: now) else { return false }
        if recent.count >= touchesMax / 2, recent[digest] == nil {
            (older, recent) = (recent, [:])
            (floor, rotatedAt) = (max(floor, rotatedAt), now)
        }
        recent[digest] = now
        return true
    }

    /// Notes that `digest` is being sent or received until ``release(_:at:)``; false when it is condemned.
    package mutating func hold(_ digest: Digest, at now: Instant) -> Bool {
        guard touch(digest, at: now) else { return false }
        holds[digest, default: 0] += 1
        return true
    }

    /// Ends what one ``hold(_:at:)`` began.
    package mutating func release(_ digest: Digest, at now: Instant) {
        let count = holds[digest, default: 1] - 1
        holds[digest] = count > 0 ? count : nil
        _ = touch(digest, at: now)
    }

    // MARK: - Collections

    /// Whether a collection is about to remove `digest`.
    package func isCondemned(_ digest: Digest, at now: Instant) -> Bool {
        condemned[digest].map { now < $0.until } ?? false
    }

    /// Why `digest` can't be given up to a collection that began here at `began`; nil when it can.
    package func refusal(
        of digest: Digest,
        to run: UInt64,
        began: Instant,
        epoch: UInt64,
        grace: Duration,
        at now: Instant
    ) -> Refusal? {
        guard epoch == self.epoch else { return .restarted }
        if holds[digest] != nil { return .held }
        if isCondemned(digest, at: now), condemned[digest]?.run != run { return .condemned }
        let limit = began.advanced(by: .zero - grace)
        if let touch = recent[digest] ?? older[digest], touch >= limit {
            return .used(before: touch.duration(to: began))
        }
        return floor >= limit ? .unremembered : nil
    }

    /// Condemns `digest` until `until`, which ``refusal(of:to:began:epoch:grace:at:)`` allowed.
    package mutating func condemn(_ digest: Digest, by run: UInt64, until: Instant) {
        condemned[digest] = Condemnation(run: run, until: until)
    }

    /// Whether `run` may remove `digest` now.
    package func mayRemove(_ digest: Digest, by run: UInt64, at now: Instant) -> Bool {
        condemned[digest]?.run == run && isCondemned(digest, at: now) && holds[digest] == nil
    }

    /// Ends what `run` has condemned of `digests`; answers those that it had.
    package mutating func release(_ digests: some Sequence<Digest>, by run: UInt64) -> [Digest] {
        digests.filter { digest in
            guard condemned[digest]?.run == run else { return false }
            condemned[digest] = nil
            return true
        }
    }

    /// Ends what is over at `now`; answers which.
    package mutating func expire(at now: Instant) -> [Digest] {
        let ended = condemned.filter { $0.value.until <= now }.keys.sorted()
        for digest in ended { condemned[digest] = nil }
        return ended
    }

    /// When the first condemnation ends by itself; nil when there is none.
    package var nextDeadline: Instant? { condemned.values.map(\.until).min() }

    /// All that is condemned, to be kept over a restart.
    package var condemnations: [Digest: Condemnation] { condemned }
}
