// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import TUI
import Telemetry
import TestSupport
import Testing

@Suite("The screen Explain")
struct ExplainTests {
    static let sizes = [Size(width: 80, height: 24), Size(width: 120, height: 36)]

    /// Some seconds of a swarm, played once.
    private static let played: (toy: ToySwarm, history: History) = {
        var toy = ToySwarm(seed: 42)
        var history = History()
        toy.play(seconds: 6, into: &history)
        toy.marks.append(TimeMark(at: toy.now, label: "push"))
        toy.play(seconds: 5, into: &history)
        toy.marks.append(TimeMark(at: toy.now, label: "kill a20"))
        toy.play(seconds: 9, into: &history)
        return (toy, history)
    }()

    fileprivate static func view(_ size: Size) -> ViewState {
        var view = SamplePicture.view(.explain, size.width, size.height)
        view.peer = "a05"
        return view
    }

    /// The moment of the last event of `kind` that a05 tells, some seconds before the end.
    private static func moment(_ kind: EventKind) throws -> Timestamp {
        let history = played.history
        let end = history.latest.takenAt.later(bySeconds: -3)
        let events = history.latest.events.reversed()
        return try #require(
            events.first {
                $0.kind == kind && $0.timestamp < end && $0.component == "agent-5"
            }
        ).timestamp
    }

    private func check(
        _ name: String,
        _ size: Size,
        at time: Timestamp?,
        _ change: (inout ViewState) -> Void = { _ in }
    ) throws {
        var view = Self.view(size)
        view.time.at = time
        change(&view)
        let history = Self.played.history
        let picture = time.map { history.picture(at: $0) } ?? history.latest
        try Golden.check(render(picture, view), "\(name)-\(size.width)x\(size.height)")
    }

    @Test(
        "a request in full",
        arguments: sizes + [Size(width: 40, height: 10), Size(width: 200, height: 60)]
    )
    func request(_ size: Size) throws {
        try check("explain", size, at: try Self.moment(.requestPiece))
    }

    @Test("a request as it is on the wire, in slow motion", arguments: sizes)
    func wire(_ size: Size) throws {
        try check("explain-wire", size, at: try Self.moment(.requestPiece)) {
            ($0.explain.depth, $0.time.speed) = (.wire, 0.1)
        }
    }

    @Test("a ban, of everybody", arguments: sizes)
    func ban(_ size: Size) throws {
        let events = Self.played.history.latest.events
        let event = try #require(events.last { $0.kind == .banConnection })
        try check("explain-ban", size, at: event.timestamp) { $0.peer = nil }
    }

    @Test("live", arguments: sizes)
    func live(_ size: Size) throws { try check("explain-live", size, at: nil) }

    @Test("nothing yet", arguments: sizes)
    func empty(_ size: Size) throws {
        let view = SamplePicture.view(.explain, size.width, size.height)
        let name = "explain-empty-\(size.width)x\(size.height)"
        try Golden.check(render(ClusterPicture(), view), name)
    }

    // MARK: - What it shows

    @Test("the event that somebody chose is the current one, among several of the same time")
    func chosen() throws {
        var picture = ClusterPicture()
        picture = ToySwarm(seed: 1).picture()
        let swarm = try #require(picture.swarm)
        for index in 0..<5 {
            var event = ClusterEvent(.receivePiece, torrent: swarm.infoHash, piece: index)
            (event.component, event.sequence) = ("agent-5", UInt64(index + 1))
            event.timestamp = picture.takenAt
            picture.events.append([event])
        }
        picture.takenAt = picture.takenAt.later(bySeconds: 5)
        var view = Self.view(Size(width: 80, height: 24))
        view.time.at = ToySwarm.start
        view.explain.event = EventKey(component: "agent-5", sequence: 3)
        #expect(render(picture, view).text.contains("step 3/5"))
        view.explain.event = nil
        #expect(render(picture, view).text.contains("step 5/5"))
        // Without a peer of its own the view follows the one of the event.
        (view.peer, view.explain.event) = (nil, EventKey(component: "agent-5", sequence: 2))
        #expect(render(picture, view).text.contains("explain a05"))
    }

    @Test("a click on the track of time goes there")
    func track() throws {
        let view = Self.view(Size(width: 120, height: 36))
        let picture = Self.played.history.latest
        let frame = render(picture, view)
        let intents = frame.hits.map(\.intent).compactMap { intent in
            if case .goTo(let time) = intent { Timestamp(unixNanoseconds: time) } else { nil }
        }
        #expect(intents.count > 100)
        #expect(intents.allSatisfy { $0 >= picture.timeline.first && $0 <= picture.now })
        #expect(frame.hits.contains { $0.intent == .select(.peer("a05")) })
    }

    @Test("keys stop the view, step it along the events of a peer and bring it back to now")
    func keys() throws {
        var toy = ToySwarm(seed: 9)
        var interface = Interface(view: Self.view(Size(width: 80, height: 24)))
        for _ in 0..<20 {
            for _ in 0..<100 { toy.play() }
            _ = interface.receive(toy.picture())
        }
        func press(_ character: Unicode.Scalar) {
            _ = interface.handle(.key(.character(character)))
        }
        func step() throws -> String {
            let text = interface.draw().text
            return String(try #require(text.firstMatch(of: #/step (\d+)\/\d+/#)?.1))
        }
        press(" ")
        #expect(interface.view.time.isPaused)
        press(",")
        let (first, at) = (try #require(Int(try step())), interface.view.time.at)
        press(",")
        #expect(Int(try step()) == first - 1)
        press(",")
        #expect(Int(try step()) == first - 2)
        press(".")
        press(".")
        #expect(Int(try step()) == first)
        #expect(interface.view.time.at == at)
        // The cluster runs on, the view does not.
        func current() -> Substring? {
            interface.draw().text.split(separator: "\n").first { $0.contains("│▶") }
        }
        let before = try #require(current())
        for _ in 0..<100 { toy.play() }
        _ = interface.receive(toy.picture())
        #expect(current() == before)
        press(" ")
        #expect(interface.view.time.isLive)
    }

    // MARK: - Any picture at any size

    @Test("any picture fits any size", arguments: Seeds.fresh(12))
    func anything(seed: UInt64) {
        var generator = Generator(seed: seed)
        var toy = ToySwarm(
            seed: seed,
            origins: generator.below(3),
            agents: 1 + generator.below(30),
            pieces: generator.pick([0, 1, 2, 47, 300, 20_000]),
            present: 30
        )
        toy.isPresent = toy.isPresent.map { _ in generator.below(5) > 0 }
        var history = History(spanSeconds: Double(1 + generator.below(4)))
        toy.play(seconds: generator.below(4) == 0 ? 0.01 : 1.5, into: &history)
        var picture = toy.picture()
        picture.events.append((0..<300).map { _ in RandomEvents.event(toy, &generator) })
        picture.totals.downloadRate = .nan
        picture.marks.append(TimeMark(at: toy.now, label: "\u{1B}[2J漢"))
        Self.spoil(&picture, &generator)
        picture.takenAt = toy.now.later(bySeconds: 0.3)
        history.append(picture)
        for _ in 0..<40 {
            let size = Size(width: 1 + generator.below(260), height: 1 + generator.below(90))
            var view = Self.view(size)
            view.peer = generator.pick([nil, "a05", "o0", "nobody"])
            view.explain.depth = generator.pick(ExplainState.Depth.allCases)
            view.glyphs = generator.pick(GlyphSet.allCases)
            let offset = Double(generator.below(4000)) / 1000 - 2
            view.time.at = generator.below(4) == 0 ? nil : toy.now.later(bySeconds: offset)
            view.time.speed = generator.pick([0, 0.1, .nan])
            view.explain.event = EventKey(component: "agent-1", sequence: 3)
            let shown = view.time.at.map { history.picture(at: $0) } ?? history.latest
            let frame = render(shown, view)
            #expect(frame.cells.count == size.width * size.height)
            #expect(frame.cells.allSatisfy { $0.scalar.takesOneColumn })
            #expect(frame.hits.allSatisfy { frame.bounds.intersection($0.area) == $0.area })
        }
    }

    /// What no builder would make.
    private static func spoil(_ picture: inout ClusterPicture, _ generator: inout Generator) {
        guard generator.below(2) == 0 else { return }
        picture.swarm?.copies = generator.pick([[], [.max, 1]])
        picture.swarm?.pieceBytes = generator.pick([0, -1, .max])
        for index in picture.swarm?.connections.indices ?? 0..<0 {
            picture.swarm?.connections[index].forwardRate = .infinity
            picture.swarm?.connections[index].slotsAtFirst = generator.pick([nil, -3, .max])
        }
        if generator.below(3) == 0 { picture.swarm?.pieceCount = generator.pick([-5, 3]) }
        if generator.below(3) == 0, var rows = picture.swarm?.connections {
            generator.shuffle(&rows)
            picture.swarm?.connections = rows
        }
    }
}
