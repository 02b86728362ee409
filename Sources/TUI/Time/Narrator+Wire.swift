// SPDX-License-Identifier: Apache-2.0

import Content
import Telemetry

/// Events as they stand in the log, and the messages that carried them.
extension Narrator {
    func wire(_ event: ClusterEvent) -> [String] {
        let fields = fields(event).map { "\($0.0)=\($0.1)" }
        let line = ([event.kind.rawValue] + fields).joined(separator: " ")
        return [line] + messages(event)
    }

    private func fields(_ event: ClusterEvent) -> [(String, String)] {
        var fields: [(String, String)] = []
        func add(_ key: String, _ value: String?) {
            if let value { fields.append((key, value)) }
        }
        add("seq", event.sequence > 0 ? "\(event.sequence)" : nil)
        add("component", event.component.isEmpty ? nil : event.component)
        add("torrent", event.torrent.map { String($0.hex.prefix(8)) })
        add("blob", event.blob.map { Scene.short($0) })
        add("self", event.localPeer.map { picture.name(of: $0) })
        add("peer", event.peer.map { picture.name(of: $0) })
        add("piece", event.piece.map { "\($0)" })
        add("bytes", event.bytes.map { "\($0)" })
        add("took_ms", event.tookMilliseconds.map { "\($0)" })
        add("duration_ms", event.durationMilliseconds.map { "\($0)" })
        add("reason", event.reason.map { $0.contains(" ") ? "\"\($0)\"" : $0 })
        for key in (event.detail ?? [:]).keys.sorted() { add(key, event.detail?[key]) }
        return fields
    }

    /// Messages of the peer protocol by their names there, and requests to the tracker.
    private func messages(_ event: ClusterEvent) -> [String] {
        let (own, other) = (who(event), other(event))
        let index = event.piece.map { "index \($0)" } ?? "index ?"
        let length = (event.bytes ?? pieceBytes(event)).map { "\($0)" } ?? "?"
        let span = "\(index), offset 0, length \(length)"
        switch event.kind {
        case .addActiveConnection: return ["\(own) ⇄ \(other)  BITFIELD, each way"]
        case .requestPiece: return ["\(own) → \(other)  PIECE_REQUEST {\(span)}"]
        case .receivePiece:
            return [
                "\(other) → \(own)  PIECE_PAYLOAD {\(span)}, then \(length) bytes",
                "\(own) → peers without it  ANNOUCE_PIECE {\(index)}",
            ]
        case .sendPiece, .duplicatePiece, .hashFailed:
            let (from, to) = event.kind == .sendPiece ? (own, other) : (other, own)
            return ["\(from) → \(to)  PIECE_PAYLOAD {\(span)}, then \(length) bytes"]
        case .requestWithdrawn: return ["\(own) → \(other)  CANCEL_PIECE {\(index)}"]
        case .requestExpired where event.reason == "refused":
            return ["\(other) → \(own)  ERROR {\(index), code 0}"]
        case .torrentComplete: return ["\(own) → peers that lack pieces  COMPLETE"]
        case .announce where event.localPeer != nil:
            let torrent = event.torrent.map { String($0.hex.prefix(8)) + "…" } ?? "?"
            return ["\(own) → tracker  POST /announce/\(torrent)"]
        default: return []
        }
    }
}
