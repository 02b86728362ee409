// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

extension IntegrationTests {
    /// The terminal UI with nobody in front of it: a terminal that is not read, scripts, recordings.
    @Suite("The terminal UI by itself")
    struct UnattendedInterfaceTests {
        private let folder: TemporaryDirectory

        init() throws { folder = try TemporaryDirectory() }

        private func herd(_ arguments: String..., agents: Int = 6) -> [String] {
            [
                HerdProcess.executable, "up", "--agents", "\(agents)", "--ephemeral-ports",
                "--data-dir", folder.url.appending(path: "data").path,
            ] + arguments
        }

        /// A herd in a terminal that is stopped, as ctrl-S would, once the herd is ready. Signals are passed on to it.
        private func startStalled() async throws -> RunningProcess {
            let ready = folder.url.appending(path: "ready.json")
            let holder = """
                import fcntl, os, pty, select, signal, struct, sys, termios
                signal.pthread_sigmask(signal.SIG_SETMASK, [])
                child, terminal = pty.fork()
                if child == 0:
                    os.environ.update(TERM="xterm-256color", LC_ALL="C.UTF-8")
                    os.execv(sys.argv[2], sys.argv[2:])
                fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
                for number in (signal.SIGTERM, signal.SIGQUIT):
                    signal.signal(number, lambda number, _: os.kill(child, number))
                while not os.path.exists(sys.argv[1]):
                    if select.select([terminal], [], [], 0.05)[0]:
                        os.read(terminal, 65536)
                slave = os.open(f"/proc/{child}/fd/0", os.O_RDWR | os.O_NOCTTY)
                termios.tcflow(slave, termios.TCOOFF)
                with open(sys.argv[1] + ".stalled", "w") as file: file.write("yes")
                _, status = os.waitpid(child, 0)
                sys.exit(os.waitstatus_to_exitcode(status) & 255)
                """
            let words = herd("--ready-file", ready.path, agents: 2)
            let process = try Command("python3", ["-c", holder, ready.path] + words).start(
                output: folder.url.appending(path: "out"),
                errors: folder.url.appending(path: "err")
            )
            let stalled = folder.url.appending(path: "ready.json.stalled")
            let appeared = try await FileWatch.content(of: stalled, within: .seconds(60)) {
                !process.isRunning
            }
            try #require(appeared != nil)
            return process
        }

        @Test("a terminal that nobody reads holds up neither the cluster nor its end")
        func stalledTerminal() async throws {
            let process = try await startStalled()
            // The screen stands still for seconds; the cluster answers all the same.
            let status = try await Command(
                HerdProcess.executable,
                [
                    "status", "--data-dir", folder.url.appending(path: "data").path, "--wait",
                    "agents.ok==3", "--timeout", "3s",
                ]
            ).run(within: .seconds(30))
            #expect(status.status == 1 && status.output.contains("agent-1"))
            try await pushAndPull()
            process.send(SIGTERM)
            #expect(try await process.waitForExit(within: .seconds(20)) == 0)
        }

        /// Moves an image through the herd: through its proxy and out of each agent.
        private func pushAndPull() async throws {
            let ready = try JSONDecoder().decode(
                HerdProcess.ReadyFile.self,
                from: try Data(contentsOf: folder.url.appending(path: "ready.json"))
            )
            let source = folder.url.appending(path: "image")
            _ = try OCIImage.make(in: source, layerBytes: [8 << 20], seed: 5)
            let proxy = try #require(ready.addresses("proxy", "registry").first)
            let push = Command(HerdProcess.executable, ["push", source.path, "\(proxy)/demo/x:v1"])
            #expect(try await push.run(within: .seconds(60)).status == 0)
            for agent in ready.addresses("agent", "registry") {
                let target = folder.url.appending(path: "copy-\(agent)").path
                let words = ["pull", "\(agent)/demo/x:v1", target]
                let pull = try await Command(HerdProcess.executable, words).run(
                    within: .seconds(60)
                )
                #expect(pull.status == 0, "\(pull.errors)")
            }
        }

        @Test("a crash ends also where the terminal takes nothing any more")
        func stalledCrash() async throws {
            let process = try await startStalled()
            process.send(SIGQUIT)
            // As Python tells it: minus the signal, as a byte.
            #expect(
                try await process.waitForExit(within: .seconds(30)) == (256 - SIGQUIT)
            )
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
