// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A terminal in tmux, on a server of the test's own, in which a real herd draws.
final class TmuxScreen: Sendable {
    /// Whether there is a tmux; `make deps` installs it.
    static let isAvailable = (ProcessInfo.processInfo.environment["PATH"] ?? "")
        .split(separator: ":").contains {
            FileManager.default.isExecutableFile(atPath: "\($0)/tmux")
        }

    private let folder: TemporaryDirectory
    private let session = "herd-test-\(UUID().uuidString)"
    /// Grows whenever something is drawn.
    private let output: URL
    private let watch: Int32

    /// How long a screen may take to show what is waited for.
    static let deadline = Duration.seconds(60)
    /// The same when that comes after the report of a crash: finding names for its addresses takes half a minute of CPU.
    static let crashDeadline = Duration.seconds(240)
    /// Leaves those names out.
    static let briefReport = [
        "SWIFT_BACKTRACE": "enable=yes,interactive=no,color=no,symbolicate=off"
    ]

    /// The server's socket, which lies where nobody else has one.
    private var socket: String { folder.url.appending(path: "tmux").path }

    /// Starts `words` in a terminal of `width` × `height`; when they end, the status and the terminal's modes are shown.
    ///
    /// - Parameter isTyped: whether they are typed into an interactive shell, which has job control.
    init(
        _ words: [String],
        width: Int = 120,
        height: Int = 36,
        environment: [String: String] = ["LC_ALL": "C.UTF-8"],
        isTyped: Bool = false
    ) async throws {
        folder = try TemporaryDirectory()
        output = folder.url.appending(path: "output")
        try Data().write(to: output)
        watch = try FileWatch.watch(output)
        let script = folder.url.appending(path: "run.sh")
        let run = Self.script(words, environment, folder: folder.url.path)
        try (isTyped ? run : run + "exec sleep 1000\n").write(
            to: script,
            atomically: true,
            encoding: .utf8
        )
        let shell = "env PS1='SHELL> ' bash --norc --noprofile -i"
        try await tmux(
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "\(width)",
            "-y",
            "\(height)",
            "-s",
            session,
            isTyped ? shell : "bash '\(script.path)'"
        )
        try await tmux("set-option", "-g", "escape-time", "0")
        try await tmux("pipe-pane", "-t", session, "exec cat >> '\(output.path)'")
        // A test that is killed ends nothing any more: then the session ends by itself.
        let end =
            "tail --pid=\(getpid()) -f /dev/null; tmux -S '\(socket)' kill-session -t \(session)"
        try await tmux("run-shell", "-b", end)
        if isTyped {
            try await wait(for: "SHELL>")
            try await type("clear; bash '\(script.path)'")
            try await press("Enter")
        }
    }

    private static func script(
        _ words: [String],
        _ environment: [String: String],
        folder: String
    ) -> String {
        let variables = environment.map { "\($0.key)='\($0.value)'" }.joined(separator: " ")
        let command = words.map { "'\($0)'" }.joined(separator: " ")
        return """
            stty -a > '\(folder)/before'
            env \(variables) \(command)
            echo "ENDED $?"
            stty -a > '\(folder)/after'

            """
    }

    deinit {
        close(watch)
        // The server ends with its only session, and that with all that runs in it; one that is gone already is as good.
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["tmux", "-S", socket, "kill-session", "-t", session]
        process.standardError = FileHandle.nullDevice
        try? process.run()
        process.waitUntilExit()
    }

    @discardableResult
    private func tmux(_ arguments: String...) async throws -> String {
        // The server outlives the client that starts it. It must not inherit what tells us that the client has ended, nor that
        // signals are blocked here: its shells would not learn that a job has stopped.
        let clean = """
            import os, signal, sys
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            os.closerange(3, 4096)
            os.execvp("tmux", ["tmux", *sys.argv[1:]])
            """
        let words = ["-I", "-S", "-c", clean, "-S", socket] + arguments
        let result = try await Command("python3", words).run(within: .seconds(20))
        guard result.status == 0 else {
            throw CommandFailure(description: "tmux \(arguments): \(result.errors)")
        }
        return result.output
    }

    /// Presses keys, by tmux's names for them.
    func press(_ keys: String...) async throws {
        for key in keys { try await tmux("send-keys", "-t", session, key) }
    }

    /// Types text as it is.
    func type(_ text: String) async throws {
        try await tmux("send-keys", "-t", session, "-l", text)
    }

    func resize(width: Int, height: Int) async throws {
        try await tmux("resize-window", "-t", session, "-x", "\(width)", "-y", "\(height)")
    }

    /// What the screen shows.
    func text() async throws -> String { try await tmux("capture-pane", "-p", "-t", session) }

    /// What the screen shows and what has scrolled out of it.
    func scrollback() async throws -> String {
        try await tmux("capture-pane", "-p", "-S", "-", "-t", session)
    }

    /// What tmux says of the pane: `alternate_on`, `cursor_flag`, `pane_pid`.
    func flag(_ name: String) async throws -> String {
        try await tmux("display-message", "-p", "-t", session, "#{\(name)}")
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Returns once the screen satisfies `condition`: looked at whenever something is drawn, and each second.
    @discardableResult
    func wait(
        for what: String,
        within deadline: Duration = deadline,
        _ condition: (String) -> Bool
    ) async throws -> String {
        let end = ContinuousClock.now + deadline
        var last = ""
        while ContinuousClock.now < end {
            last = try await text()
            if condition(last) { return last }
            await FileWatch.waitForChange(of: watch, within: .seconds(1))
        }
        throw CommandFailure(
            description: "waited \(deadline) for \(what); the screen shows:\n\(last)"
        )
    }

    @discardableResult
    func wait(for text: String, within deadline: Duration = deadline) async throws -> String {
        try await wait(for: "“\(text)”", within: deadline) { $0.contains(text) }
    }

    /// The terminal's modes before and after the program, for comparison.
    func modes() throws -> (before: String, after: String) {
        func read(_ name: String) throws -> String {
            try String(contentsOf: folder.url.appending(path: name), encoding: .utf8)
        }
        return (try read("before"), try read("after"))
    }

    /// The process that draws: the herd below the pane's shell.
    func herdPID() async throws -> Int32 {
        let shell = try await flag("pane_pid")
        var left = [shell][...]
        while let pid = left.popFirst() {
            let program = URL(filePath: "/proc/\(pid)/exe").resolvingSymlinksInPath().path
            if program == URL(filePath: HerdProcess.executable).resolvingSymlinksInPath().path {
                return Int32(pid) ?? 0
            }
            let list = "/proc/\(pid)/task/\(pid)/children"
            // A process that has gone has none.
            let children = (try? String(contentsOfFile: list, encoding: .utf8)) ?? ""
            left += children.split(separator: " ").map(String.init)
        }
        throw CommandFailure(description: "no herd runs below \(shell)")
    }

    /// Whether full screen, the hidden cursor and the mouse have been taken back.
    func isGivenBack() async throws -> Bool {
        let flags = "#{alternate_on} #{cursor_flag} #{mouse_any_flag}"
        return try await tmux("display-message", "-p", "-t", session, flags)
            .trimmingCharacters(in: .whitespacesAndNewlines) == "0 1 0"
    }

    /// Pastes text as people do, marked as pasted where the program asks for that.
    func paste(_ text: String) async throws {
        try await tmux("set-buffer", text)
        try await tmux("paste-buffer", "-p", "-t", session)
    }

    /// Bytes that the program has sent to the terminal so far.
    func sentBytes() throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: output.path)
        return (attributes[.size] as? Int) ?? 0
    }

    /// What the screen shows, with escape sequences for colours.
    func colored() async throws -> String {
        try await tmux("capture-pane", "-p", "-e", "-t", session)
    }
}
