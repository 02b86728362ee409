// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

extension IntegrationTests {
    /// The terminal UI as one of a shell's jobs.
    @Suite("Jobs with a terminal UI", .enabled(if: TmuxScreen.isAvailable, "needs tmux: make deps"))
    struct JobControlTests {
        private let folder: TemporaryDirectory

        init() throws { folder = try TemporaryDirectory() }

        /// A herd that a script starts, as `make run` does, typed into an interactive shell.
        private func screen(term: String = "xterm-256color") async throws -> TmuxScreen {
            let environment = ["TERM": term, "LC_ALL": "C.UTF-8"]
            let words = [
                HerdProcess.executable, "up", "--agents", "1", "--ephemeral-ports", "--data-dir",
                folder.url.appending(path: "data").path,
            ]
            let screen = try await TmuxScreen(
                words,
                environment: environment.merging(TmuxScreen.briefReport) { $1 },
                isTyped: true
            )
            try await screen.wait(for: "● LIVE")
            return screen
        }

        private func enter(_ line: String, _ screen: TmuxScreen) async throws {
            try await screen.type(line)
            try await screen.press("Enter")
        }

        /// Returns once the shell has the terminal back and says that the job has stopped.
        private func expectStopped(_ screen: TmuxScreen, _ pid: Int32) async throws {
            try await screen.wait(for: "Stopped")
            #expect(try await screen.isGivenBack())
            #expect(Self.state(pid) == "T")
        }

        /// The letter of a process's state: `S` sleeps, `T` is stopped.
        private static func state(_ pid: Int32) -> String {
            // One that has gone has none.
            let text = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
            let rest = text[(text.lastIndex(of: ")") ?? text.startIndex)...]
            return rest.split(separator: " ").dropFirst().first.map(String.init) ?? ""
        }

        @Test("^Z stops the whole job, fg brings it back, at the size that the terminal has then")
        func stopped() async throws {
            let screen = try await screen()
            let pid = try await screen.herdPID()
            try await screen.press("C-z")
            try await expectStopped(screen, pid)
            try await enter("clear; stty -a | grep -o 'isig icanon'", screen)
            try await screen.wait(for: "isig icanon")
            try await screen.resize(width: 70, height: 20)
            try await enter("clear; fg", screen)
            let text = try await screen.wait(for: "● LIVE")
            #expect(text.split(separator: "\n").allSatisfy { $0.count <= 70 })
            #expect(text.contains("? help"))
            try await screen.press("C-z")
            try await expectStopped(screen, pid)
            try await enter("clear; fg", screen)
            try await screen.wait(for: "● LIVE")
        }

        @Test("a stop from outside gives the terminal back as well")
        func stoppedFromOutside() async throws {
            let screen = try await screen()
            let pid = try await screen.herdPID()
            kill(pid, SIGTSTP)
            try await screen.wait(for: "the shell's own screen") { !$0.contains("● LIVE") }
            // The script that started it waits for it, so that the shell learns of it when that stops too.
            kill(-getpgid(pid), SIGTSTP)
            try await expectStopped(screen, pid)
            try await enter("clear; fg", screen)
            try await screen.wait(for: "● LIVE")
            // Nothing can be done about this one, but to come back to a screen that is whole.
            kill(-getpgid(pid), SIGSTOP)
            try await screen.wait(for: "Stopped")
            try await enter("clear; fg", screen)
            try await screen.wait(for: "● LIVE")
            try await screen.type("q")
            try await screen.wait(for: "Stop cluster")
            try await screen.press("Enter")
            try await screen.wait(for: "ENDED 0")
            #expect(try await screen.isGivenBack())
            let modes = try screen.modes()
            #expect(modes.before == modes.after)
        }

        @Test(
            "in the background the cluster runs on and leaves the terminal to others, also when it dies"
        )
        func background() async throws {
            let screen = try await screen()
            let pid = try await screen.herdPID()
            try await screen.press("C-z")
            try await expectStopped(screen, pid)
            try await enter("clear; bg", screen)
            let status = try await Command(
                HerdProcess.executable,
                ["status", "--data-dir", folder.url.appending(path: "data").path]
            ).run(within: .seconds(30))
            #expect(status.status == 0 && status.output.contains("agent-0"))
            #expect(try await screen.isGivenBack())
            #expect(Self.state(pid) == "S")
            try await enter("clear; fg", screen)
            try await screen.wait(for: "● LIVE")
            try await screen.press("C-z")
            try await screen.wait(for: "Stopped")
            try await enter("clear; bg", screen)
            kill(pid, SIGCONT)
            try await enter("clear; echo $((40 + 2)) there; read answer; echo got $answer", screen)
            try await screen.wait(for: "42 there")
            kill(pid, SIGSEGV)
            try await screen.wait(for: "ENDED 139")
            #expect(try await screen.isGivenBack())
            // The shell's own program reads what is typed, with the modes that it had.
            try await enter("words", screen)
            try await screen.wait(for: "got words")
            #expect(try await screen.scrollback().contains("Program crashed"))
        }

        @Test(
            "threads that crash together leave a sane terminal",
            arguments: ["xterm-256color", "vt100"]
        )
        func together(_ term: String) async throws {
            let screen = try await screen(term: term)
            let pid = try await screen.herdPID()
            let all = """
                import ctypes, os, sys
                process = int(sys.argv[1])
                for thread in os.listdir(f"/proc/{process}/task"):
                    ctypes.CDLL(None).tgkill(process, int(thread), 11)
                """
            _ = try await Command("python3", ["-c", all, "\(pid)"]).run(within: .seconds(20))
            try await screen.wait(for: "ENDED 139")
            #expect(try await screen.isGivenBack())
            let modes = try screen.modes()
            #expect(modes.before == modes.after)
            let text = try await screen.scrollback()
            #expect(text.contains("Program crashed") && !text.contains("$<"))
        }
    }
}
