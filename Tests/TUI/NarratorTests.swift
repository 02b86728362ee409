// SPDX-License-Identifier: Apache-2.0

import Content
import FoundationEssentials
import Primitives
import SwarmCore
import TUI
import Telemetry
import TestSupport
import Testing

@Suite("Narrator")
struct NarratorTests {
    /// The picture by whose names the kept log is told.
    private static func picture() -> ClusterPicture {
        var picture = ToySwarm(seed: 1).picture()
        for (id, kind) in [
            ("proxy-0", ComponentKind.proxy), ("build-index-0", .buildIndex), ("origin-9", .origin),
        ] {
            let name = id == "origin-9" ? "o9" : kind.rawValue
            var row = ComponentRow(id: id, shortName: name, kind: kind)
            if kind == .origin { row.addresses = ["http": "127.0.0.1:15022"] }
            picture.components.append(row)
        }
        return picture
    }

    private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "fixtures/tui")

    private static func log() throws -> [ClusterEvent] {
        var reader = RecordReader()
        let bytes = try Data(contentsOf: folder.appending(path: "narration.jsonl"))
        let lines = reader.read(bytes) + [reader.finish()].compactMap { $0 }
        #expect(reader.badLineCount == 0)
        return lines.compactMap { if case .event(let event) = $0 { event } else { nil } }
    }

    /// The kept log in words, at every depth.
    private static func told(_ events: [ClusterEvent]) throws -> String {
        var narrators = ExplainState.Depth.allCases.map { ($0, Narrator(picture())) }
        var text = ""
        for event in events {
            text += String(decoding: try TelemetryJSON.encode(event), as: UTF8.self) + "\n"
            for index in narrators.indices {
                let depth = narrators[index].0
                for (line, paragraph) in narrators[index].1.tell(event, depth).enumerated() {
                    // The full telling begins with the short one.
                    if depth == .full, line == 0 { continue }
                    text +=
                        (depth == .short ? "  " : depth == .full ? "    " : "  ~ ") + paragraph
                        + "\n"
                }
            }
            text += "\n"
        }
        return text
    }

    @Test("the kept log is told in the kept words")
    func golden() throws {
        try Golden.check(text: try Self.told(try Self.log()), "narration")
    }

    @Test("every number in a short sentence is one of the event's")
    func traceable() throws {
        for event in try Self.log() {
            var narrator = Narrator(Self.picture())
            let sentence = narrator.tell(event, .short).joined()
            var fields = "\(event) " + (event.detail ?? [:]).values.joined(separator: " ")
            fields += " demo/web:v42 · 3/4 a b c o9 o1"
            for value in [event.bytes, event.tookMilliseconds, event.durationMilliseconds] {
                guard let value else { continue }
                fields +=
                    " \(Units.bytes(Double(value))) \(value >> 20) \(Units.duration(Double(value) / 1000))"
                fields += " \(value / 1000)"
            }
            if let bytes = event.bytes, let took = event.tookMilliseconds {
                fields += " " + Units.rate(Double(bytes) * 1000 / Double(max(1, took)))
            }
            if let bytes = event.bytes, let shared = event.detail?["bytes_from_agents"] {
                fields += Units.percent((Double(shared) ?? 0) / Double(bytes))
            }
            for peer in [event.localPeer, event.peer].compactMap({ $0 }) {
                fields += " " + Self.picture().name(of: peer)
            }
            let numbers = sentence.split { !$0.isNumber }
            for number in numbers where !fields.contains(number) {
                // What is left of a handout is worked out, and the limit of connections is a rule.
                let rest = ["peers", "origins", "seeders"].compactMap { event.detail?[$0] }
                    .compactMap { Int($0) }
                let isRest = rest.count == 3 && String(rest[0] - rest[1] - rest[2]) == number
                let isRule =
                    event.reason == "noSlot" && number == "10" || event.kind == .torrentCancelled
                #expect(isRest || isRule, "\(number) in: \(sentence)")
            }
        }
    }

    @Test("what has no reason is said to have none")
    func noReason() {
        for kind in [
            EventKind.requestPiece, .banConnection, .dropActiveConnection, .connectionRejected,
        ] {
            var narrator = Narrator(Self.picture())
            var event = ClusterEvent(kind, piece: 3)
            event.component = "agent-5"
            let text = narrator.tell(event, .full).joined(separator: " ").lowercased()
            #expect(text.contains("reason not recorded"), "\(text)")
        }
    }

    @Test("any event is told, in characters of one column", arguments: Seeds.fresh(4))
    func anything(seed: UInt64) {
        var generator = Generator(seed: seed)
        let toy = ToySwarm(seed: seed, agents: 4)
        var narrator = Narrator(toy.picture())
        for _ in 0..<2000 {
            let event = RandomEvents.event(toy, &generator)
            let depth = generator.pick(ExplainState.Depth.allCases)
            let paragraphs = narrator.tell(event, depth)
            #expect(!paragraphs.isEmpty && paragraphs.allSatisfy { !$0.isEmpty })
            #expect(paragraphs.allSatisfy { $0 == $0.oneColumnPerScalar })
        }
    }

    @Test("the rules that are quoted are those of the policy")
    func rules() throws {
        let (rules, policy) = (SwarmRules(), SwarmPolicy())
        #expect(rules.requestOrder == policy.requestOrder.rawValue)
        #expect(rules.requestsPerAgent == policy.requestsPerAgent)
        #expect(rules.requestsPerOrigin == policy.requestsPerOrigin)
        #expect(rules.requestsOfAgents == policy.requestsOfAgentsMax)
        #expect(rules.requestSeconds == policy.requestTimeoutMin / .seconds(1))
        #expect(rules.requestSecondsPerMebibyte == policy.requestTimeoutPerMebibyte / .seconds(1))
        #expect(rules.expiriesMax == policy.expiriesMax)
        #expect(rules.endgamePieces == policy.endgamePieces)
        #expect(rules.endgameSeconds == policy.endgameDelay / .seconds(1))
        #expect(rules.connectionsMax == policy.connectionsMax)
        #expect(rules.idleSeconds == policy.connectionIdleMax / .seconds(1))
        #expect(rules.crowdedIdleSeconds == policy.crowdedIdleMax / .seconds(1))
        #expect(rules.banSeconds == policy.banDuration / .seconds(1))
        #expect(rules.banSecondsMax == policy.banDurationMax / .seconds(1))
        #expect(rules.announceSeconds == policy.announceInterval / .seconds(1))
        #expect(rules.seederIdleSeconds == policy.seederIdleMax / .seconds(1))
        #expect(rules.leecherIdleSeconds == policy.leecherIdleMax / .seconds(1))
        #expect(rules.slowMebibyteSeconds == policy.slowMebibyteTime.map { $0 / .seconds(1) })
        #expect(rules.slowLinkFactor == SwarmPolicy.slowLinkFactor)
        #expect(policy.leavesSlots && rules.connectionsDialled == policy.connectionsMax * 3 / 5)
        for bytes in [1, 1 << 20, 4 << 20, 32 << 20] {
            let layout = try #require(PieceLayout(blobBytes: bytes * 3, pieceBytes: bytes))
            let timeout = policy.requestTimeout(for: layout) / .seconds(1)
            #expect(abs(rules.requestTimeout(bytes: bytes) - timeout) < 0.01)
        }
    }

    @Test("quotes the rules in force, whatever they are")
    func otherRules() {
        var picture = Self.picture()
        picture.rules.requestsPerAgent = 7
        (picture.rules.spreadsRequests, picture.rules.movesRequests) = (false, false)
        (picture.rules.connectionsMax, picture.rules.connectionsDialled) = (20, 20)
        (picture.rules.endgameSeconds, picture.rules.slowMebibyteSeconds) = (0, nil)
        var narrator = Narrator(picture)
        func told(_ kind: EventKind, _ reason: String?) -> String {
            var event = ClusterEvent(kind, piece: 3, reason: reason)
            event.component = "agent-5"
            event.detail = ["slot": "1", "slots": "7"]
            event.peer = ToySwarm(seed: 1).id(4)
            return narrator.tell(event, .full).joined(separator: " ")
        }
        let request = told(.requestPiece, "random")
        #expect(request.contains("At most 7 requests wait at an agent."), "\(request)")
        #expect(!told(.requestPiece, "rarest(availability: 2)").contains("share those who wait"))
        let endgame = told(.requestPiece, "endgame")
        #expect(endgame.contains("has owed it. Whoever"), "\(endgame)")
        let connected = told(.addActiveConnection, nil)
        #expect(connected.contains("at most 20 connections. Agents dial for all of them"))
    }

    @Test("a request that was taken back says why, and so does the one that follows it")
    func withdrawn() {
        let toy = ToySwarm(seed: 1)
        var narrator = Narrator(toy.picture())
        func told(_ kind: EventKind, _ peer: Int, _ reason: String, at seconds: Double) -> String {
            var event = ClusterEvent(kind, torrent: toy.infoHash, piece: 3, reason: reason)
            (event.component, event.peer) = (toy.component(5), toy.id(peer))
            event.timestamp = toy.now.later(bySeconds: seconds)
            return narrator.tell(event, .full).joined(separator: " ")
        }
        _ = told(.requestPiece, 6, "rarest(availability: 1)", at: 0)
        let back = told(.requestWithdrawn, 6, "moved", at: 2)
        #expect(back.contains("took back its request for #3"), "\(back)")
        #expect(back.contains("holders share those who wait"), "\(back)")
        let again = told(.requestPiece, 7, "rarest(availability: 2)", at: 2)
        #expect(again.contains("had waited 2.0 s for it"), "\(again)")
    }

    @Test("concept cards are short and have names of their own")
    func concepts() {
        #expect(Concepts.all.count == 12)
        #expect(Set(Concepts.all.map(\.id)).count == 12)
        for concept in Concepts.all {
            #expect((4...8).contains(concept.lines.count), "\(concept.id)")
            for line in concept.lines {
                #expect(line.unicodeScalars.count <= Concept.lineColumns, "\(line)")
                #expect(line.unicodeScalars.allSatisfy { $0.takesOneColumn })
            }
        }
    }
}
