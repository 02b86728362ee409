// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import TUI
import Telemetry
import Testing

@Suite("Layout of a swarm")
struct RadialLayoutTests {
    private static let canvas = Size(width: 86, height: 31)
    private static let start = SampleSwarm.time

    private func time(after seconds: Double) -> Timestamp {
        Timestamp(unixNanoseconds: Self.start.unixNanoseconds + Int64(seconds * 1e9))
    }

    private func layout(
        _ swarm: SwarmPicture,
        canvas: Size = Self.canvas,
        hasLabels: Bool = true
    ) -> RadialLayout {
        var layout = RadialLayout()
        layout.update(with: swarm, at: Self.start, canvas: canvas, hasLabels: hasLabels)
        return layout
    }

    private func places(_ swarm: SwarmPicture, _ layout: RadialLayout) -> [Point?] {
        swarm.peers.map { layout.place(of: $0.peerID) }
    }

    @Test("puts the same swarm into the same slots")
    func repeats() {
        let swarm = SampleSwarm(seed: 11).swarm
        #expect(layout(swarm) == layout(SampleSwarm(seed: 11).swarm))
        #expect(places(swarm, layout(swarm)).allSatisfy { $0 != nil })
    }

    @Test(
        "gives no cell to two peers and none outside the canvas",
        arguments: [1, 5, 24, 100, 700],
        [true, false]
    )
    func separates(_ agents: Int, _ hasLabels: Bool) {
        let swarm = SampleSwarm(seed: 3, agentCount: agents, pieceCount: 8).swarm
        for size in [(86, 31), (80, 19), (158, 55), (38, 5), (9, 3), (2, 2), (1, 1), (0, 0)] {
            let canvas = Size(width: size.0, height: size.1)
            let layout = layout(swarm, canvas: canvas, hasLabels: hasLabels)
            let places = places(swarm, layout).compactMap(\.self)
            #expect(Set(places).count == places.count)
            #expect(places.count + layout.unplaced.count == swarm.peers.count)
            #expect(
                places.allSatisfy {
                    $0.x >= 0 && $0.y >= 0 && $0.x < canvas.width && $0.y < canvas.height
                }
            )
        }
    }

    @Test("moves nobody when peers come, whatever connections come and go")
    func sticks() {
        var swarm = SampleSwarm(seed: 8, agentCount: 60, pieceCount: 16).swarm
        let peers = swarm.peers
        swarm.peers = Array(peers.prefix(10))
        var layout = layout(swarm, hasLabels: false)
        var random = Generator(seed: 1)
        for count in 11...peers.count {
            let before = places(swarm, layout)
            swarm.peers = Array(peers.prefix(count))
            swarm.connections.removeAll { _ in random.below(20) == 0 }
            layout.update(
                with: swarm,
                at: time(after: Double(count)),
                canvas: Self.canvas,
                hasLabels: false
            )
            let after = places(swarm, layout)
            #expect(Array(after.prefix(before.count)) == before)
            #expect(after.last??.x != nil)
        }
    }

    @Test("keeps the slot of a peer that is gone for ten seconds, and then gives it away")
    func removes() throws {
        var swarm = SampleSwarm(seed: 9).swarm
        var layout = layout(swarm)
        let lost = try #require(swarm.peers.last)
        let place = try #require(layout.place(of: lost.peerID))
        swarm.peers.removeLast()
        let update = { (layout: inout RadialLayout, seconds: Double) in
            layout.update(
                with: swarm,
                at: time(after: seconds),
                canvas: Self.canvas,
                hasLabels: true
            )
        }
        update(&layout, 1)
        update(&layout, 10.9)
        #expect(layout.place(of: lost.peerID) == place)
        #expect(layout.gone.map(\.name) == [lost.name])
        update(&layout, 11)
        #expect(layout.place(of: lost.peerID) == nil)
        #expect(layout.gone.isEmpty)
        // One that comes back in time stays where it was, also when the view jumps back.
        swarm.peers.append(lost)
        update(&layout, 12)
        let second = layout.place(of: lost.peerID)
        swarm.peers.removeLast()
        update(&layout, 13)
        update(&layout, 2)
        update(&layout, 11.9)
        #expect(layout.place(of: lost.peerID) == second)
        swarm.peers.append(lost)
        update(&layout, 30)
        #expect(layout.place(of: lost.peerID) == second)
        #expect(layout.gone.isEmpty)
    }

    @Test("lets a peer without connections wait for two seconds")
    func joins() {
        var swarm = SampleSwarm(seed: 9).swarm
        let last = swarm.peers.count - 1
        swarm.peers[last].ageSeconds = 0
        swarm.connections.removeAll { $0.second == last || $0.first == last }
        var layout = layout(swarm)
        let peer = swarm.peers[last]
        #expect(layout.place(of: peer.peerID) == nil)
        #expect(layout.joining == [peer.name])
        layout.update(with: swarm, at: time(after: 1.9), canvas: Self.canvas, hasLabels: true)
        #expect(layout.place(of: peer.peerID) == nil)
        layout.update(with: swarm, at: time(after: 2), canvas: Self.canvas, hasLabels: true)
        #expect(layout.place(of: peer.peerID) != nil)
        #expect(layout.joining.isEmpty)
    }

    @Test("takes a peer's depth at its first connection")
    func depth() {
        var swarm = SampleSwarm(seed: 2, agentCount: 30, pieceCount: 8).swarm
        swarm.connections = (3..<33).map { ConnectionRow(first: $0 < 13 ? 0 : $0 - 10, second: $0) }
        let layout = layout(swarm, hasLabels: false)
        let middle = Point(x: Self.canvas.width / 2, y: Self.canvas.height / 2)
        let distances = (0..<3).map { depth in
            let agents = swarm.peers[3 + depth * 10..<13 + depth * 10]
            let own = agents.compactMap { layout.place(of: $0.peerID) }
                .map {
                    Double(($0.x - middle.x) * ($0.x - middle.x)) / 7
                        + Double(($0.y - middle.y) * ($0.y - middle.y))
                }
            return own.reduce(0, +) / Double(own.count)
        }
        #expect(distances[0] < distances[1])
        #expect(distances[1] < distances[2])
    }

    @Test(
        "has about as many slots as the design counts on",
        arguments: [
            (Size(width: 80, height: 24), 26, 126), (Size(width: 120, height: 36), 60, 255),
            (Size(width: 160, height: 50), 139, 551), (Size(width: 200, height: 60), 213, 815),
        ]
    )
    func slots(_ screen: Size, _ labels: Int, _ dots: Int) {
        let canvas = SwarmScreen.canvas(screen: screen)
        let counts = RadialLayout.slotCounts(
            canvas: Size(width: canvas.width, height: canvas.height)
        )
        #expect(abs(counts.labels - labels) <= labels / 8)
        #expect(abs(counts.dots - dots) <= dots / 8)
    }

    @Test("shows names, then dots, then a matrix, unless told otherwise")
    func styles() {
        let size = Size(width: 86, height: 31)
        let style = { (count: Int, mode: SwarmState.Mode) in
            RadialLayout.style(agentCount: count, canvas: size, mode: mode)
        }
        #expect(style(24, .automatic) == .labels)
        #expect(style(100, .automatic) == .dots)
        #expect(style(500, .automatic) == .matrix)
        #expect(style(500, .dots) == .dots)
        #expect(style(5, .matrix) == .matrix)
    }

    @Test("few layouts are kept, the latest among them")
    func bounded() {
        var view = ViewState()
        var picture = SampleSwarm().picture
        for width in 80..<130 {
            view.size = Size(width: width, height: 30)
            picture.takenAt = time(after: Double(width))
            SwarmScreen.settle(&view, picture)
            let canvas = SwarmScreen.canvas(screen: view.size)
            #expect(view.swarm.layouts.keys.contains { $0.canvas.width == canvas.width })
        }
        #expect(view.swarm.layouts.count == SwarmState.layoutsMax)
    }
}
