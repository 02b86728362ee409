// SPDX-License-Identifier: Apache-2.0

import Content
import TUI
import Telemetry
import Testing

@Suite("Events in words")
struct EventWordsTests {
    private let scene = Scene(SamplePicture.make(), SamplePicture.view(.events, 120, 36))

    private func event(_ kind: EventKind) throws -> ClusterEvent {
        try #require(scene.picture.events.last { $0.kind == kind })
    }

    @Test(
        "details and sentences say what the event says",
        arguments: [
            (EventKind.receivePiece, "4 MiB 38 ms", "got piece 31 from a03  4 MiB in 38 ms"),
            (
                .torrentComplete, "192 MiB in 6.2 s, 92% from agents",
                "✓ complete 9f3c41d0  192 MiB in 6.2 s"
            ),
            (.banConnection, "30 s: did not answer", "✕ blacklist a20 30s  did not answer"),
            (
                .requestWithdrawn, "another holder is asked instead",
                "take piece 11 back from a02: another holder is asked instead"
            ),
            (.connectionRejected, "torrent at capacity", "no conn to a19  torrent at capacity"),
            (
                .writeBackFailed, "02be77a1 attempt 2: 503 service unavailable",
                "▲ write-back 02be77a1 failed (2): 503 service unavailable"
            ),
            (
                .announce, "26 peers handed out: 3 origin 2 seed 21 leech",
                "announce a22 → 26 peers (3 origin, 2 seed, 21 leech)"
            ),
            (.addActiveConnection, "dialled by itself", "conn to a11 active"),
            (.push, "demo/web:v42 → 5d0c…", "push demo/web:v42 → 5d0c…"),
            (.addTorrent, "9f3c41d0 0 of 48 pieces", "join 9f3c41d0 0 of 48 pieces"),
            (.membership, "origin-2 unhealthy", "▲ membership origin-2 unhealthy"),
            (
                .replicationDone, "02be77a1 → origin-1 64 MiB 96 ms (upload)",
                "✓ replicate 02be77a1 → origin-1 done  64 MiB in 96 ms"
            ),
        ]
    )
    func words(_ kind: EventKind, _ detail: String, _ sentence: String) throws {
        let event = try event(kind)
        #expect(EventWords.detail(event, scene) == detail)
        #expect(EventWords.sentence(event, scene).text == sentence)
    }

    @Test(
        "requests tell their reason as it was recorded",
        arguments: [
            ("rarest(availability: 5)", "rarest of 11 on offer: 5 of 10 conns; slot 2/3"),
            ("random", "any of 11 on offer: 7 of 10 conns; slot 2/3"),
            ("reader", "a reader waits for it: 7 of 10 conns; slot 2/3"),
            ("onlySource", "no other conn has it; slot 2/3"),
            ("endgame", "endgame, asked of others too: 7 of 10 conns; slot 2/3"),
            (nil, "reason not recorded: 7 of 10 conns; slot 2/3"),
        ] as [(String?, String)]
    )
    func requests(_ reason: String?, _ detail: String) {
        let scene = scene
        let event = ClusterEvent(
            .requestPiece,
            piece: 37,
            reason: reason,
            detail: ["offered": "11", "holders": "7", "conns": "10", "slot": "2", "slots": "3"]
        )
        #expect(EventWords.detail(event, scene) == detail)
    }

    @Test("what an event does not say is left out, never made up")
    func bare() {
        #expect(EventWords.detail(ClusterEvent(.receivePiece), scene) == "")
        #expect(EventWords.detail(ClusterEvent(.torrentComplete), scene) == "")
        #expect(EventWords.detail(ClusterEvent(.requestPiece), scene) == "reason not recorded")
        #expect(
            EventWords.sentence(ClusterEvent(.receivePiece), scene).text == "got piece — from —"
        )
        #expect(EventWords.who(ClusterEvent(.push), scene) == "—")
        #expect(EventWords.peer(ClusterEvent(.push), scene) == nil)
    }

    @Test("names of reasons become words, sentences stay as they are")
    func reasons() {
        #expect(ReasonWords.plain("badPiece") == "sent a wrong piece")
        #expect(ReasonWords.plain("swarmForgotten") == "swarm forgotten")
        #expect(
            ReasonWords.plain("protocolViolation(\"too short\")") == "protocol violation: too short"
        )
        #expect(ReasonWords.plain("503 service unavailable") == "503 service unavailable")
        #expect(ReasonWords.plain("") == "")
    }

    @Test("sizes and times as one says them")
    func units() {
        #expect(Units.plainBytes(4 << 20) == "4 MiB")
        #expect(Units.plainBytes(29_884_416) == "28.5 MiB")
        #expect(Units.plainBytes(0) == "0 B")
        #expect(Units.plainBytes(.min) == "0 B")
        #expect(Units.plainDuration(milliseconds: 30_000) == "30 s")
        #expect(Units.plainDuration(milliseconds: 600_000) == "10m00s")
        #expect(Units.plainDuration(milliseconds: 250) == "250 ms")
    }
}
