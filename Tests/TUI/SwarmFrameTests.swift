// SPDX-License-Identifier: Apache-2.0

import Content
import TUI
import Telemetry
import Testing

@Suite("Frames of a swarm")
struct SwarmFrameTests {
    struct Example: CustomTestStringConvertible, Sendable {
        var screen: Screen
        var size: Size
        var agents: Int
        var glyphs = GlyphSet.braille

        var testDescription: String { name }
        var name: String {
            let suffix = glyphs == .braille ? "" : "-\(glyphs.rawValue)"
            return "\(screen.rawValue)-\(agents)-\(size.width)x\(size.height)\(suffix)"
        }

        var swarm: SampleSwarm {
            switch agents {
            case 24: SampleSwarm(seed: 4, down: [20])
            case 100: SampleSwarm(seed: 5, agentCount: 100, pieceCount: 96)
            case 0: SampleSwarm(seed: 6, originCount: 0, agentCount: 0)
            case 1, 10: SampleSwarm(seed: 8, agentCount: agents)
            case 15_000: SampleSwarm(seed: 9, agentCount: agents, pieceCount: 256)
            default: SampleSwarm(seed: 7, agentCount: agents, pieceCount: 1024)
            }
        }
    }

    static let examples: [Example] = [Screen.swarm, .pieces].flatMap { screen in
        [Size(width: 80, height: 24), Size(width: 120, height: 36), Size(width: 200, height: 60)]
            .flatMap { size in
                [24, 100, 500].map { Example(screen: screen, size: size, agents: $0) }
            }
            + [
                Example(
                    screen: screen,
                    size: Size(width: 80, height: 24),
                    agents: 24,
                    glyphs: .ascii
                ),
                Example(
                    screen: screen,
                    size: Size(width: 120, height: 36),
                    agents: 24,
                    glyphs: .ascii
                ),
                Example(screen: screen, size: Size(width: 40, height: 10), agents: 24),
                Example(screen: screen, size: Size(width: 80, height: 24), agents: 0),
                Example(screen: screen, size: Size(width: 80, height: 24), agents: 1),
                Example(screen: screen, size: Size(width: 120, height: 36), agents: 10),
                Example(screen: screen, size: Size(width: 120, height: 36), agents: 15_000),
            ]
    }

    @Test("look as they did", arguments: examples)
    func golden(_ example: Example) throws {
        var view = ViewState()
        (view.screen, view.size, view.glyphs) = (example.screen, example.size, example.glyphs)
        if example.agents == 24 { view.peer = "a05" }
        view.pieces.piece = 37
        let picture = example.swarm.picture
        SwarmScreen.settle(&view, picture)
        try Golden.check(render(picture, view), example.name)
    }

    @Test("say what would fill them while there is nothing", arguments: [Screen.swarm, .pieces])
    func empty(_ screen: Screen) {
        var view = ViewState()
        view.screen = screen
        var picture = ClusterPicture()
        picture.takenAt = SampleSwarm.time
        #expect(render(picture, view).text.contains("p pushes a demo image, P pulls it"))
        picture.source = .remote
        #expect(!render(picture, view).text.contains("p pushes"))
    }
}
