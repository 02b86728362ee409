// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

extension IntegrationTests {
    /// The terminal UI as people use it: a real herd that draws in a real terminal.
    @Suite("The terminal UI")
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
            let alternate = try await screen.flag("alternate_on")
            let cursor = try await screen.flag("cursor_flag")
            let mouse = try await screen.flag("mouse_any_flag")
            #expect((alternate, cursor, mouse) == ("0", "1", "0"))
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
            try await screen.wait(for: "ENDED \(status)")
            try await expectSaneTerminal(screen)
            let text = try await screen.scrollback()
            if signal == SIGSEGV || signal == SIGABRT { #expect(text.contains("Program crashed")) }
        }

        @Test("a crash inside leaves a sane terminal on every screen")
        func crashes() async throws {
            for key in ["1", "2", "3", "4", "5", "6", "7"] {
                let screen = try await TmuxScreen(herd("--fresh", agents: 1))
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
                ["TERM": "linux", "LC_ALL": "C.UTF-8"], ["TERM": "vt100", "LC_ALL": "C.UTF-8"],
                ["TERM": "xterm-256color", "LC_ALL": "C.UTF-8"],
                ["NO_COLOR": "1", "LC_ALL": "C.UTF-8"], ["LC_ALL": "C"],
            ]
        )
        func terminals(_ environment: [String: String]) async throws {
            let screen = try await TmuxScreen(
                herd(agents: 2),
                width: 80,
                height: 24,
                environment: environment
            )
            let text = try await screen.wait(for: "2 idle")
            #expect(text.contains("tracker-0"))
            if environment["LC_ALL"] == "C" {
                #expect(text.utf8.allSatisfy { $0 < 0x80 })
            } else {
                #expect(text.contains("●"))
            }
            try await screen.type("q")
            try await screen.wait(for: "Stop cluster")
            try await screen.press("Enter")
            try await screen.wait(for: "ENDED 0")
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

        @Test("a terminal that nobody reads holds up neither the cluster nor its end")
        func stalledTerminal() async throws {
            let ready = folder.url.appending(path: "ready.json")
            let words = herd("--ready-file", ready.path, agents: 2)
            // Opens a terminal for the herd, and stops it, as ctrl-S would, once the herd is ready.
            let holder = """
                import fcntl, os, pty, select, signal, struct, sys, termios
                signal.pthread_sigmask(signal.SIG_SETMASK, [])
                child, terminal = pty.fork()
                if child == 0:
                    os.environ.update(TERM="xterm-256color", LC_ALL="C.UTF-8")
                    os.execv(sys.argv[2], sys.argv[2:])
                fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
                signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
                while not os.path.exists(sys.argv[1]):
                    if select.select([terminal], [], [], 0.05)[0]:
                        os.read(terminal, 65536)
                slave = os.open(f"/proc/{child}/fd/0", os.O_RDWR | os.O_NOCTTY)
                termios.tcflow(slave, termios.TCOOFF)
                _, status = os.waitpid(child, 0)
                sys.exit(os.waitstatus_to_exitcode(status) & 255)
                """
            let process = try Command("python3", ["-c", holder, ready.path] + words).start(
                output: folder.url.appending(path: "out"),
                errors: folder.url.appending(path: "err")
            )
            let appeared = try await FileWatch.content(of: ready, within: .seconds(30)) {
                !process.isRunning
            }
            try #require(appeared != nil)
            // The screen stands still for seconds; the cluster answers all the same.
            let status = try await Command(
                HerdProcess.executable,
                [
                    "status", "--data-dir", folder.url.appending(path: "data").path, "--wait",
                    "agents.ok==3", "--timeout", "3s",
                ]
            ).run(within: .seconds(30))
            #expect(status.status == 1 && status.output.contains("agent-1"))
            process.send(SIGTERM)
            #expect(try await process.waitForExit(within: .seconds(20)) == 0)
        }

        @Test("a recorded run is watched again")
        func replay() async throws {
            let recording = folder.url.appending(path: "run.jsonl").path
            let keys = folder.url.appending(path: "keys")
            try """
            wait 8 ok
            type :push 8M
            wait pushed demo/app:v1
            keys P ↵
            wait pulled demo/app:v1
            advance 1s
            expect /100%/
            """.write(to: keys, atomically: true, encoding: .utf8)
            let run = Command(
                HerdProcess.executable,
                Array(herd("--keys", keys.path, "--record-run", recording, agents: 2).dropFirst())
            )
            let recorded = try await run.run(within: .seconds(90))
            #expect(recorded.status == 0, "\(recorded.errors)")
            let watch = folder.url.appending(path: "watch")
            try "wait REPLAY\nwait demo/app:v1\nframe seen\n".write(
                to: watch,
                atomically: true,
                encoding: .utf8
            )
            let watched = try await Command(
                HerdProcess.executable,
                ["replay", recording, "--keys", watch.path, "--frames", folder.url.path]
            ).run(within: .seconds(90))
            #expect(watched.status == 0, "\(watched.errors)")
            let seen = try String(
                contentsOf: folder.url.appending(path: "seen.txt"),
                encoding: .utf8
            )
            #expect(seen.contains("⟲ REPLAY"))
        }

        @Test("a script whose expectation fails says what the screen showed")
        func failingScript() async throws {
            let keys = folder.url.appending(path: "keys")
            try "wait LIVE\nexpect /nothing like this/\n".write(
                to: keys,
                atomically: true,
                encoding: .utf8
            )
            let result = try await Command(
                HerdProcess.executable,
                Array(herd("--keys", keys.path, agents: 1).dropFirst())
            ).run(within: .seconds(60))
            #expect(result.status == 1)
            #expect(result.errors.contains("expected /nothing like this/"))
            #expect(result.errors.contains("Overview"))
        }
    }
}
