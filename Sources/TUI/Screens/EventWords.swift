// SPDX-License-Identifier: Apache-2.0

import Content
package import Telemetry

/// Events in plain words, made of what the event itself says and nothing else; what it does not say is left out.
package enum EventWords {
    /// Who tells it: an agent by its short name, others by their whole one; `—` when nobody is named.
    package static func who(_ event: ClusterEvent, _ scene: Scene) -> String {
        let picture = scene.picture
        if let row = picture.component(event.component) {
            return row.kind == .agent ? row.shortName : row.id
        }
        if !event.component.isEmpty { return event.component }
        return event.localPeer.map { picture.name(of: $0) } ?? Units.unknown
    }

    /// The other peer; nil when there is none.
    package static func peer(_ event: ClusterEvent, _ scene: Scene) -> String? {
        event.peer.map { scene.picture.name(of: $0) }
    }

    /// The first digits of the blob it concerns, as the event or the swarm's row tells it; nil when neither does.
    package static func blob(_ event: ClusterEvent, _ scene: Scene) -> String? {
        if let blob = event.blob { return Scene.short(blob) }
        guard let torrent = event.torrent else { return nil }
        if let row = scene.picture.blobs.first(where: { $0.infoHash == torrent }) {
            return Scene.short(row.digest)
        }
        return "swarm \(torrent.hex.prefix(8))"
    }

    /// The look of an event of `kind`: what ends well, what goes wrong, what to look at.
    package static func role(_ kind: EventKind) -> Role {
        switch kind {
        case .torrentComplete, .writeBackDone, .replicationDone: .complete
        case .banConnection, .hashFailed, .torrentCancelled: .down
        case .writeBackFailed, .replicationFailed, .announceFailed, .requestExpired, .fault,
            .membership, .health:
            .warning
        case .push, .pull, .tagPut, .blobCommitted, .lesson: .title
        case .receivePiece, .sendPiece, .requestPiece: .text
        default: .hint
        }
    }

    // MARK: - Details

    /// What the column DETAIL of an event says: everything but who, kind, peer and piece.
    package static func detail(_ event: ClusterEvent, _ scene: Scene) -> String {
        let blob = blob(event, scene)
        switch event.kind {
        case .receivePiece, .sendPiece, .duplicatePiece: return join(size(event), took(event))
        case .requestPiece: return request(event)
        case .torrentComplete: return completion(event, blob: blob)
        case .banConnection: return lasting(event)
        case .announce, .leave: return announce(event, blob: blob)
        case .addTorrent: return join(blob, held(event))
        case .requestExpired: return expiry(event)
        case .requestWithdrawn:
            return event.reason.map(ReasonWords.withdrawal) ?? "reason not recorded"
        case .lesson: return event.reason ?? ""
        case .hashFailed: return "does not match its sum; asked again"
        case .push, .pull, .tagPut: return tag(event, blob: blob)
        case .membership: return membership(event, scene)
        case .writeBackFailed, .replicationFailed: return failure(event, blob: blob, scene)
        case .writeBackQueued, .writeBackDone, .replicationQueued, .replicationDone,
            .blobCommitted, .blobEvicted, .blobRefreshed:
            return stored(event, blob: blob, scene)
        case .addActiveConnection: return connection(event)
        case .connectionRejected, .dropActiveConnection, .torrentCancelled, .announceFailed:
            return event.reason.map(ReasonWords.plain) ?? "reason not recorded"
        default: return other(event, blob: blob)
        }
    }

    private static func completion(_ event: ClusterEvent, blob: String?) -> String {
        var text = size(event) ?? blob ?? ""
        if let took = event.tookMilliseconds {
            text += " in \(Units.duration(Double(took) / 1000))"
        }
        if let share = agentShare(event) { text += ", \(share) from agents" }
        return text
    }

    /// The share of its bytes that agents sent.
    static func agentShare(_ event: ClusterEvent) -> String? {
        guard let bytes = event.bytes, bytes > 0,
            let fromAgents = event.number("bytes_from_agents")
        else { return nil }
        return Units.percent(Double(fromAgents) / Double(bytes))
    }

    private static func lasting(_ event: ClusterEvent) -> String {
        let duration = event.durationMilliseconds.map { Units.plainDuration(milliseconds: $0) }
        return [duration, event.reason.map(ReasonWords.plain)].compactMap(\.self)
            .joined(separator: ": ")
    }

    private static func announce(_ event: ClusterEvent, blob: String?) -> String {
        if let peers = event.number("peers") {
            return "\(peers) peers handed out" + (handout(event).map { ": \($0)" } ?? "")
        }
        if event.kind == .leave { return join(blob, "leaves the swarm") }
        let isComplete = event.reason == "complete" || event.text("complete") == "true"
        return join(blob, isComplete ? "complete" : "asks who has it")
    }

    /// `3 origin 2 seed 21 leech`.
    static func handout(_ event: ClusterEvent, separator: String = " ") -> String? {
        guard let peers = event.number("peers"), let origins = event.number("origins"),
            let seeders = event.number("seeders")
        else { return nil }
        let (leechers, overflow) = peers.subtractingReportingOverflow(origins)
        let rest = overflow ? nil : leechers.subtractingReportingOverflow(seeders)
        var parts = ["\(origins) origin", "\(seeders) seed"]
        if let rest, !rest.overflow, rest.partialValue >= 0 {
            parts.append("\(rest.partialValue) leech")
        }
        return parts.joined(separator: separator)
    }

    private static func held(_ event: ClusterEvent) -> String? {
        guard let held = event.number("held"), let pieces = event.number("pieces") else {
            return nil
        }
        return "\(held) of \(pieces) pieces"
    }

    private static func expiry(_ event: ClusterEvent) -> String {
        if let reason = event.reason { return ReasonWords.plain(reason) }
        let time = event.durationMilliseconds ?? event.tookMilliseconds
        let wait = time.map { Units.plainDuration(milliseconds: $0) + " " } ?? ""
        return "\(wait)without payload; asked again elsewhere"
    }

    private static func tag(_ event: ClusterEvent, blob: String?) -> String {
        let name = event.text("tag") ?? event.text("reference") ?? event.text("repository")
        let target = event.text("tag") == nil ? blob : blob.map { "→ \($0.prefix(4))…" }
        return join(name, target, size(event), took(event))
    }

    private static func membership(_ event: ClusterEvent, _ scene: Scene) -> String {
        let member = (event.text("member") ?? event.text("origin")).map { place($0, scene) }
        let state = event.text("state")
        return join(member, state, event.reason.map(ReasonWords.plain))
    }

    private static func failure(
        _ event: ClusterEvent,
        blob: String?,
        _ scene: Scene
    ) -> String {
        let attempt = (event.text("attempt") ?? event.text("failures")).map { "attempt \($0)" }
        let what = join(event.text("tag") ?? blob, target(event, scene), attempt)
        return what + ": " + (event.reason ?? event.text("error") ?? "reason not recorded")
    }

    private static func stored(
        _ event: ClusterEvent,
        blob: String?,
        _ scene: Scene
    ) -> String {
        join(
            event.text("tag") ?? blob,
            target(event, scene),
            size(event),
            took(event),
            event.text("namespace"),
            event.reason.map { "(\(ReasonWords.plain($0)))" }
        )
    }

    private static func connection(_ event: ClusterEvent) -> String {
        if let conns = event.number("conns"), let most = event.number("conns_max") {
            return "\(conns)/\(most) conns"
        }
        return switch event.text("direction") {
        case "outgoing": "dialled by itself"
        case "incoming": "dialled by the peer"
        default: event.reason.map(ReasonWords.plain) ?? ""
        }
    }

    private static func other(_ event: ClusterEvent, blob: String?) -> String {
        let rest = (event.detail ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        let reason = event.reason.map(ReasonWords.plain)
        return ([blob, size(event), took(event), reason].compactMap(\.self) + rest)
            .joined(separator: " ")
    }

    // MARK: - Parts

    /// `→ zone-b`, where it says whom it was sent to.
    static func target(_ event: ClusterEvent, _ scene: Scene) -> String? {
        let target = event.text("to") ?? event.text("destination") ?? event.text("remote")
        return target.map { "→ " + place($0, scene) }
    }

    /// The component that listens at `address`, or the address where none is known to.
    private static func place(_ address: String, _ scene: Scene) -> String {
        scene.picture.components.first { $0.addresses.values.contains(address) }?.id ?? address
    }

    /// `4 MiB`.
    static func size(_ event: ClusterEvent) -> String? { event.bytes.map(Units.plainBytes) }

    /// `38 ms`.
    static func took(_ event: ClusterEvent) -> String? {
        event.tookMilliseconds.map { Units.duration(Double($0) / 1000) }
    }

    static func join(_ parts: String?...) -> String {
        parts.compactMap(\.self).filter { !$0.isEmpty }.joined(separator: " ")
    }
}

extension ClusterEvent {
    /// The text of a detail.
    func text(_ key: String) -> String? { detail?[key] }
    /// The number that a detail says.
    func number(_ key: String) -> Int? { detail?[key].flatMap { Int($0) } }
}

extension Units {
    /// A size as one says it: `4 MiB` where it is that exactly, else three significant digits.
    package static func plainBytes(_ count: Int) -> String {
        var (value, unit) = (max(0, count), 0)
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        while value >= 1024, value % 1024 == 0, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        return value < 1024 ? "\(value) \(units[unit])" : bytes(Double(max(0, count)))
    }

    /// A time limit as one says it: `30 s` where it is that exactly, else as ``duration(_:)``.
    package static func plainDuration(milliseconds: Int) -> String {
        let isWhole = milliseconds % 1000 == 0 && (1000..<90_000).contains(milliseconds)
        return isWhole ? "\(milliseconds / 1000) s" : duration(Double(milliseconds) / 1000)
    }
}
