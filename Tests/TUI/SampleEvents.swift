// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import TUI
import Telemetry

/// The events of ``SamplePicture``: some two thousand of pieces, then one of every kind that matters.
enum SampleEvents {
    private static let torrent = InfoHash(hashing: Array(SamplePicture.layer.hex.utf8))

    static func fill(_ window: inout EventWindow) {
        var generator = Generator(seed: 7)
        var events: [ClusterEvent] = []
        for index in 0..<2000 {
            let event = index % 2 == 0 ? received(&generator) : requested(&generator)
            events.append(at(Double(index - 2000) / 213 - 0.45, event, sequence: index + 1))
        }
        for (index, sample) in latest.reversed().enumerated() {
            var event = sample.event
            event.component = sample.component
            events.append(at(sample.second, event, sequence: 2001 + index))
        }
        window.append(events)
        for second in 0..<60 {
            let burst = second > 50 ? second * 2 : 0
            window.rates.append(Double(60 + second * 3 % 37 + burst))
        }
    }

    private static func at(_ second: Double, _ event: ClusterEvent, sequence: Int) -> ClusterEvent {
        var event = event
        event.timestamp = SamplePicture.second(second)
        event.sequence = UInt64(sequence)
        return event
    }

    private static func agent(_ index: Int) -> String { "a\(index < 10 ? "0" : "")\(index)" }

    private static func piece(
        _ kind: EventKind,
        _ to: Int,
        _ from: Int,
        _ piece: Int
    ) -> ClusterEvent {
        var event = ClusterEvent(
            kind,
            torrent: torrent,
            localPeer: SamplePicture.peer(agent(to)),
            peer: SamplePicture.peer(agent(from)),
            piece: piece
        )
        event.component = "agent-\(to)"
        return event
    }

    private static func received(_ generator: inout Generator) -> ClusterEvent {
        var event = piece(
            .receivePiece,
            generator.below(24),
            generator.below(24),
            generator.below(48)
        )
        (event.bytes, event.tookMilliseconds) = (4 << 20, 20 + generator.below(50))
        return event
    }

    private static func requested(_ generator: inout Generator) -> ClusterEvent {
        var event = piece(
            .requestPiece,
            generator.below(24),
            generator.below(24),
            generator.below(48)
        )
        event.reason = "rarest(availability: \(3 + generator.below(5)))"
        event.detail = [
            "offered": "\(2 + generator.below(18))", "holders": "6", "conns": "10",
            "slot": "\(1 + generator.below(3))", "slots": "3",
        ]
        return event
    }

    private struct Sample {
        var second: Double
        var component: String
        var event: ClusterEvent
    }

    private static func sample(
        _ second: Double,
        _ component: String,
        _ kind: EventKind,
        blob: Digest? = nil,
        peer: String? = nil,
        piece: Int? = nil,
        bytes: Int? = nil,
        took: Int? = nil,
        lasts: Int? = nil,
        reason: String? = nil,
        _ detail: [String: String]? = nil
    ) -> Sample {
        let isSwarm = component.hasPrefix("agent") && kind != .fault || kind == .announce
        let event = ClusterEvent(
            kind,
            torrent: isSwarm ? torrent : nil,
            blob: blob,
            peer: peer.map(SamplePicture.peer),
            piece: piece,
            bytes: bytes,
            tookMilliseconds: took,
            durationMilliseconds: lasts,
            reason: reason,
            detail: detail
        )
        return Sample(second: second, component: component, event: event)
    }

    /// Newest first, as the screen shows them.
    private static let latest: [Sample] = [
        sample(-0.038, "agent-11", .receivePiece, peer: "a03", piece: 31, bytes: 4 << 20, took: 38),
        sample(
            -0.045,
            "agent-5",
            .requestPiece,
            peer: "a04",
            piece: 37,
            reason: "rarest(availability: 5)",
            ["offered": "11", "holders": "5", "conns": "10", "slot": "2", "slots": "3"]
        ),
        sample(
            -0.06,
            "agent-3",
            .torrentComplete,
            blob: SamplePicture.layer,
            bytes: 192 << 20,
            took: 6200,
            ["bytes_from_agents": "\(176 << 20)"]
        ),
        sample(-0.106, "agent-9", .banConnection, peer: "a20", lasts: 30_000, reason: "unanswered"),
        sample(-0.109, "origin-1", .connectionRejected, peer: "a19", reason: "noSlot"),
        sample(
            -0.15,
            "origin-2",
            .writeBackFailed,
            blob: SamplePicture.second,
            reason: "503 service unavailable",
            ["attempt": "2", "namespace": "demo/.*"]
        ),
        sample(
            -0.199,
            "tracker",
            .announce,
            peer: "a22",
            ["peers": "26", "origins": "3", "seeders": "2", "policy": "default"]
        ),
        sample(-0.217, "agent-3", .addActiveConnection, peer: "a11", ["direction": "outgoing"]),
        sample(-0.22, "agent-11", .dropActiveConnection, peer: "a20", reason: "idle"),
        sample(-0.249, "proxy", .push, blob: SamplePicture.digest("5d0c"), ["tag": "demo/web:v42"]),
        sample(
            -0.27,
            "build-index",
            .tagPut,
            blob: SamplePicture.digest("5d0c"),
            ["tag": "demo/web:v42"]
        ),
        sample(-0.3, "agent-2", .requestPiece, peer: "a05", piece: 9, reason: "endgame"),
        sample(-0.329, "agent-22", .addTorrent, ["held": "0", "pieces": "48"]),
        sample(-0.347, "agent-9", .requestExpired, peer: "a11", piece: 2, lasts: 16_000),
        sample(-0.35, "agent-4", .requestWithdrawn, peer: "a02", piece: 11, reason: "moved"),
        sample(-0.36, "agent-7", .hashFailed, peer: "a13", piece: 40),
        sample(
            -0.38,
            "origin-0",
            .replicationDone,
            blob: SamplePicture.second,
            bytes: 64 << 20,
            took: 96,
            reason: "upload",
            ["to": "127.0.0.1:15012"]
        ),
        sample(
            -0.4,
            "origin-1",
            .blobCommitted,
            blob: SamplePicture.third,
            bytes: 29_884_416,
            reason: "upload"
        ),
        sample(-0.41, "origin-0", .membership, reason: "unhealthy", ["member": "127.0.0.1:15022"]),
        sample(-0.44, "agent-20", .fault, reason: "kill", ["state": "on", "seconds": "30"]),
    ]
}
