// SPDX-License-Identifier: Apache-2.0

import Primitives
import SwarmCore

/// The arithmetic of a bandwidth limit, to the byte: says when bytes may flow, and is told how many did.
///
/// Whoever finds it open may spend any number of bytes; the debt keeps it shut for as long as they take at the rate. So no
/// byte is free, no request is too large, and a long pause saves up no more than `burst`.
struct TokenBucket: Hashable, Sendable {
    /// The limit.
    let rate: ByteRate
    /// What an idle time is worth at most.
    let burst: Duration
    /// Until when the bytes spent so far take at the rate; open from then on.
    private(set) var opensAt: Instant

    /// A bucket that is full at `now`.
    /// - Precondition: `rate` is positive.
    init(rate: ByteRate, burst: Duration, at now: Instant) {
        precondition(rate.bytesPerSecond > 0, "a limit that lets nothing through")
        (self.rate, self.burst) = (rate, burst)
        opensAt = now.advanced(by: .zero - burst)
    }

    /// Whether bytes may flow at `now`.
    func isOpen(at now: Instant) -> Bool { opensAt <= now }

    /// Notes that `bytes` bytes flow at `now`.
    mutating func spend(_ bytes: Int, at now: Instant) {
        let earliest = now.advanced(by: .zero - burst)
        let nanoseconds = Int64(bytes).multipliedFullWidth(by: 1_000_000_000)
        let cost = Int64(rate.bytesPerSecond).dividingFullWidth(nanoseconds).quotient
        opensAt = max(opensAt, earliest).advanced(by: .nanoseconds(cost))
    }
}

/// A direction of a driver's traffic: who waits for bandwidth, and in which order they get it.
struct BandwidthGate {
    private var bucket: TokenBucket?
    private var waiting: [ConnectionID] = []

    /// A gate that lets `rate` through; nil: everything.
    init(rate: ByteRate?, at now: Instant) {
        bucket = rate.map { TokenBucket(rate: $0, burst: BandwidthShape.burst, at: now) }
    }

    /// The limit; nil: none.
    var rate: ByteRate? { bucket?.rate }

    /// Lets `rate` through from `now` on; those who wait keep their places.
    mutating func limit(to rate: ByteRate?, at now: Instant) {
        bucket = rate.map { TokenBucket(rate: $0, burst: BandwidthShape.burst, at: now) }
    }

    /// Whether there is a limit.
    var isLimited: Bool { bucket != nil }

    /// Whether bytes may flow at `now`.
    func isOpen(at now: Instant) -> Bool { bucket?.isOpen(at: now) ?? true }

    /// When ``next(at:)`` answers again; nil when nobody waits.
    var nextDeadline: Instant? { waiting.isEmpty ? nil : bucket?.opensAt ?? .origin }

    /// Queues `key` up, unless it waits already; a transfer that has begun goes first, so that it ends soon.
    mutating func wait(_ key: ConnectionID, hasBegun: Bool = false) {
        guard !waiting.contains(key) else { return }
        if hasBegun { waiting.insert(key, at: 0) } else { waiting.append(key) }
    }

    /// Whose turn it is at `now`; it no longer waits then. Nil when nobody waits or nothing may flow.
    mutating func next(at now: Instant) -> ConnectionID? {
        guard !waiting.isEmpty, isOpen(at: now) else { return nil }
        return waiting.removeFirst()
    }

    /// `key` no longer wants anything.
    mutating func cancel(_ key: ConnectionID) { waiting.removeAll { $0 == key } }

    /// Notes that `bytes` bytes flow at `now`.
    mutating func spend(_ bytes: Int, at now: Instant) { bucket?.spend(bytes, at: now) }
}

/// How traffic is cut so that a limit gives an even flow.
enum BandwidthShape {
    /// What an idle limit saves up: short enough for an even flow, long enough for a late timer.
    static let burst = Duration.milliseconds(50)
    /// What a slice takes at its rate, about.
    static let sliceTime = Duration.milliseconds(5)
    /// The most bytes sent or read in one go under a limit.
    private static let sliceBytesMax = 128 << 10
    private static let sliceBytesMin = 4 << 10

    /// Bytes sent or read in one go under `rate`: about 5 ms of it, a power of two; nil without a limit.
    static func sliceBytes(for rate: ByteRate?) -> Int? {
        guard let rate else { return nil }
        var bytes = sliceBytesMin
        while bytes < sliceBytesMax, bytes * 200 < rate.bytesPerSecond { bytes *= 2 }
        return bytes
    }
}
