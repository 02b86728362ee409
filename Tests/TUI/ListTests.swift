// SPDX-License-Identifier: Apache-2.0

import TUI
import Telemetry
import Testing

@Suite("Lists")
struct ListTests {
    private let picture = SamplePicture.make()

    private func scene(_ screen: Screen, _ change: (inout ViewState) -> Void = { _ in }) -> Scene {
        var view = SamplePicture.view(screen, 120, 36)
        change(&view)
        return Scene(picture, view)
    }

    @Test("components are filtered by what their rows say; an unknown selection is the first row")
    func components() {
        #expect(Lists.components(scene(.components)).count == 31)
        let down = scene(.components) { $0.filters[.components] = "down" }
        #expect(Lists.components(down).map(\.id) == ["agent-20"])
        #expect(Lists.selectedComponent(down)?.id == "agent-20")
        let origins = scene(.components) {
            $0.filters[.components] = "origin -origin-1"
            $0.component = "o2"
        }
        #expect(Lists.components(origins).map(\.id) == ["origin-0", "origin-2"])
        #expect(Lists.selectedComponent(origins)?.id == "origin-2")
    }

    @Test("queues go into the pane of what they do, tasks follow the selected queue")
    func queues() {
        let plain = scene(.queues)
        #expect(
            Lists.queues(plain, .writeBack).map(\.component) == [
                "origin-0", "origin-1", "origin-2",
            ]
        )
        #expect(Lists.queues(plain, .replication).map(\.status.target) == ["zone-b", "zone-c"])
        #expect(Lists.queues(plain, .tasks).isEmpty)
        #expect(Lists.selectedQueue(plain)?.component == "origin-0")
        let remote = scene(.queues) { $0.queues.pane = .replication }
        #expect(Lists.selectedQueue(remote)?.status.target == "zone-b")
        let filtered = scene(.queues) { $0.filters[.queues] = "503" }
        #expect(Lists.selectedQueue(filtered)?.component == "origin-2")
    }

    @Test("tasks are sorted by the chosen column, either way")
    func tasks() {
        func names(_ column: QueuesState.Column, _ isDescending: Bool) -> [String] {
            let scene = scene(.queues) {
                $0.queue = "origin-2/write-back/demo/.*"
                $0.queues.sorting = Sorting(column, isDescending: isDescending)
            }
            return Lists.tasks(scene).map { String($0.name.dropFirst(7).prefix(8)) }
        }
        #expect(names(.age, true) == ["02be77a1", "c7714e0b"])
        #expect(names(.age, false) == ["c7714e0b", "02be77a1"])
        #expect(names(.failures, false) == ["c7714e0b", "02be77a1"])
        #expect(names(.name, true) == ["c7714e0b", "02be77a1"])
    }

    @Test("the log is cut by level, the latest line first")
    func logs() throws {
        let row = try #require(picture.component("origin-1"))
        let warnings = scene(.components) { $0.components.level = .warning }
        #expect(Lists.logLineCount(warnings, of: row) == 2)
        let lines = Lists.logLines(warnings, of: row, skipping: 0, count: 10)
        #expect(lines.map { picture.logs.lines[$0].level } == ["error", "warning"])
        #expect(Lists.logLines(warnings, of: row, skipping: 1, count: 10) == [lines[1]])
        #expect(Lists.logLines(warnings, of: row, skipping: 9, count: 10).isEmpty)
    }

    @Test("events come newest first, whole or filtered, and keep their names")
    func events() {
        let all = Lists.events(scene(.events))
        #expect(all.count == picture.events.count && !all.isPartial)
        #expect(all.first == picture.events.last && all.last == picture.events.first)
        #expect(all.position(of: 0) == picture.events.count - 1)
        let key = EventKey(all[17])
        #expect(all.row(of: key) == 17)
        #expect(all.row(of: EventKey(component: "nobody", sequence: 1)) == nil)

        let view = scene(.events) { $0.filters[.events] = "kind:blacklist|hash_fail" }
        let few = Lists.events(view)
        #expect(few.map(\.kind) == [.banConnection, .hashFailed])
        #expect(few.allSatisfy { picture.events.contains($0) })
    }

    @Test("an agent is found by its short name whether or not its event names a peer")
    func who() {
        let found = Lists.events(scene(.events) { $0.filters[.events] = "who:a20 kind:fault" })
        #expect(found.map(\.component) == ["agent-20"])
    }

    @Test("with an expression only the newest events are tried")
    func costly() {
        var picture = picture
        picture.events.append((0..<6000).map { _ in ClusterEvent(.announce) })
        var view = SamplePicture.view(.events, 80, 24)
        view.filters[.events] = "~ann.unce~"
        let events = Lists.events(Scene(picture, view))
        #expect(events.count == EventList.costlyMax && events.isPartial)
    }

    @Test("the newest is selected while it is followed, or when the selected one is gone")
    func selectedEvent() {
        let following = scene(.events) {
            $0.event = EventKey(component: "origin-2", sequence: 2015)
        }
        let events = Lists.events(following)
        #expect(Lists.selectedRow(events, following) == 0)
        let still = scene(.events) {
            $0.events.follows = false
            $0.event = EventKey(component: "origin-2", sequence: 2015)
        }
        #expect(Lists.selectedRow(events, still) == 5)
        let gone = scene(.events) {
            $0.events.follows = false
            $0.event = EventKey(component: "origin-2", sequence: 1)
        }
        #expect(Lists.selectedRow(events, gone) == 0)
    }
}
