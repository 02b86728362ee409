// SPDX-License-Identifier: Apache-2.0

import Content
import TUI
import Telemetry
import Testing

@Suite("Screens of a swarm")
struct SwarmScreenTests {
    private let picture = SampleSwarm(seed: 4, down: [20]).picture

    private func view(_ screen: Screen, _ peer: String? = "a05") -> ViewState {
        var view = ViewState()
        (view.screen, view.peer, view.size) = (screen, peer, Size(width: 120, height: 36))
        SwarmScreen.settle(&view, picture)
        return view
    }

    private func brailleCount(_ frame: Frame) -> Int {
        frame.cells.count { Braille.range.contains($0.glyph) }
    }

    @Test("a click on a peer selects it")
    func clicks() throws {
        let view = view(.swarm)
        let frame = render(picture, view)
        let layout = try #require(view.swarm.layouts.values.first)
        let canvas = SwarmScreen.canvas(screen: view.size)
        for peer in try #require(picture.swarm).peers {
            let place = try #require(layout.place(of: peer.peerID))
            let point = Point(x: canvas.x + place.x, y: canvas.y + place.y)
            #expect(frame.intent(at: point) == .select(.peer(peer.name)))
        }
    }

    @Test("shows those that the selected peer refuses, and those that are gone, as crosses")
    func crosses() throws {
        var picture = picture
        let swarm = try #require(picture.swarm)
        var view = view(.swarm)
        let layout = try #require(view.swarm.layouts.values.first)
        let canvas = SwarmScreen.canvas(screen: view.size)
        let glyph = { (name: String, frame: Frame) in
            let peer = swarm.peers.first { $0.name == name }
            let place = peer.flatMap { layout.place(of: $0.peerID) } ?? Point(x: -1, y: -1)
            return frame[canvas.x + place.x, canvas.y + place.y].scalar
        }
        #expect(glyph("a20", render(picture, view)) == "✕")
        #expect(glyph("a07", render(picture, view)) != "✕")
        let selected = try #require(swarm.index(of: "a05"))
        picture.swarm?.peers[selected].bans = [
            PeerRow.Ban(name: "a07", reason: "dial refused", remainingSeconds: 30)
        ]
        #expect(glyph("a07", render(picture, view)) == "✕")
        picture.swarm?.peers.removeAll { $0.name == "a08" }
        picture.swarm?.connections = []
        SwarmScreen.settle(&view, picture)
        #expect(glyph("a08", render(picture, view)) == "✕")
    }

    @Test("draws as many edges as asked for")
    func edges() {
        var counts: [SwarmState.Edges: Int] = [:]
        for mode in SwarmState.Edges.allCases {
            var view = view(.swarm)
            view.swarm.edges = mode
            counts[mode] = brailleCount(render(picture, view))
        }
        #expect(counts[.none] == 0)
        #expect(counts[.selected] ?? 0 > 0)
        #expect(counts[.top] ?? 0 > counts[.selected] ?? 0)
        #expect(counts[.all] ?? 0 > counts[.top] ?? 0)
    }

    @Test("an edge fades within a second after its last piece")
    func fading() throws {
        var view = view(.swarm)
        view.swarm.edges = .all
        let now = picture.takenAt
        func frame(piecesAgo seconds: Double?) -> Frame {
            var picture = picture
            for index in (picture.swarm?.peers ?? []).indices {
                picture.swarm?.peers[index].arriving = []
            }
            for index in (picture.swarm?.connections ?? []).indices {
                let at = seconds.map { now.later(bySeconds: -$0) }
                picture.swarm?.connections[index].forwardPieceAt = at
                picture.swarm?.connections[index].backwardPieceAt = at
            }
            return render(picture, view)
        }
        func dots(_ frame: Frame, _ counts: (Cell) -> Bool) -> Int {
            frame.cells.count { Braille.range.contains($0.glyph) && counts($0) }
        }
        let isBright: (Cell) -> Bool = { !$0.flags.contains(.dim) }
        let fresh = frame(piecesAgo: 0.1)
        #expect(fresh == frame(piecesAgo: nil))
        let fading = frame(piecesAgo: 0.6)
        #expect(dots(fading, isBright) == 0 && dots(fading) { _ in true } == brailleCount(fresh))
        let faded = frame(piecesAgo: 0.9)
        #expect(dots(faded, isBright) == 0 && brailleCount(faded) > 0)
        // What is over for a second is idle: only the selected peer's connections are hinted at.
        let over = frame(piecesAgo: 1.1)
        #expect(dots(over) { $0.role == .agentEdge } == 0)
        #expect(over.text.contains("0 full edges of 0"))
        // A piece that takes longer than that keeps its edge while it is arriving.
        var slow = picture
        let row = try #require(slow.swarm?.connections.firstIndex { !$0.askedOfFirst.isEmpty })
        for index in (slow.swarm?.connections ?? []).indices {
            slow.swarm?.connections[index].forwardPieceAt = now.later(bySeconds: -5)
            slow.swarm?.connections[index].backwardPieceAt = now.later(bySeconds: -5)
        }
        for index in (slow.swarm?.peers ?? []).indices { slow.swarm?.peers[index].arriving = [] }
        let (receiver, pieces) = try #require(
            slow.swarm.map {
                ($0.connections[row].second, $0.connections[row].askedOfFirst)
            }
        )
        slow.swarm?.peers[receiver].arriving = [pieces[0]]
        #expect(render(slow, view).text.contains(" of 1"))
    }

    @Test("pulses run with the picture's time, and only while something flows")
    func pulses() {
        let view = view(.swarm)
        var later = picture
        later.takenAt.unixNanoseconds += 250_000_000
        let (first, second) = (render(picture, view), render(later, view))
        #expect(first.text == second.text)
        #expect(first != second)
        for index in later.swarm?.connections.indices ?? 0..<0 {
            later.swarm?.connections[index].forwardRate = 0
            later.swarm?.connections[index].backwardRate = .nan
        }
        for index in later.swarm?.peers.indices ?? 0..<0 {
            later.swarm?.peers[index].arriving = []
        }
        #expect(!render(later, view).cells.contains { $0.flags == .bold })
    }

    @Test("selects the busiest agent by itself, else the first")
    func selection() {
        let busiest = picture.swarm?.peers.filter { !$0.isOrigin }
            .max { $0.downloadRate < $1.downloadRate }
        #expect(SwarmScreen.selectedPeer(Scene(picture, view(.swarm, nil)))?.name == busiest?.name)
        #expect(SwarmScreen.selectedPeer(Scene(picture, view(.swarm, "x")))?.name == busiest?.name)
        #expect(SwarmScreen.selectedPeer(Scene(picture, view(.swarm, "o1")))?.name == "o1")
        var idle = picture
        for index in idle.swarm?.peers.indices ?? 0..<0 {
            idle.swarm?.peers[index].downloadRate = .nan
        }
        #expect(SwarmScreen.selectedPeer(Scene(idle, view(.swarm, nil)))?.name == "a00")
        idle.swarm?.peers = []
        #expect(SwarmScreen.selectedPeer(Scene(idle, view(.swarm, nil))) == nil)
    }

    @Test("walks all peers by angle, and from peer to peer by direction")
    func walks() throws {
        let scene = Scene(picture, view(.swarm))
        let swarm = try #require(picture.swarm)
        #expect(Set(SwarmScreen.peersByAngle(scene)) == Set(swarm.peers.map(\.name)))
        let layout = try #require(scene.view.swarm.layouts.values.first)
        let place = { (name: String) in
            swarm.peers.first { $0.name == name }.flatMap { layout.place(of: $0.peerID) }
        }
        let start = try #require(place("a05"))
        let right = try #require(SwarmScreen.neighbour(.right, scene).flatMap(place))
        let up = try #require(SwarmScreen.neighbour(.up, scene).flatMap(place))
        #expect(right.x > start.x)
        #expect(up.y < start.y)
        #expect(SwarmScreen.neighbour(.first, scene) == nil)
    }

    // MARK: - Pieces

    @Test("goes through all pieces from the rarest on, and around")
    func rarest() throws {
        let swarm = try #require(picture.swarm)
        var view = view(.pieces)
        #expect(PiecesScreen.order(Scene(picture, view)) == Array(0..<swarm.pieceCount))
        view.pieces.ordersByRarity = true
        let order = PiecesScreen.order(Scene(picture, view))
        let expected = swarm.copies.indices.sorted {
            (swarm.copies[$0], $0) < (swarm.copies[$1], $1)
        }
        #expect(order == expected)
        for (index, piece) in order.enumerated() {
            let next = PiecesScreen.nextRarest(after: piece, in: swarm)
            #expect(next == order[(index + 1) % order.count])
        }
        #expect(PiecesScreen.nextRarest(after: -4, in: swarm) == order.first)
        #expect(PiecesScreen.nextRarest(after: 0, in: SwarmPicture(digest: swarm.digest)) == nil)
    }

    @Test("sorts the agents as asked, and shows the origins only when they are alone")
    func sorts() {
        var view = view(.pieces)
        let done = PiecesScreen.peers(Scene(picture, view)).map(\.done)
        #expect(done == done.sorted(by: >))
        view.pieces.sorting = Sorting(.name, isDescending: false)
        let names = PiecesScreen.peers(Scene(picture, view)).map(\.name)
        #expect(names == (0..<24).map { "a\($0 < 10 ? "0" : "")\($0)" })
        let alone = SampleSwarm(agentCount: 0).picture
        #expect(PiecesScreen.peers(Scene(alone, view)).map(\.name) == ["o0", "o1", "o2"])
    }

    @Test("says of whom a piece was asked and how long ago")
    func asked() throws {
        var picture = picture
        let swarm = try #require(picture.swarm)
        let index = try #require(swarm.index(of: "a05"))
        let piece = try #require(
            (0..<48).first { !swarm.peers[index].bits.contains(PieceIndex($0)) }
        )
        for row in swarm.connections.indices {
            picture.swarm?.connections[row].askedOfFirst.removeAll { $0 == piece }
            picture.swarm?.connections[row].askedOfSecond.removeAll { $0 == piece }
        }
        var row = ConnectionRow(first: 3, second: index)
        row.askedOfFirst = [piece]
        picture.swarm?.connections.append(row)
        var event = ClusterEvent(.requestPiece, localPeer: swarm.peers[index].peerID, piece: piece)
        event.timestamp = picture.takenAt
        event.timestamp.unixNanoseconds -= 22_000_000
        picture.events.append([event])
        var view = view(.pieces)
        view.pieces.piece = piece
        let text = render(picture, view).text
        #expect(text.contains("a05 #\(piece): asked of a00 22 ms ago; "))
        #expect(text.contains("holder"))
    }

    @Test("zooming shows fewer pieces and single peers", arguments: [0, 1, 2, 3])
    func zooms(_ zoom: Int) {
        let picture = SampleSwarm(seed: 7, agentCount: 200, pieceCount: 768).picture
        var view = view(.pieces, "a150")
        view.pieces.zoom = zoom
        view.pieces.piece = 700
        let text = render(picture, view).text
        #expect(text.contains("zoom \(["1:8", "1:4", "1:2", "1:1"][zoom])"))
        #expect(text.contains("row = ") == (zoom == 0))
        #expect(text.contains("▶a150") == (zoom > 0))
    }
}
