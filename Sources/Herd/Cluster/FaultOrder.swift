// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import Primitives
import TUI
import Telemetry

/// A fault as it was asked for, checked against the herd that it is to hit.
struct FaultOrder: Sendable {
    /// What happens.
    let kind: FaultRequest.Kind
    /// Whom it hits: for a partition, those of both sides.
    let targets: [SupervisedComponent]
    /// What it does to each of them, by identifier; empty for what is done to whole components.
    let effects: [String: FaultEffect]
    /// How long it lasts; nil: until it is undone.
    let duration: Duration?
    /// What it does, in words.
    let detail: String

    /// The longest time that can be asked for.
    static let secondsMax: Double = 86_400

    /// The fault that `request` asks for.
    /// - Throws: ``Failure`` when nothing is meant by it, or it can't happen to those who are meant.
    init(_ request: FaultRequest, _ control: ClusterControl) throws(Failure) {
        kind = request.kind
        duration = try Self.duration(request.durationSeconds)
        let hit = try control.components(matching: request.targets)
        switch request.kind {
        case .kill, .restart:
            (targets, effects) = (hit, [:])
            detail = "\(request.kind.rawValue) \(Self.list(hit))"
        case .wipe:
            try Self.check(
                hit,
                ["agent", "origin", "build-index", "proxy", "testfs"],
                "writes nothing to disk"
            )
            (targets, effects) = (hit, [:])
            detail = "wipe \(Self.list(hit))"
        case .outage:
            (targets, effects) = (hit, Self.each(hit, .outage))
            detail = "\(Self.list(hit)) \(hit.count == 1 ? "answers" : "answer") 503"
        case .corrupt:
            try Self.check(hit, ["agent", "origin"], "sends no pieces")
            (targets, effects) = (hit, Self.each(hit, .corruption))
            detail = "the next piece from \(Self.list(hit)) is wrong"
        case .throttle:
            try Self.check(hit, ["agent", "origin"], "has no peer connections to throttle")
            let links = try Self.links(request)
            (targets, effects) = (hit, Self.each(hit, .throttle(links)))
            detail = "\(Self.list(hit)) limited to \(links.words)"
        case .partition:
            let others = try Self.others(request, than: hit, control)
            var effects = Self.each(hit, .partition(Self.unreachable(others)))
            effects.merge(Self.each(others, .partition(Self.unreachable(hit)))) { $1 }
            (targets, self.effects) = (hit + others, effects)
            detail = "\(Self.list(hit)) cut off from \(Self.list(others))"
        }
    }

    /// The targets, for people.
    var names: String { Self.list(targets) }
    /// How long it lasts, for people.
    var lasting: String { duration.map { " for \(Int($0.seconds.rounded(.up))) s" } ?? "" }

    // MARK: - Checks

    private static func duration(_ seconds: Double) throws(Failure) -> Duration? {
        guard seconds.isFinite, (0...secondsMax).contains(seconds) else {
            throw Failure(
                "a fault cannot last that long",
                why: "\(seconds) s was asked for",
                remedy: "0 lasts until it is undone; else at most \(Int(secondsMax)) s"
            )
        }
        return seconds == 0 ? nil : .seconds(seconds)
    }

    private static func check(
        _ components: [SupervisedComponent],
        _ kinds: Set<String>,
        _ why: String
    ) throws(Failure) {
        let strangers = components.filter { !kinds.contains($0.planned.kind.rawValue) }
        guard let stranger = strangers.first else { return }
        throw Failure(
            "cannot do that to \(list(strangers))",
            why: "\(stranger.planned.kind.rawValue) \(why)",
            remedy: "it works on: \(kinds.sorted().joined(separator: ", "))"
        )
    }

    /// The latest that throttled links may be: well below the time that peers have to answer.
    static let latencySecondsMax: Double = 2

    private static func links(_ request: FaultRequest) throws(Failure) -> LinkLimits {
        let usual = request.bytesPerSecond
        let delay = request.latencySeconds ?? 0
        let rates = [usual, request.upBytesPerSecond, request.downBytesPerSecond].compactMap { $0 }
        guard !rates.isEmpty || delay > 0, rates.allSatisfy({ $0 > 0 }) else {
            throw Failure(
                "cannot throttle",
                why: "neither a rate nor a latency was named",
                remedy: "name a rate in bytes per second, such as 1M, or a latency, such as 50ms"
            )
        }
        guard delay.isFinite, (0...latencySecondsMax).contains(delay) else {
            throw Failure(
                "cannot throttle",
                why: "a latency of \(delay) s was asked for",
                remedy:
                    "at most \(Int(latencySecondsMax)) s is possible: peers give up on slower ones"
            )
        }
        func rate(_ bytes: Int?) -> ByteRate? { bytes.map(ByteRate.init(bytesPerSecond:)) }
        return LinkLimits(
            up: rate(request.upBytesPerSecond ?? usual),
            down: rate(request.downBytesPerSecond ?? usual),
            delay: delay > 0 ? .seconds(delay) : nil
        )
    }

    // MARK: - Partitions

    /// The other side: those named, or everybody else.
    private static func others(
        _ request: FaultRequest,
        than hit: [SupervisedComponent],
        _ control: ClusterControl
    ) throws(Failure) -> [SupervisedComponent] {
        let ids = Set(hit.map(\.planned.id))
        let others =
            request.others.isEmpty
            ? control.components.filter { !ids.contains($0.planned.id) }
            : try control.components(matching: request.others)
        let both = others.filter { ids.contains($0.planned.id) }
        guard both.isEmpty else {
            throw Failure("cannot partition", why: "\(list(both)) would be on both sides")
        }
        guard !others.isEmpty else {
            throw Failure("cannot partition", why: "there is nobody on the other side")
        }
        return others
    }

    private static func unreachable(_ components: [SupervisedComponent]) -> UnreachablePeers {
        var peers = UnreachablePeers(addresses: [], peerIDs: [], names: [])
        for planned in components.map(\.planned) {
            peers.addresses.formUnion(planned.addresses.values)
            if let peer = planned.sockets["peer"] {
                // The herd's components make their ids from their addresses.
                peers.peerIDs.insert(PeerID(hashOfAddress: planned.dialedHost, port: peer.port))
            }
        }
        peers.names = [list(components)]
        return peers
    }

    // MARK: - Words

    private static func each(
        _ components: [SupervisedComponent],
        _ effect: FaultEffect
    ) -> [String: FaultEffect] {
        Dictionary(uniqueKeysWithValues: components.map { ($0.planned.id, effect) })
    }

    /// How many components are named before the rest is only counted.
    private static let namedMax = 4

    private static func list(_ components: [SupervisedComponent]) -> String {
        let names = components.map(\.planned.id)
        guard names.count > namedMax else { return names.joined(separator: ", ") }
        let rest = names.count - namedMax + 1
        return names.prefix(namedMax - 1).joined(separator: ", ") + " and \(rest) more"
    }
}
