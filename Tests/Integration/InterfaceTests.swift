// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

extension IntegrationTests {
    /// The terminal UI as people use it: a real herd that draws in a real terminal.
    @Suite("The terminal UI", .enabled(if: TmuxScreen.isAvailable, "needs tmux: make deps"))
    struct InterfaceTests {
        private let folder: TemporaryDirectory

        init() throws { folder = try TemporaryDirectory() }

        private func herd(_ arguments: String..., agents: Int = 6) -> [String] {
            [
                HerdProcess.executable, "up", "--agents", "\(agents)", "--ephemeral-ports",
                "--data-dir", folder.url.appending(path: "data").path,
            ] + arguments
        }

        @Test("push, pull, look around, pause, break something, undo it, quit")
        func tour() async throws {
            let screen = try await TmuxScreen(herd())
            try await screen.wait(for: "● LIVE")
            let empty = try await screen.wait(for: "No blobs yet")
            #expect(empty.contains("p pushes a demo image"))
            try await screen.type("p")
            try await screen.wait(for: "pushed demo/app:v1")
            try await screen.type("P")
            try await screen.wait(for: "by all agents at once")
            try await screen.press("Enter")
            try await screen.wait(for: "pulled demo/app:v1")
            try await screen.wait(for: "100%")
            for (key, sign) in [
                ("2", "[2 Swarm]"), ("3", "Peers × pieces"), ("4", "Write-back"),
                ("5", "Hash ring"), ("6", "COMPONENT"), ("7", "What is happening"),
            ] {
                try await screen.type(key)
                try await screen.wait(for: sign)
            }
            try await lookAtEvents(screen)
            try await breakAndMend(screen)
            try await leave(screen)
        }

        private func lookAtEvents(_ screen: TmuxScreen) async throws {
            try await screen.type("6")
            try await screen.wait(for: "[6 Events]")
            try await screen.type("/kind:torrent_complete")
            try await screen.press("Enter")
            try await screen.wait(for: "only what passes the filter") { text in
                text.contains("torrent_complete") && !text.contains(" receive_piece ")
            }
            try await screen.press("Escape")
            try await screen.press("Space")
            try await screen.wait(for: "❚❚ PAUSED")
            try await screen.type(",,,")
            try await screen.wait(for: "PAUSED -")
            try await screen.press("Space")
            try await screen.wait(for: "● LIVE")
        }

        private func breakAndMend(_ screen: TmuxScreen) async throws {
            try await screen.type(":kill a02")
            try await screen.press("Enter")
            try await screen.wait(for: "kill a02")
            try await screen.press("Tab", "Enter")
            try await screen.wait(for: "1 fault")
            try await screen.type("1")
            try await screen.wait(for: "1 down (a02)")
            try await screen.type(":undo")
            try await screen.press("Enter")
            try await screen.wait(for: "no fault and all well again") { text in
                !text.contains("1 fault ") && !text.contains("down (a02)")
            }
        }

        private func leave(_ screen: TmuxScreen) async throws {
            try await screen.resize(width: 60, height: 15)
            try await screen.wait(for: "[1Over]")
            try await screen.resize(width: 200, height: 60)
            try await screen.wait(for: "[1 Overview]")
            try await screen.resize(width: 30, height: 5)
            try await screen.wait(for: "herd needs 40x10")
            try await screen.resize(width: 120, height: 36)
            try await screen.type("q")
            try await screen.wait(for: "Keep running headless")
            try await screen.press("Enter")
            try await screen.wait(for: "ENDED 0")
            try await expectSaneTerminal(screen)
        }

        private func expectSaneTerminal(_ screen: TmuxScreen) async throws {
            #expect(try await screen.isGivenBack())
            let modes = try screen.modes()
            #expect(modes.before == modes.after)
        }

        @Test(
            "a death by signal leaves a sane terminal and says what happened",
            arguments: [(SIGSEGV, 139), (SIGABRT, 134), (SIGTERM, 0), (SIGHUP, 0)]
        )
        func deaths(_ signal: Int32, _ status: Int) async throws {
            let screen = try await TmuxScreen(herd(agents: 2))
            try await screen.wait(for: "● LIVE")
            kill(try await screen.herdPID(), signal)
            try await screen.wait(for: "ENDED \(status)", within: TmuxScreen.crashDeadline)
            try await expectSaneTerminal(screen)
            let text = try await screen.scrollback()
            if signal == SIGSEGV || signal == SIGABRT { #expect(text.contains("Program crashed")) }
        }

        @Test("a crash inside leaves a sane terminal on every screen")
        func crashes() async throws {
            for key in ["1", "2", "3", "4", "5", "6", "7"] {
                let screen = try await TmuxScreen(
                    herd("--fresh", agents: 1),
                    environment: ["LC_ALL": "C.UTF-8"].merging(TmuxScreen.briefReport) { $1 }
                )
                try await screen.wait(for: "● LIVE")
                try await screen.type(key)
                try await screen.wait(for: "[\(key) ")
                try await screen.type(":crash")
                try await screen.press("Enter")
                try await screen.wait(for: "ENDED 139")
                try await expectSaneTerminal(screen)
            }
        }

        @Test(
            "terminals of all kinds show the same words",
            arguments: [
                (["TERM": "linux", "LC_ALL": "C.UTF-8"], "•"),
                (["TERM": "vt100", "LC_ALL": "C.UTF-8"], "●"),
                (["TERM": "xterm-256color", "LC_ALL": "C.UTF-8"], "●"),
                (["NO_COLOR": "1", "LC_ALL": "C.UTF-8"], "●"), (["LC_ALL": "C"], "#"),
                (["LC_ALL": "", "LC_CTYPE": "", "LANG": ""], "●"),
                (["LC_ALL": "xx_YY.UTF-8"], "●"),
            ]
        )
        func terminals(_ environment: [String: String], _ dot: String) async throws {
            let screen = try await TmuxScreen(
                herd(agents: 2),
                width: 80,
                height: 24,
                environment: environment
            )
            let text = try await screen.wait(for: "2 idle")
            #expect(text.contains("tracker-0") && text.contains("\(dot) LIVE"))
            if environment["LC_ALL"] == "C" { #expect(text.utf8.allSatisfy { $0 < 0x80 }) }
            // Eight colours: black would be seen by nobody.
            let colored = try await screen.colored()
            #expect(!colored.contains("[30m") && !colored.contains(";30m"))
            try await screen.type("q")
            try await screen.wait(for: "Stop cluster")
            try await screen.press("Enter")
            try await screen.wait(for: "ENDED 0")
            let all = try await screen.scrollback()
            #expect(!all.contains("$<"), "padding is no text")
        }

        @Test("truecolor is had where terminfo knows it, and said to be missing elsewhere")
        func truecolor() async throws {
            let screen = try await TmuxScreen(herd("--color", "truecolor", agents: 1))
            try await screen.wait(for: "● LIVE")
            let knows = try await Command("infocmp", ["xterm-direct"]).run().status == 0
            if !knows { #expect(try await screen.text().contains("terminfo has no xterm-direct")) }
            let colored = try await screen.colored()
            #expect(colored.contains(knows ? "38;2;" : "38;5;"))
        }

        @Test("an idle cluster sends little: the clock, and what has changed")
        func idleBytes() async throws {
            let screen = try await TmuxScreen(herd(agents: 12))
            try await screen.wait(for: "12 idle")
            func clock(_ text: String) -> Substring? {
                text.firstMatch(of: /LIVE (\d\d:\d\d:\d\d)/)?.output.1
            }
            // The clock is the event: it changes once a second, which is all that an idle screen has to say.
            var seen = Set<Substring>()
            var bytes: [Int] = []
            while seen.count < 6 {
                let text = try await screen.wait(for: "the next second") { text in
                    clock(text).map { !seen.contains($0) } ?? false
                }
                if let second = clock(text) { seen.insert(second) }
                bytes.append(try screen.sentBytes())
            }
            let sent = (bytes.last ?? 0) - (bytes.first ?? 0)
            #expect(sent > 0 && sent < Self.idleBytesMax, "\(sent) bytes in about 5 s: \(bytes)")
        }

        private static let idleBytesMax = 8000

        @Test("what is pasted into the command line is text, and nothing of it a key")
        func pasting() async throws {
            let screen = try await TmuxScreen(herd(agents: 1))
            try await screen.wait(for: "● LIVE")
            try await screen.paste("q:crash\n")
            try await screen.wait(for: "what is pasted goes into")
            try await screen.type(":")
            try await screen.paste("pull all\nstagger 1s\n")
            let text = try await screen.wait(for: ":pull all stagger 1s")
            #expect(!text.contains("Keep running"))
            try await screen.press("Escape")
        }

        @Test("the cluster runs on without its screen when asked to")
        func headless() async throws {
            let screen = try await TmuxScreen(herd(agents: 2))
            try await screen.wait(for: "● LIVE")
            let pid = try await screen.herdPID()
            try await screen.type("q")
            try await screen.wait(for: "Keep running headless")
            try await screen.press("Down", "Enter")
            try await screen.wait(for: "the screen was given back") { !$0.contains("● LIVE") }
            let alternate = try await screen.flag("alternate_on")
            #expect(alternate == "0")
            #expect(kill(pid, 0) == 0)
            kill(pid, SIGTERM)
            try await screen.wait(for: "ENDED 0")
        }

        @Test("herd top shows a herd of another process, and that it is gone")
        func top() async throws {
            let herd = try await HerdProcess.start(in: folder.url, agents: 2)
            let screen = try await TmuxScreen(
                [HerdProcess.executable, "top", "--data-dir", herd.dataDirectory.path],
                width: 100,
                height: 30
            )
            try await screen.wait(for: "2 idle")
            try await screen.type("p")
            try await screen.wait(for: "run elsewhere")
            herd.process.send(SIGKILL)
            try await screen.wait(for: "▲ tracker-0")
            try await screen.type("q")
            try await screen.wait(for: "ENDED 0")
        }
    }
}
