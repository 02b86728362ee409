// SPDX-License-Identifier: Apache-2.0

import Content
import TUI
import Telemetry
import Testing

@Suite("Queues, Components, Events and dialogs")
struct PaneScreenTests {
    private let picture = SamplePicture.make()

    private func frame(
        _ screen: Screen,
        _ width: Int = 120,
        _ height: Int = 36,
        _ change: (inout ViewState) -> Void = { _ in }
    ) -> Frame {
        var view = SamplePicture.view(screen, width, height)
        change(&view)
        return render(picture, view)
    }

    /// What a click on the first place does where `text` stands.
    private func click(_ text: String, in frame: Frame) -> Intent? {
        for y in 0..<frame.size.height {
            let row = frame.row(y).map { Character($0.scalar) }
            let wanted = Array(text)
            guard row.count >= wanted.count else { continue }
            for x in 0...row.count - wanted.count where Array(row[x..<x + wanted.count]) == wanted {
                return frame.intent(at: Point(x: x, y: y))
            }
        }
        return nil
    }

    @Test("a click selects the row by its name")
    func clicks() {
        #expect(
            click("origin-2", in: frame(.queues)) == .select(.queue("origin-2/write-back/demo/.*"))
        )
        #expect(click("a05", in: frame(.components)) == .select(.component("agent-5")))
        let event = picture.events[picture.events.count - 2]
        #expect(click("#37", in: frame(.events)) == .select(.event(EventKey(event))))
        let tasks = frame(.queues) { $0.queue = "origin-2/write-back/demo/.*" }
        #expect(click("c7714e0b52", in: tasks) == .select(.task(SamplePicture.third.description)))
    }

    @Test("a task says how big its blob is, when it was tried, and what a tag still lacks")
    func tasks() {
        let owed = frame(.queues) { $0.queue = "origin-2/write-back/demo/.*" }.text
        #expect(owed.contains("64M     2     41s      18s in 12s"))
        let tags = frame(.queues) {
            ($0.queue, $0.queues.pane) = ("build-index/replication/zone-b", .replication)
        }
        .text
        #expect(tags.contains("not known to be there: 9f3c41… 02be77… c7714e… and 3 more"))
    }

    @Test("a dialog takes all clicks: its choices choose, anything else closes it")
    func dialogClicks() {
        let menu = frame(.queues) { $0.dialog = .faultMenu(targets: ["agent-5"], choice: 0) }
        #expect(click("corrupt piece", in: menu) == .choose(4))
        #expect(click("undo all", in: menu) == .choose(FaultRequest.Kind.allCases.count))
        #expect(menu.intent(at: Point(x: 0, y: 0)) == .cancel)
        let question = Confirmation(intent: .quit, title: "wipe o1", lines: ["gone"])
        let confirm = frame(.queues) { $0.dialog = .confirm(question) }
        #expect(click("Cancel", in: confirm) == .cancel)
        #expect(click("Do it", in: confirm) == .confirm)
    }

    @Test("Cancel is what is chosen at first")
    func cancel() {
        let question = Confirmation(
            intent: .quit,
            title: "wipe o1",
            lines: ["gone"],
            demanded: "o1"
        )
        let frame = frame(.queues, 80, 24) { $0.dialog = .confirm(question) }
        let reversed = (0..<24).flatMap { frame.row($0) }.filter { $0.flags.contains(.reverse) }
        let text = String(reversed.map { Character($0.scalar) })
        #expect(text.contains("[ Cancel ]") && !text.contains("Do it"))
        #expect(frame.text.contains("Type o1 to go ahead"))
        #expect(frame.cursor != nil)
    }

    @Test("every key that works on a screen is in its help", arguments: Screen.allCases)
    func help(_ screen: Screen) {
        var text = ""
        for scroll in stride(from: 0, to: 90, by: 20) {
            text += frame(screen, 110, 40) { $0.dialog = .help(scroll: scroll) }.text
        }
        for binding in KeyTable.bindings where binding.screens?.contains(screen) == true {
            guard let key = binding.keys.first else { continue }
            #expect(text.contains(key.description), "\(key) \(binding.help)")
            let isThere = binding.help.split(separator: " ").allSatisfy { text.contains($0) }
            #expect(isThere, "\(binding.help)")
        }
        #expect(text.contains("down or blacklisted"))
    }

    @Test("faults are not offered where nothing can be done")
    func remote() {
        var picture = picture
        picture.source = .remote
        var view = SamplePicture.view(.queues, 110, 40)
        view.dialog = .help(scroll: 0)
        #expect(!render(picture, view).text.contains("x k r"))
        view.dialog = nil
        #expect(!render(picture, view).text.contains("retry"))
    }

    @Test("all concept cards fit an ordinary screen")
    func concepts() throws {
        for index in Concepts.all.indices {
            let card = Concepts.all[index]
            let frame = frame(.explain, 80, 24) {
                $0.dialog = .concepts(choice: index, isOpen: true)
            }
            let text = frame.text
            #expect(text.contains(card.title))
            for line in card.lines { #expect(text.contains(line), "\(card.id): \(line)") }
        }
    }

    @Test("shares of the rest grow in proportion when an origin is imagined down")
    func whatIf() {
        let frame = frame(.components) {
            $0.components.whatIf = ["o2"]
            $0.components.pane = .whatIf
        }
        #expect(frame.text.contains("33.4% →  50.2%"))
        #expect(frame.text.contains("33.2% →  49.8%"))
        #expect(frame.text.contains("21 889 shards (33.4%) would move"))
        #expect(frame.text.contains("An estimate"))
        #expect(click("o1      33.2%", in: frame) == .select(.component("o1")))
    }

    @Test("what is not known looks different from nothing")
    func unknown() {
        var picture = picture
        picture.ring = RingPicture(
            members: [.init(name: "o0", address: "a:1", isHealthy: true, shards: nil)],
            replicasMax: 2
        )
        let text = render(picture, SamplePicture.view(.components, 120, 36)).text
        #expect(text.contains("shares not counted"))
        #expect(
            render(ClusterPicture(), SamplePicture.view(.queues, 80, 24)).text.contains(
                "waiting for"
            )
        )
    }

    @Test("a filter that can't be read is named, and one that leaves nothing says so")
    func filters() {
        #expect(frame(.events) { $0.filters[.events] = "~[a~" }.text.contains("“[” without “]”"))
        let none = frame(.queues) { $0.filters[.queues] = "nowhere" }
        #expect(none.text.contains("nothing matches /nowhere"))
    }
}
