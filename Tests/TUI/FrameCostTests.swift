// SPDX-License-Identifier: Apache-2.0

import Foundation
import TUI
import Telemetry
import Testing

/// Work per frame in cells, bytes and folds, which are the same on every machine; seconds are for `make bench`.
@Suite("What frames cost")
struct FrameCostTests {
    private static let size = Size(width: 120, height: 36)

    /// An interface over a swarm of `agents`, two seconds old.
    private func interface(_ toy: inout ToySwarm, _ screen: Screen) -> Interface {
        var view = ViewState()
        (view.screen, view.size, view.peer) = (screen, Self.size, "a05")
        var interface = Interface(view: view)
        for _ in 0..<20 {
            for _ in 0..<15 { toy.play() }
            _ = interface.receive(toy.picture())
        }
        _ = interface.perform(.show(screen))
        return interface
    }

    private func changedCells(_ before: Frame, _ after: Frame) -> Int {
        zip(before.cells, after.cells).count { $0 != $1 }
    }

    @Test("a second in which nothing happens changes a few cells", arguments: Screen.allCases)
    func idle(_ screen: Screen) {
        var toy = ToySwarm(seed: 11, agents: 100, pieces: 100, present: 100)
        var interface = interface(&toy, screen)
        var encoder = AnsiEncoder(theme: .dark, depth: .indexed256)
        // What just happened fades first.
        for _ in 0..<30 {
            toy.now = toy.now.later(bySeconds: 0.1)
            _ = interface.receive(toy.picture())
        }
        var frame = interface.draw()
        _ = encoder.encode(frame)
        for _ in 0..<5 {
            toy.now = toy.now.later(bySeconds: 1)
            _ = interface.receive(toy.picture())
            let next = interface.draw()
            let cells = changedCells(frame, next)
            let bytes = encoder.encode(next).utf8.count
            #expect(cells <= Self.idleCellsMax, "\(cells) cells on \(screen)")
            #expect(bytes <= Self.idleBytesMax, "\(bytes) bytes on \(screen)")
            frame = next
        }
    }

    private static let idleCellsMax = 12
    private static let idleBytesMax = 150

    @Test("a busy tenth of a second fits a slow line", arguments: Screen.allCases)
    func busy(_ screen: Screen) {
        var toy = ToySwarm(seed: 12, agents: 100, pieces: 100, present: 100)
        var interface = interface(&toy, screen)
        var encoder = AnsiEncoder(theme: .dark, depth: .indexed256)
        let whole = encoder.encode(interface.draw()).utf8.count
        #expect(whole <= Self.wholeBytesMax)
        for _ in 0..<20 {
            for _ in 0..<15 { toy.play() }
            _ = interface.receive(toy.picture())
            let bytes = encoder.encode(interface.draw()).utf8.count
            #expect(bytes <= Self.busyBytesMax, "\(bytes) bytes on \(screen)")
        }
    }

    private static let wholeBytesMax = 20_000
    private static let busyBytesMax = 8000

    @Test("a frame that is drawn twice is the same, and sends nothing", arguments: Screen.allCases)
    func twice(_ screen: Screen) {
        var toy = ToySwarm(seed: 13, agents: 100, pieces: 100, present: 100)
        var interface = interface(&toy, screen)
        var encoder = AnsiEncoder(theme: .dark, depth: .indexed256)
        let frame = interface.draw()
        _ = encoder.encode(frame)
        let again = interface.draw()
        #expect(changedCells(frame, again) == 0)
        #expect(encoder.encode(again).isEmpty)
    }

    @Test("a minute of a hundred agents, with all its events, takes less than 64 MiB")
    func memory() async throws {
        // In a process of its own, whose memory is nobody else's. It says what it found.
        let result = await #expect(
            processExitsWith: .success,
            observing: [\.standardErrorContent]
        ) {
            func residentBytes() throws -> Int {
                let statm = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
                let pages = try #require(statm.split(separator: " ").dropFirst().first)
                return try #require(Int(pages)) * sysconf(Int32(_SC_PAGESIZE))
            }
            var toy = ToySwarm(seed: 3, agents: 100, pieces: 1000, present: 100)
            var view = ViewState()
            (view.screen, view.size) = (.explain, Size(width: 200, height: 60))
            var interface = Interface(view: view)
            _ = interface.receive(toy.picture())
            _ = interface.draw()
            let before = try residentBytes()
            // A second each.
            for _ in 0..<190 {
                for _ in 0..<145 { toy.play() }
                _ = interface.receive(toy.picture())
                _ = interface.draw()
            }
            let figures = [interface.history.latest.events.count, try residentBytes() - before]
            FileHandle.standardError.write(Data("figures: \(figures)\n".utf8))
        }
        let text = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
        let match = try #require(text.firstMatch(of: /figures: \[(\d+), (-?\d+)\]/))
        let (events, grown) = (try #require(Int(match.1)), try #require(Int(match.2)))
        #expect(events >= EventWindow.eventsMax)
        #expect(grown < Self.grownBytesMax)
    }

    private static let grownBytesMax = 64 << 20
}
