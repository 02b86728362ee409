// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import TUI
import Telemetry
import TestSupport
import Testing

@Suite("Filters")
struct FilterTests {
    private let event: ClusterEvent
    private let names: [PeerID: String]
    private let now = Timestamp(unixNanoseconds: 100_000_000_000)

    init() throws {
        let a05 = PeerID(hashOfAddress: "a05", port: 1)
        let a20 = PeerID(hashOfAddress: "a20", port: 1)
        names = [a05: "a05", a20: "a20"]
        var event = ClusterEvent(
            .requestPiece,
            blob: Digest(hex: String(repeating: "9f3c", count: 16)),
            localPeer: a05,
            peer: a20,
            piece: 37,
            reason: "rarest(availability: 5)",
            detail: ["offered": "11", "conns": "10"]
        )
        event.component = "agent-5"
        event.timestamp = Timestamp(unixNanoseconds: 95_000_000_000)
        self.event = event
    }

    private func passes(_ filter: String) -> Bool {
        Filter(filter).matches(event: event, names: names, now: now)
    }

    @Test(
        "terms that hold",
        arguments: [
            "", "  ", "RAREST", "agent-5", "a05", "a20 #37", "kind:piece", "kind:conn|piece",
            "kind:request_piece", "who:a05", "who:AGENT-5", "who:x|a05", "peer:a20", "blob:9f3c",
            "blob:sha256:9F3C", "since:10s", "since:5", "since:1m", "-announce", "-kind:conn",
            "-who:a06", "-peer:a05", "~rar.st~", "~^agent-5 a05 request_piece a20 #37~",
            "~(conns|slots) 1[0-9]~", "-~x$~", "kind:", "-", "offered",
            "~^agent.*rarest~ kind:piece",
        ]
    )
    func pass(_ filter: String) { #expect(passes(filter)) }

    @Test(
        "terms that do not hold",
        arguments: [
            "announce", "rarest announce", "kind:conn|fault", "who:a06", "who:a20", "peer:a05",
            "blob:3c9f", "since:4s", "since:100ms", "-since:10s", "-rarest", "-kind:piece",
            "~^rar~",
            "kind:piece who:a06", "#4",
        ]
    )
    func fail(_ filter: String) { #expect(!passes(filter)) }

    @Test("what can't be read lets everything pass and says why")
    func errors() {
        for text in ["~[a~", "~(~", "~)~", "~*~", "~a\\~", "since:soon", "~[z-a]~"] {
            let filter = Filter(text)
            #expect(filter.errors.count == 1, "\(text): \(filter.errors)")
            #expect(filter.isEmpty && filter.matches(event: event, names: names, now: now))
        }
        #expect(Filter("-~x ~ kind:a|b who: since:").errors.isEmpty)
    }

    @Test("rows of other lists are searched as text")
    func rows() {
        let row = ["origin-2", "o2", "503 service unavailable"]
        for text in [
            "ORIGIN", "503 o2", "who:origin", "since:1s", "-a05", "~^origin-[0-9]~", "-~^o2~",
        ] {
            #expect(Filter(text).matches(text: row), "\(text)")
        }
        for text in ["a05", "-503", "who:a05", "~^503~"] {
            #expect(!Filter(text).matches(text: row), "\(text)")
        }
    }

    @Test("an event without fields and a clock that went back")
    func bare() {
        let bare = ClusterEvent(EventKind(rawValue: ""))
        for text in ["since:1s", "kind:a", "who:a", "peer:a", "blob:a", "a", "~a~"] {
            let late = Timestamp(unixNanoseconds: .min)
            let early = Timestamp(unixNanoseconds: .max)
            _ = Filter(text).matches(event: bare, names: [:], now: late)
            #expect(!Filter(text).matches(event: bare, names: [:], now: early))
        }
    }
}

@Suite("Regular expressions")
struct PatternTests {
    @Test(
        "matches",
        arguments: [
            ("a", "xay"), ("A.C", "abc"), ("^a", "ab"), ("b$", "ab"), ("^$", ""), ("", "x"),
            ("ab*c", "ac"), ("ab*c", "abbbc"), ("ab+c", "abc"), ("ab?c", "ac"), ("a|b", "b"),
            ("^(ab|cd)+$", "abcdab"), ("[a-c]x", "bx"), ("[^a-c]x", "dx"), ("[]a]", "]"),
            ("[a-]", "-"), ("\\.", "a.b"), ("(a*)*b", "b"), ("(a*)*b", "aab"), ("(a|)+$", "aa"),
            ("(|a)*c", "aac"), ("^(a?)+b", "aab"), ("a**", ""), ("x[A-Z]y", "xqy"), ("é", "café"),
            ("a|", "zzz"), ("((((a))))", "a"), ("^(a|b|c)*$", "cab"), ("(^a|b)c", "bc"),
        ]
    )
    func matches(_ pattern: String, _ text: String) throws {
        #expect(try Pattern(pattern).matches(text))
    }

    @Test(
        "does not match",
        arguments: [
            ("a", "xyz"), ("^b", "ab"), ("a$", "ab"), ("ab+c", "ac"), ("[a-c]", "xyz"),
            ("[^a]", "aaa"), ("^(ab)+$", "aba"), ("\\.", "ab"), ("(a*)*b", "aac"), ("^$", "x"),
        ]
    )
    func fails(_ pattern: String, _ text: String) throws {
        #expect(try !Pattern(pattern).matches(text))
    }

    @Test("ends on expressions that take exponential time")
    func steps() throws {
        let text = String(repeating: "a", count: 200)
        #expect(try !Pattern("(a|a)*(a|aa)*(a*)*b").matches(text))
        #expect(try !Pattern("((a*)*)*c").matches(text))
    }

    @Test("long and deep ones are refused, not followed")
    func size() {
        let deep = String(repeating: "(", count: 100) + String(repeating: ")", count: 100)
        #expect(throws: Pattern.Problem.self) { try Pattern(deep) }
        #expect(throws: Pattern.Problem.self) { try Pattern(String(repeating: "a", count: 5000)) }
    }

    @Test("random text is read or refused", arguments: Seeds.fresh(20))
    func random(_ seed: UInt64) {
        var generator = Generator(seed: seed)
        let alphabet = Array("ab.*+?^$[]|()\\-~ é:".unicodeScalars)
        for _ in 0..<300 {
            var scalars = String.UnicodeScalarView()
            for _ in 0..<generator.below(16) { scalars.append(generator.pick(alphabet)) }
            let text = String(scalars)
            if let pattern = try? Pattern(text) { _ = pattern.matches("aabb-ab é") }
            _ = Filter(text).matches(text: ["aabb", "ab"])
        }
    }
}
