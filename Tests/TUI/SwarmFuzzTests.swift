// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import TUI
import Telemetry
import Testing

@Suite("Swarms of any kind at any size")
struct SwarmFuzzTests {
    private static let sizes: [(Int, Int)] = [
        (1, 1), (2, 1), (1, 7), (5, 3), (40, 10), (41, 11), (60, 15), (79, 23), (80, 24), (119, 12),
        (120, 11), (120, 36), (159, 40), (161, 9), (200, 60), (300, 100),
    ]

    @Test("never write outside their area, and all clicks lie in it", arguments: 0..<24)
    func draws(_ seed: Int) {
        var random = Generator(seed: UInt64(seed))
        let picture = picture(&random)
        for (width, height) in Self.sizes {
            var view = view(&random, picture)
            let (left, top) = (random.below(3), random.below(3))
            view.size = Size(width: width + left + 2, height: height + top + 2)
            let area = Rect(x: left, y: top, width: width, height: height)
            for screen in [SwarmScreen.self, PiecesScreen.self] as [any ScreenContent.Type] {
                var frame = Frame(size: view.size)
                frame.fill(frame.bounds, Cell("~", .warning))
                screen.draw(Scene(picture, view), into: &frame, area: area)
                #expect(isUntouched(frame, outside: area), "\(screen) at \(width)x\(height)")
                #expect(frame.hits.allSatisfy { $0.area.intersection(area) == $0.area })
                _ = screen.summary(Scene(picture, view))
                _ = screen.crumbs(Scene(picture, view))
            }
        }
    }

    @Test("whole screens of any size", arguments: 0..<8)
    func renders(_ seed: Int) {
        var random = Generator(seed: UInt64(1000 + seed))
        let picture = picture(&random)
        for _ in 0..<20 {
            var view = view(&random, picture)
            view.size = Size(width: 1 + random.below(300), height: 1 + random.below(100))
            view.screen = random.below(2) == 0 ? .swarm : .pieces
            if random.below(2) == 0 { SwarmScreen.settle(&view, picture) }
            let frame = render(picture, view)
            #expect(frame.cells.allSatisfy { $0.scalar.takesOneColumn })
            let scene = Scene(picture, view)
            _ = SwarmScreen.peersByAngle(scene)
            for movement in Movement.allCases { _ = SwarmScreen.neighbour(movement, scene) }
        }
    }

    private func isUntouched(_ frame: Frame, outside area: Rect) -> Bool {
        for y in 0..<frame.size.height {
            for x in 0..<frame.size.width where !area.contains(Point(x: x, y: y)) {
                if frame[x, y] != Cell("~", .warning) { return false }
            }
        }
        return true
    }

    // MARK: - What is drawn

    private func picture(_ random: inout Generator) -> ClusterPicture {
        let pieces = [0, 1, 7, 48, 1000, 100_000][random.below(6)]
        let agents = pieces > 1000 ? random.below(20) : [0, 1, 5, 24, 120, 400][random.below(6)]
        let sample = SampleSwarm(
            seed: random.next(),
            originCount: random.below(5),
            agentCount: agents,
            pieceCount: pieces,
            progress: Double(random.below(100)) / 100
        )
        var picture = sample.picture
        if random.below(4) == 0 {
            picture.takenAt = Timestamp(unixNanoseconds: [.min, 0, .max][random.below(3)])
        }
        if var swarm = picture.swarm {
            spoil(&swarm, &random)
            picture.swarm = swarm
        }
        picture.blobs[0].secondsLeft = strange(&random)
        picture.totals.agentShare = strange(&random)
        return picture
    }

    private func strange(_ random: inout Generator) -> Double {
        [.nan, .infinity, -.infinity, -1, 0, .greatestFiniteMagnitude, 1e-300, 5][random.below(8)]
    }

    private func spoil(_ swarm: inout SwarmPicture, _ random: inout Generator) {
        for index in swarm.peers.indices where random.below(3) == 0 {
            swarm.peers[index].downloadRate = strange(&random)
            swarm.peers[index].uploadRate = strange(&random)
            swarm.peers[index].ageSeconds = strange(&random)
            swarm.peers[index].arriving += [-1, .max, .min, 3]
            swarm.peers[index].connectionCount = .max
            swarm.peers[index].connectionsMax = .max
            if random.below(5) == 0 { swarm.peers[index].name = "\u{1B}[31m漢字" }
            if random.below(5) == 0 {
                swarm.peers[index].bits = Bitfield(pieceCount: random.below(99))
            }
        }
        for index in swarm.connections.indices where random.below(3) == 0 {
            swarm.connections[index].forwardRate = strange(&random)
            swarm.connections[index].backwardRate = strange(&random)
        }
        swarm.connections += [
            ConnectionRow(first: -1, second: 0), ConnectionRow(first: 0, second: .max),
        ]
        swarm.connections += [
            ConnectionRow(first: 0, second: 0), ConnectionRow(first: .min, second: 2),
        ]
        switch random.below(6) {
        case 0: swarm.copies = []
        case 1: swarm.copies = Array(swarm.copies.dropLast())
        case 2: swarm.pieceCount = [-5, .max, .min, 3][random.below(4)]
        case 3: swarm.pieceBytes = .max
        default: break
        }
    }

    private func view(_ random: inout Generator, _ picture: ClusterPicture) -> ViewState {
        var view = ViewState()
        let names = picture.swarm?.peers.map(\.name) ?? []
        view.peer =
            names.isEmpty || random.below(3) == 0 ? "nobody" : names[random.below(names.count)]
        view.glyphs = GlyphSet.allCases[random.below(GlyphSet.allCases.count)]
        view.colors = ColorDepth.allCases[random.below(ColorDepth.allCases.count)]
        view.swarm.mode = SwarmState.Mode.allCases[random.below(4)]
        view.swarm.edges = SwarmState.Edges.allCases[random.below(4)]
        view.pieces.ordersByRarity = random.below(2) == 0
        view.pieces.piece = [0, 5, -3, .max, .min][random.below(5)]
        view.pieces.zoom = [0, 1, 3, 40, -2, .max, .min][random.below(7)]
        view.pieces.scroll = [0, 10, -3, .max][random.below(4)]
        view.pieces.sorting.column = PiecesState.Column.allCases[random.below(3)]
        return view
    }
}
