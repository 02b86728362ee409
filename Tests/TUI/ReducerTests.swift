// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import TUI
import Telemetry
import Testing

@Suite("What keys and commands do")
struct ReducerTests {
    /// An interface over a cluster of `agents`, one second old.
    private func interface(agents: Int = 4) -> (Interface, TestCluster) {
        var cluster = TestCluster(agents: agents)
        var view = ViewState()
        view.size = Size(width: 120, height: 36)
        var interface = Interface(view: view)
        for _ in 0..<11 {
            for index in cluster.agents.indices { cluster.agents[index].fromAgents += 10_000 }
            _ = interface.receive(cluster.picture(after: 100))
        }
        return (interface, cluster)
    }

    private func press(_ keys: String, _ interface: inout Interface) -> [Effect] {
        keys.split(separator: " ").compactMap { Key(String($0)) }.flatMap {
            interface.handle(.key($0))
        }
    }

    private func type(_ text: String, _ interface: inout Interface) {
        for scalar in text.unicodeScalars { _ = interface.handle(.key(.character(scalar))) }
    }

    @Test("every key has a help line and a command, and the command does the same")
    func table() {
        let (interface, _) = interface()
        let scene = Scene(interface.history.latest, interface.view)
        for binding in KeyTable.bindings {
            #expect(!binding.help.isEmpty)
            #expect(binding.keys.count > 0)
            guard case .success(let intents) = CommandLine.parse(binding.command, scene) else {
                Issue.record(":\(binding.command) is no command")
                continue
            }
            #expect(!intents.isEmpty, ":\(binding.command) does nothing")
        }
    }

    @Test("no key means two things on one screen")
    func ambiguity() {
        for screen in Screen.allCases {
            let own = KeyTable.bindings.filter { $0.screens?.contains(screen) == true }
            let common = KeyTable.bindings.filter { $0.screens == nil }
            for group in [own, common] {
                var seen: Set<Key> = []
                for key in group.flatMap(\.keys) {
                    #expect(seen.insert(key).inserted, "\(key) twice on \(screen)")
                }
            }
        }
    }

    @Test("digits and function keys change screens, escape goes back")
    func screens() {
        var (interface, _) = interface()
        _ = press("2 F4", &interface)
        #expect(interface.view.screen == .pieces)
        _ = press("esc", &interface)
        #expect(interface.view.screen == .swarm)
        _ = press("esc esc esc", &interface)
        #expect(interface.view.screen == .overview)
    }

    @Test("a selection is a name: it stays where it is when rows move")
    func selection() {
        var (interface, cluster) = interface()
        _ = press("↓ ↵", &interface)
        #expect(interface.view.screen == .swarm)
        #expect(interface.view.blob == cluster.blob)
        _ = interface.perform(.select(.peer("a02")))
        cluster.agents.remove(at: 0)
        _ = interface.receive(cluster.picture(after: 100))
        #expect(interface.view.peer == "a02")
        #expect(interface.view.interest == Interest(blob: cluster.blob))
    }

    @Test("opening a blob asks for its details")
    func interest() {
        var (interface, cluster) = interface()
        let effects = press("↵", &interface)
        #expect(effects.contains(.interest(Interest(blob: cluster.blob))))
    }

    @Test("a filter works while it is typed, and escape brings the old one back")
    func filter() {
        var (interface, _) = interface()
        _ = press("6 /", &interface)
        type("kind:pie", &interface)
        #expect(interface.view.filter == "kind:pie")
        _ = press("↵ /", &interface)
        type("x", &interface)
        #expect(interface.view.filter == "kind:piex")
        _ = press("esc", &interface)
        #expect(interface.view.filter == "kind:pie")
        _ = press("esc", &interface)
        #expect(interface.view.filter.isEmpty)
        #expect(interface.view.screen == .events)
    }

    @Test("commands are completed, remembered, and corrected")
    func commands() {
        var (interface, _) = interface()
        _ = press(":", &interface)
        type("them", &interface)
        _ = press("tab", &interface)
        #expect(interface.view.prompt?.text == "theme ")
        type("light", &interface)
        _ = press("↵", &interface)
        #expect(interface.view.theme == .light)
        _ = press(": ↑", &interface)
        #expect(interface.view.prompt?.text == "theme light")
        _ = press("^u", &interface)
        type("swrm", &interface)
        _ = press("↵", &interface)
        #expect(interface.view.toast?.text.contains("did you mean :swarm?") == true)
    }

    @Test("editing a line: home, end, words, deletion")
    func editing() {
        var (interface, _) = interface()
        _ = press(":", &interface)
        type("kill a01", &interface)
        _ = press("^w", &interface)
        #expect(interface.view.prompt?.text == "kill ")
        _ = press("home del", &interface)
        #expect(interface.view.prompt?.text == "ill ")
        type("k", &interface)
        _ = press("end ⌫", &interface)
        #expect(interface.view.prompt?.text == "kill")
        _ = interface.handle(.paste(" a0\u{1B}[2J1\n"))
        #expect(interface.view.prompt?.text.contains("\u{1B}") == false)
    }

    @Test("what is pasted goes into the line that is typed, and does nothing elsewhere")
    func pasting() {
        var (interface, _) = interface()
        #expect(interface.handle(.paste("q\npPx:crash\n")).isEmpty)
        #expect(interface.view.prompt == nil && interface.view.dialog == nil)
        #expect(interface.view.toast?.text.contains("pasted") == true)
        _ = press(":", &interface)
        _ = interface.handle(.paste("kill a01\n\tfor 5s\u{1B}\u{3}\n"))
        #expect(interface.view.prompt?.text == "kill a01 for 5s")
        #expect(interface.view.dialog == nil)
        _ = press("esc /", &interface)
        _ = interface.handle(.paste("kind:piece · a0"))
        #expect(interface.view.filter == "kind:piece · a0")
        _ = interface.handle(.paste(String(repeating: "x", count: 9999)))
        #expect(interface.view.prompt?.text.count == 512)
    }

    @Test("p pushes, P asks how to pull")
    func pushAndPull() {
        var (interface, _) = interface()
        #expect(press("p", &interface) == [.command(.push(bytes: 64 << 20))])
        #expect(press("P", &interface).isEmpty)
        let effects = press("↓ ↵", &interface)
        let pull = ClusterCommand.pull(reference: nil, agents: [], staggerMilliseconds: 200)
        #expect(effects == [.command(pull)])
        #expect(interface.view.dialog == nil)
    }

    @Test("a fault is asked about first, and Cancel is what Enter means")
    func confirmation() {
        var (interface, _) = interface()
        _ = interface.perform(.run("kill a02 for 5s"))
        guard case .confirm(let question) = interface.view.dialog else {
            Issue.record("nothing is asked")
            return
        }
        #expect(question.title == "kill a02")
        #expect(press("↵", &interface).isEmpty)
        #expect(interface.view.dialog == nil)
        _ = interface.perform(.run("kill a02 for 5s"))
        let fault = FaultRequest(.kill, targets: ["agent-2"], durationSeconds: 5)
        #expect(press("tab ↵", &interface) == [.command(.fault(fault))])
    }

    @Test("what destroys wants the name typed")
    func typedProof() {
        var (interface, _) = interface()
        _ = interface.perform(.run("wipe a02"))
        #expect(press("tab ↵", &interface).isEmpty)
        #expect(interface.view.toast?.isError == true)
        type("a02", &interface)
        let fault = FaultRequest(.wipe, targets: ["agent-2"])
        #expect(press("↵", &interface) == [.command(.fault(fault))])
    }

    @Test(
        "arguments mean what they say, or tell what would be right",
        arguments: [
            "kill nobody", "throttle a01", "throttle a01 fast",
            "throttle a01 up", "throttle a01 for 3s", "speed 0", "speed nan", "seek now",
            "partition a01", "theme pink", "push -1", "push lots", "swarm zzzz", "peer",
        ]
    )
    func badArguments(_ line: String) {
        var (interface, _) = interface()
        #expect(interface.perform(.run(line)).allSatisfy { $0 == .redraw })
        #expect(interface.view.toast?.isError == true, "\(line) was taken")
    }

    @Test(
        "tasks are retried where the eye is: one, all of a queue, all that failed; dropping asks first"
    )
    func tasks() {
        var view = SamplePicture.view(.queues, 120, 36)
        view.queue = "origin-2/write-back/demo/.*"
        view.queues.pane = .tasks
        var interface = Interface(view: view)
        _ = interface.receive(SamplePicture.make())
        let queue = "origin-2/write-back/demo/.*"
        // The oldest is selected as long as nobody selects another.
        let task = SamplePicture.second.description
        #expect(press("r", &interface) == [.command(.retryTask(queue: queue, task: task))])
        #expect(press("A", &interface) == [.command(.retryTask(queue: queue, task: nil))])
        #expect(press("d", &interface).isEmpty)
        guard case .confirm(let question) = interface.view.dialog else {
            Issue.record("nothing is asked")
            return
        }
        #expect(question.demanded == "drop")
        #expect(question.intent == .command(.dropTask(queue: queue, task: task)))
        _ = interface.perform(.back)
        _ = press("tab", &interface)
        #expect(interface.view.queues.pane == .writeBack)
        #expect(press("r", &interface) == [.command(.retryTask(queue: queue, task: nil))])
    }

    @Test("patterns, sizes and times in commands")
    func goodArguments() {
        var (interface, _) = interface()
        _ = interface.perform(.run("throttle a0* 1M for 2m"))
        guard case .confirm(let question) = interface.view.dialog,
            case .command(.fault(let fault)) = question.intent
        else {
            Issue.record("nothing is asked")
            return
        }
        #expect(fault.targets == ["agent-0", "agent-1", "agent-2", "agent-3"])
        #expect(fault.bytesPerSecond == 1 << 20 && fault.durationSeconds == 120)
        _ = interface.perform(.back)
        _ = interface.perform(.run("throttle a03 5MB/s up 1M 50ms for 10s"))
        guard case .confirm(let slow) = interface.view.dialog,
            case .command(.fault(let throttle)) = slow.intent
        else {
            Issue.record("nothing is asked")
            return
        }
        #expect(throttle.bytesPerSecond == 5 << 20 && throttle.upBytesPerSecond == 1 << 20)
        #expect(throttle.latencySeconds == 0.05 && throttle.durationSeconds == 10)
        #expect(slow.lines[1] == "5 MiB/s each way, up 1 MiB/s, 50 ms late in all it sends")
        let pull = interface.perform(.run("pull a01,a03 demo/web:v42 stagger 50ms"))
        #expect(
            pull == [
                .command(
                    .pull(
                        reference: "demo/web:v42",
                        agents: ["agent-1", "agent-3"],
                        staggerMilliseconds: 50
                    )
                )
            ]
        )
    }

    @Test("nothing can be done to what runs elsewhere")
    func remote() {
        var cluster = TestCluster(agents: 2)
        cluster.builder = PictureBuilder(name: "remote", source: .remote)
        var interface = Interface(view: ViewState())
        _ = interface.receive(cluster.picture())
        #expect(press("p x P", &interface).isEmpty)
        #expect(interface.view.toast?.isError == true)
        #expect(press("q", &interface) == [.quit(.stop)])
    }

    @Test("quitting a cluster asks; a second ^C does not")
    func quit() {
        var (interface, _) = interface()
        #expect(press("q", &interface).isEmpty)
        #expect(press("esc", &interface).isEmpty)
        #expect(press("q ↵", &interface) == [.quit(.stop)])
        #expect(press("q ↓ ↵", &interface) == [.quit(.headless)])
        #expect(press("^c ^c", &interface) == [.quit(.force)])
    }

    @Test("a message goes after its time")
    func toast() {
        var (interface, cluster) = interface()
        _ = interface.finish("pushed", isError: false)
        _ = interface.receive(cluster.picture(after: 3900))
        #expect(interface.view.toast != nil)
        _ = interface.receive(cluster.picture(after: 200))
        #expect(interface.view.toast == nil)
    }

    @Test("a click does what lies under it")
    func clicks() {
        var (interface, _) = interface()
        let frame = interface.draw()
        let tab = frame.hits.first { $0.intent == .show(.events) }
        #expect(tab != nil)
        _ = interface.handle(.click(Point(x: tab?.area.x ?? 0, y: tab?.area.y ?? 0)))
        #expect(interface.view.screen == .events)
        #expect(interface.handle(.click(Point(x: -5, y: 900))).isEmpty)
    }
}
