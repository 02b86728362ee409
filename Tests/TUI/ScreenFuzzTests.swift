// SPDX-License-Identifier: Apache-2.0

import Primitives
import TUI
import TestSupport
import Testing

@Suite("Screens of any size show any picture")
struct ScreenFuzzTests {
    @Test(
        "only one-column scalars, hit regions inside, no trap",
        arguments: [Screen.queues, .components, .events],
        Seeds.fresh(6)
    )
    func random(_ screen: Screen, _ seed: UInt64) {
        var random = RandomPicture(seed: seed ^ UInt64(screen.number))
        let picture = random.picture()
        for _ in 0..<8 {
            let size = Size(
                width: 1 + random.generator.below(300),
                height: 1 + random.generator.below(100)
            )
            check(picture, random.view(screen, picture, size: size))
        }
        for size in Self.corners { check(picture, random.view(screen, picture, size: size)) }
    }

    @Test("dialogs over every screen", arguments: Screen.allCases, Seeds.fresh(2))
    func dialogs(_ screen: Screen, _ seed: UInt64) {
        var random = RandomPicture(seed: seed &+ UInt64(screen.number))
        let picture = SamplePicture.make()
        for _ in 0..<30 {
            let size = Size(
                width: 40 + random.generator.below(120),
                height: 10 + random.generator.below(40)
            )
            check(picture, random.view(screen, picture, size: size))
        }
    }

    private static let corners = [
        (1, 1), (40, 10), (41, 10), (59, 11), (60, 10), (79, 13), (80, 10), (119, 14), (120, 10),
        (160, 10), (300, 100), (40, 100),
    ].map { Size(width: $0.0, height: $0.1) }

    @Test(
        "a screen keeps to its area",
        arguments: [Screen.queues, .components, .events],
        Seeds.fresh(6)
    )
    func area(_ screen: Screen, _ seed: UInt64) {
        var random = RandomPicture(seed: seed ^ 99)
        let picture = random.picture()
        for size in Self.corners {
            var view = random.view(screen, picture, size: size)
            view.size = Size(width: size.width + 4, height: size.height + 4)
            let area = Rect(x: 2, y: 1, width: size.width, height: size.height)
            var frame = Frame(size: view.size)
            frame.fill(frame.bounds, Cell("~", .warning))
            content(of: screen).draw(Scene(picture, view), into: &frame, area: area)
            for y in 0..<frame.size.height {
                for x in 0..<frame.size.width where !area.contains(Point(x: x, y: y)) {
                    #expect(frame[x, y] == Cell("~", .warning), "\(screen) \(size) at \(x),\(y)")
                }
            }
            #expect(frame.hits.allSatisfy { $0.area.intersection(area) == $0.area })
        }
    }

    private func content(of screen: Screen) -> any ScreenContent.Type {
        switch screen {
        case .queues: QueuesScreen.self
        case .components: ComponentsScreen.self
        default: EventsScreen.self
        }
    }

    private func check(_ picture: ClusterPicture, _ view: ViewState) {
        let frame = render(picture, view)
        let size =
            "\(view.screen) \(view.size.width)x\(view.size.height) \(String(describing: view.dialog))"
        #expect(frame.cells.count == view.size.width * view.size.height)
        #expect(frame.cells.allSatisfy { $0.scalar.takesOneColumn }, "\(size)")
        let isInside = frame.hits.allSatisfy {
            $0.area.intersection(frame.bounds) == $0.area && !$0.area.isEmpty
        }
        #expect(isInside, "\(size)")
        if let cursor = frame.cursor { #expect(frame.bounds.contains(cursor), "\(size)") }
        if view.size.width < 100 {
            #expect(render(picture, view) == frame, "a picture has one frame: \(size)")
        }
    }
}
