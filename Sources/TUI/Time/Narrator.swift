// SPDX-License-Identifier: Apache-2.0

import Content
package import Telemetry

/// Turns events into sentences.
///
/// It says what an event's fields say, what the events before it said, and the rules that hold for every swarm. Why
/// something was done comes from the event's reason alone; where that is missing, so it says.
package struct Narrator: Sendable {
    /// Cuts a blob into pieces.
    struct Cut {
        var label: String
        var layout: PieceLayout?
        var pieceCount: Int
    }

    let picture: ClusterPicture
    var rules: SwarmRules { picture.rules }
    private var swarms: [InfoHash: Cut] = [:]
    private var labels: [Digest: String] = [:]
    private var shortNames: [String: String] = [:]
    var memory = NarratorMemory()

    /// A narrator that names peers and blobs as `picture` does.
    package init(_ picture: ClusterPicture) {
        self.picture = picture
        for row in picture.components { shortNames[row.id] = row.shortName }
        for row in picture.blobs {
            if !row.label.isEmpty { labels[row.digest] = row.label }
            guard let infoHash = row.infoHash else { continue }
            swarms[infoHash] = Cut(
                label: row.label.isEmpty ? Scene.short(row.digest) : row.label,
                layout: PieceLayout(blobBytes: row.blobBytes, pieceBytes: row.pieceBytes),
                pieceCount: row.pieceCount
            )
        }
        guard let swarm = picture.swarm, let infoHash = swarm.infoHash else { return }
        swarms[infoHash] = Cut(
            label: swarm.label.isEmpty ? Scene.short(swarm.digest) : swarm.label,
            layout: PieceLayout(blobBytes: swarm.blobBytes, pieceBytes: swarm.pieceBytes),
            pieceCount: swarm.pieceCount
        )
    }

    /// Tells `event`, which came after all that were told or noted before: what happened, then why and what follows, a
    /// paragraph each.
    package mutating func tell(
        _ event: ClusterEvent,
        _ depth: ExplainState.Depth
    ) -> [String] {
        defer { memory.note(event) }
        let paragraphs =
            switch depth {
            case .short: [what(event)]
            case .full: [what(event)] + why(event)
            case .wire: wire(event)
            }
        return paragraphs.map(\.oneColumnPerScalar)
    }

    /// Remembers `event` without telling it.
    package mutating func note(_ event: ClusterEvent) { memory.note(event) }

    // MARK: - Names

    /// Who tells `event`.
    func who(_ event: ClusterEvent) -> String {
        if let name = shortNames[event.component] { return name }
        if let peer = event.localPeer { return picture.name(of: peer) }
        return event.component.isEmpty ? "somebody" : event.component
    }

    /// The other peer of `event`.
    func other(_ event: ClusterEvent) -> String {
        event.peer.map { picture.name(of: $0) } ?? "a peer"
    }

    func piece(_ event: ClusterEvent) -> String { event.piece.map { "#\($0)" } ?? "a piece" }

    /// The blob of `event`, by what it is where that is known.
    func blob(_ event: ClusterEvent) -> String {
        if let digest = event.blob { return labels[digest] ?? Scene.short(digest) }
        guard let torrent = event.torrent else { return "a blob" }
        return swarms[torrent]?.label ?? "swarm \(torrent.hex.prefix(8))"
    }

    func cut(_ event: ClusterEvent) -> Cut? { event.torrent.flatMap { swarms[$0] } }

    /// The bytes of the piece of `event`; nil when the blob is not known.
    func pieceBytes(_ event: ClusterEvent) -> Int? {
        guard let piece = event.piece, let layout = cut(event)?.layout,
            layout.contains(PieceIndex(piece))
        else { return nil }
        return layout.bytes(of: PieceIndex(piece))
    }

    func number(_ event: ClusterEvent, _ key: String) -> Int? {
        event.detail?[key].flatMap { Int($0) }
    }

    /// What was done by a component as a whole, and not in a swarm.
    func what(_ event: ClusterEvent) -> String {
        swarmSentence(event) ?? pieceSentence(event) ?? clusterSentence(event)
            ?? unknownSentence(event)
    }

    func why(_ event: ClusterEvent) -> [String] {
        pieceReasons(event) ?? swarmReasons(event) ?? clusterReasons(event) ?? []
    }

    /// An event of a kind that came after this was written.
    private func unknownSentence(_ event: ClusterEvent) -> String {
        var text = "\(who(event)): \(event.kind)"
        if let peer = event.peer { text += " with \(picture.name(of: peer))" }
        if event.piece != nil { text += " \(piece(event))" }
        if let reason = event.reason { text += ": \(reason)" }
        return text + "."
    }
}

/// Sentences put together.
enum Words {
    static let noReason = "reason not recorded"

    static func counted(_ count: Int, _ noun: String, _ plural: String? = nil) -> String {
        "\(count) \(count == 1 ? noun : plural ?? noun + "s")"
    }

    /// A size without zeros at its end: `4 MiB`.
    static func size(_ bytes: Int) -> String {
        let parts = Units.bytes(Double(bytes)).split(separator: " ")
        guard parts.count == 2, parts[0].contains(".") else { return parts.joined(separator: " ") }
        var number = parts[0]
        while number.last == "0" { number.removeLast() }
        if number.last == "." { number.removeLast() }
        return "\(number) \(parts[1])"
    }

    static func seconds(_ seconds: Double) -> String {
        guard seconds.isFinite else { return Units.unknown }
        if seconds >= 60, seconds.truncatingRemainder(dividingBy: 60) == 0 {
            return "\(Int(min(seconds, 1e9) / 60)) min"
        }
        let isWhole = seconds == seconds.rounded()
        return isWhole && abs(seconds) < 1e9 ? "\(Int(seconds)) s" : Units.duration(seconds)
    }

    static func milliseconds(_ milliseconds: Int) -> String {
        milliseconds >= 0 && milliseconds % 1000 == 0 && milliseconds > 0
            ? seconds(Double(milliseconds) / 1000) : Units.duration(Double(milliseconds) / 1000)
    }

    /// “in 38 ms (105 MiB/s)”, of which each part is left out that is not known.
    static func pace(bytes: Int?, milliseconds: Int?) -> String {
        guard let milliseconds else { return "" }
        var text = " in \(self.milliseconds(milliseconds))"
        if let bytes, milliseconds > 0 {
            text += " (\(Units.rate(Double(bytes) * 1000 / Double(milliseconds))))"
        }
        return text
    }
}
