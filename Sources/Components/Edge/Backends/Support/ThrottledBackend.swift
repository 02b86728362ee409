// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import NIOCore
import Primitives
import Synchronization

/// A backend to which and from which bytes go no faster than they may.
struct ThrottledBackend: Backend {
    private let base: any Backend
    private let gates: BandwidthGates

    var name: String { base.name }

    /// `base` within `gates`.
    init(_ base: any Backend, _ gates: BandwidthGates) { (self.base, self.gates) = (base, gates) }

    func stat(_ name: String, namespace: Namespace) async throws -> BackendObject? {
        try await base.stat(name, namespace: namespace)
    }

    func download(
        _ name: String,
        namespace: Namespace,
        into write: (ByteBuffer) async throws -> Void
    ) async throws {
        try await base.download(name, namespace: namespace) { part in
            try await gates.ingress.pass(part.readableBytes)
            try await write(part)
        }
    }

    func upload(_ name: String, namespace: Namespace, from source: BackendSource) async throws {
        var source = source
        let egress = gates.egress
        source.pace = { try await egress.pass($0) }
        try await base.upload(name, namespace: namespace, from: source)
    }

    func delete(_ name: String, namespace: Namespace) async throws {
        try await base.delete(name, namespace: namespace)
    }

    func list(_ request: BackendListRequest) async throws -> BackendListPage {
        try await base.list(request)
    }

    func lists(_ first: String, before second: String) -> Bool { base.lists(first, before: second) }

    func close() async { await base.close() }
}

/// The two directions of a backend's traffic.
package struct BandwidthGates: Sendable {
    /// To the backend.
    let egress: BandwidthGate
    /// From it.
    let ingress: BandwidthGate

    init(_ bandwidth: BackendBandwidth) {
        egress = BandwidthGate(bandwidth.egress)
        ingress = BandwidthGate(bandwidth.ingress)
    }

    /// Gives each of `memberCount` their part.
    func share(among memberCount: Int) {
        egress.share(among: memberCount)
        ingress.share(among: memberCount)
    }
}

/// Lets bytes pass at a rate, over all who ask.
final class BandwidthGate: Sendable {
    private let schedule: Mutex<PacedSchedule>
    private let start = ContinuousClock.now

    /// A gate for `rate`.
    init(_ rate: ByteRate) { schedule = Mutex(PacedSchedule(rate: rate)) }

    /// Returns when `bytes` more may go.
    /// - Throws: `CancellationError`.
    func pass(_ bytes: Int) async throws {
        let now = Instant.origin.advanced(by: start.duration(to: .now))
        let pause = schedule.withLock { $0.reserve(bytes, at: now) }
        // The limit itself: nothing happens that could be awaited.
        if pause > .zero { try await Task.sleep(for: pause) }
    }

    /// One of `memberCount` that share the rate.
    func share(among memberCount: Int) {
        schedule.withLock { $0.memberCount = max(1, memberCount) }
    }
}

/// The arithmetic of a rate: bytes are promised a time at which they may go, one after another, so no transfer is too
/// large for it.
struct PacedSchedule: Hashable, Sendable {
    /// Bytes per second, for all members together.
    let rate: ByteRate
    /// How many share the rate.
    var memberCount = 1
    /// When everything promised so far has gone.
    private var emptyAt = Instant.origin

    /// What an idle time is worth at most.
    static let burst = Duration.milliseconds(250)

    /// Nothing promised yet.
    init(rate: ByteRate) { self.rate = rate }

    /// Promises `bytes` their turn; answers how long it is until then.
    mutating func reserve(_ bytes: Int, at now: Instant) -> Duration {
        let share = Double(rate.bytesPerSecond) / Double(memberCount)
        let cost = Duration.nanoseconds(Int64(min(Double(bytes) / share * 1e9, 0x1p62)))
        let begin = max(emptyAt, now.advanced(by: .zero - Self.burst))
        emptyAt = begin.advanced(by: cost)
        return max(.zero, now.duration(to: begin))
    }
}
