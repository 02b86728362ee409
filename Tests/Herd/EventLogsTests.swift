// SPDX-License-Identifier: Apache-2.0

import Content
import Foundation
import TUI
import Telemetry
import TestSupport
import Testing

@testable import Herd

@Suite("Network-event logs that are followed") struct EventLogsTests {
    private static let torrent = String(repeating: "ab", count: 20)
    private static func peer(_ digit: Int) -> String { String(repeating: "0\(digit)", count: 20) }

    /// A line as Kraken writes it.
    private func line(_ own: Int, _ second: Int, _ rest: String) -> String {
        #"{"torrent":"\#(Self.torrent)","self":"\#(Self.peer(own))","ts":"2026-08-14T14:03:"#
            + "\(10 + second).5Z\"," + rest + "}\n"
    }

    private func write(_ text: String, to file: URL, append: Bool = true) throws {
        guard append, let handle = try? FileHandle(forWritingTo: file) else {
            return try Data(text.utf8).write(to: file)
        }
        try handle.seekToEnd()
        try handle.write(contentsOf: Data(text.utf8))
        try handle.close()
    }

    private func sample(_ logs: EventLogs) throws -> Sample {
        try logs.read()
        var sample = Sample(snapshot: ClusterSnapshot(components: []))
        logs.add(to: &sample)
        return sample
    }

    @Test("several logs make one swarm, which grows with them, also by half a line")
    func grows() async throws {
        try await withTemporaryFolder { folder in
            let files = ["a.log", "b.log"].map { URL(filePath: folder).appending(path: $0) }
            try write(
                line(1, 0, #""event":"add_torrent","bitfield":[false,false]"#)
                    + line(1, 2, #""event":"add_active_conn","peer":"\#(Self.peer(2))""#),
                to: files[0]
            )
            try write(line(2, 1, #""event":"add_torrent","bitfield":[true,true]"#), to: files[1])
            let logs = EventLogs(files.map(\.path), isAlone: true)
            var now = try sample(logs)
            #expect(now.events.map(\.kind) == [.addTorrent, .addTorrent, .addActiveConnection])
            #expect(now.snapshot.components.map(\.id) == ["agent-0", "agent-1"])
            #expect(now.snapshot.components[1].swarms?.first?.phase == .seeding)
            let receipt = line(
                1,
                3,
                #""event":"receive_piece","peer":"\#(Self.peer(2))","piece":1"#
            )
            try write(String(receipt.prefix(50)), to: files[0])
            #expect(try sample(logs).events.isEmpty)
            try write(String(receipt.dropFirst(50)), to: files[0])
            now = try sample(logs)
            #expect(now.events.map(\.piece) == [1] && now.events[0].component == "agent-0")
            let swarm = try #require(now.snapshot.components[0].swarms?.first)
            #expect(swarm.pieces.bitfield.heldCount == 1 && swarm.peers.count == 1)
            #expect(try sample(logs).events.isEmpty)
            // Numbers go on, whatever file a line stands in.
            #expect(now.events[0].sequence == 4)
        }
    }

    @Test("a log that is moved away is read to its end, and the new one from its beginning")
    func rotation() async throws {
        try await withTemporaryFolder { folder in
            let file = URL(filePath: folder).appending(path: "a.log")
            try write(line(1, 0, #""event":"add_torrent","bitfield":[true]"#), to: file)
            let logs = EventLogs([file.path], isAlone: true)
            #expect(try sample(logs).events.count == 1)
            try write(line(1, 1, #""event":"torrent_complete""#), to: file)
            let old = file.appendingPathExtension("1")
            try FileManager.default.moveItem(at: file, to: old)
            #expect(try sample(logs).events.map(\.kind) == [.torrentComplete])
            try write(line(1, 2, #""event":"torrent_cancelled""#), to: file, append: false)
            #expect(try sample(logs).events.map(\.kind) == [.torrentCancelled])
            // Emptied and written anew in its place.
            let handle = try FileHandle(forWritingTo: file)
            try handle.truncate(atOffset: 0)
            try handle.write(contentsOf: Data(line(3, 3, #""event":"torrent_complete""#).utf8))
            try handle.close()
            #expect(try sample(logs).events.count == 1)
        }
    }

    @Test("a component that tells its own events is not told twice, and no name is given twice")
    func beside() async throws {
        try await withTemporaryFolder { folder in
            let file = URL(filePath: folder).appending(path: "a.log")
            let text = (1...2).map { line($0, $0, #""event":"add_torrent","bitfield":[true]"#) }
            try write(text.joined(), to: file)
            let logs = EventLogs([file.path], isAlone: false)
            try logs.read()
            var live = ComponentSnapshot(kind: .agent, id: "agent-0", health: .ok)
            live.peerID = PeerID(hex: Self.peer(1))
            var sample = Sample(snapshot: ClusterSnapshot(components: [live]))
            logs.add(to: &sample)
            #expect(sample.snapshot.components.map(\.id) == ["agent-0", "p0202020"])
            #expect(sample.events.map(\.component) == ["p0202020"])
        }
    }

    @Test("a log that can't be read says so")
    func absent() {
        let logs = EventLogs(["/nonexistent/a.log"], isAlone: true)
        #expect(throws: (any Error).self) { try logs.read() }
    }
}
