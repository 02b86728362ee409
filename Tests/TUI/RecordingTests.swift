// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import TUI
import Telemetry
import TestSupport
import Testing

@Suite("Recordings")
struct RecordingTests {
    private static func lines() -> [RecordLine] {
        var toy = ToySwarm(seed: 4)
        var history = History()
        toy.play(seconds: 1, into: &history)
        let snapshot = ClusterSnapshot(
            takenAt: toy.now,
            components: [
                ComponentSnapshot(kind: .agent, id: "agent-0", takenAt: toy.now, health: .ok)
            ]
        )
        let header = RecordHeader(cluster: "devcluster", startedAt: ToySwarm.start)
        return [.header(header), .snapshot(snapshot)] + toy.window.map { .event($0) }
    }

    @Test("what was written is read again, however it comes in", arguments: Seeds.fresh(3))
    func roundTrip(seed: UInt64) throws {
        let lines = Self.lines()
        #expect(lines.count > 30)
        let bytes = try lines.flatMap { try $0.encoded() }
        var generator = Generator(seed: seed)
        var (reader, read) = (RecordReader(), [RecordLine]())
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = 1 + generator.below(700)
            read += reader.read(rest.prefix(count))
            rest = rest.dropFirst(count)
        }
        #expect(reader.finish() == nil)
        #expect(read == lines)
        #expect(reader.badLineCount == 0 && reader.lineCount == lines.count)
    }

    @Test("a line without an end counts, too")
    func lastLine() throws {
        var reader = RecordReader()
        let line = RecordLine.header(RecordHeader(cluster: "x", startedAt: ToySwarm.start))
        let bytes = try line.encoded().dropLast()
        #expect(reader.read(bytes).isEmpty)
        #expect(reader.finish() == line)
        #expect(reader.finish() == nil)
    }

    @Test("bad lines are counted and passed over")
    func badLines() throws {
        let good = try RecordLine.event(ClusterEvent(.push)).encoded()
        var bytes = Array(
            "not json\n{}\n[1]\n\n  \r\n{\"event\": 7}\n{\"event\":\"push\"}\n\u{0}\n".utf8
        )
        bytes += good + [0xFF, 0xFE, 0x0A] + good
        var reader = RecordReader()
        let lines = reader.read(bytes)
        #expect(lines.count == 2)
        // Neither the empty line nor the blanks.
        #expect(reader.badLineCount == 6)
        #expect(reader.lineCount == 8)
    }

    @Test("Kraken's network events are read with what they leave out")
    func kraken() throws {
        let torrent = String(repeating: "ab", count: 20)
        let (one, other) = (String(repeating: "01", count: 20), String(repeating: "02", count: 20))
        let start =
            #"{"torrent":"\#(torrent)","self":"\#(one)","ts":"2026-08-14T14:03:27.123456789Z","#
        let log = [
            start + #""event":"add_torrent","bitfield":[true,false,true],"conn_capacity":10}"#,
            start + #""event":"request_piece","peer":"\#(other)"}"#,
            start + #""event":"receive_piece","peer":"\#(other)","piece":1}"#,
            start + #""event":"blacklist_conn","peer":"\#(other)","duration_ms":30000}"#,
        ]
        var reader = RecordReader()
        let events = reader.read(Array((log.joined(separator: "\n") + "\n").utf8)).compactMap {
            if case .event(let event) = $0 { event } else { nil }
        }
        try #require(events.count == 4)
        #expect(events[0].detail?["bitfield"] == "#.#")
        #expect(events[0].detail?["held"] == "2" && events[0].detail?["capacity"] == "10")
        // Kraken leaves zero out.
        #expect(events[1].piece == 0 && events[2].piece == 1)
        #expect(events[3].durationMilliseconds == 30000)
        #expect(events.map(\.sequence) == [1, 2, 3, 4])
        #expect(events[0].localPeer?.hex == one && events[1].peer?.hex == other)
    }
}
