// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A terminal in tmux, on a server of the test's own, in which a real herd draws.
final class TmuxScreen: Sendable {
    private let socket = "herd-test-\(UUID().uuidString)"
    private let folder: TemporaryDirectory
    /// Grows whenever something is drawn.
    private let output: URL
    private let watch: Int32

    /// How long a screen may take to show what is waited for.
    static let deadline = Duration.seconds(60)

    /// Starts `words` in a terminal of `width` × `height`; when they end, the status and the terminal's modes are shown.
    init(
        _ words: [String],
        width: Int = 120,
        height: Int = 36,
        environment: [String: String] = ["LC_ALL": "C.UTF-8"]
    ) async throws {
        folder = try TemporaryDirectory()
        output = folder.url.appending(path: "output")
        try Data().write(to: output)
        watch = try FileWatch.watch(output)
        let variables = environment.map { "\($0.key)='\($0.value)'" }.joined(separator: " ")
        let command = words.map { "'\($0)'" }.joined(separator: " ")
        let script = folder.url.appending(path: "run.sh")
        let text = """
            stty -a > '\(folder.url.path)/before'
            env \(variables) \(command)
            echo "ENDED $?"
            stty -a > '\(folder.url.path)/after'
            exec sleep 1000
            """
        try text.write(to: script, atomically: true, encoding: .utf8)
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
            "t",
            "bash '\(script.path)'"
        )
        try await tmux("set-option", "-g", "escape-time", "0")
        try await tmux("pipe-pane", "-t", "t", "exec cat >> '\(output.path)'")
    }

    deinit {
        close(watch)
        // The server ends with all that runs in it; one that is gone already is as good.
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["tmux", "-L", socket, "kill-server"]
        process.standardError = FileHandle.nullDevice
        try? process.run()
        process.waitUntilExit()
    }

    @discardableResult
    private func tmux(_ arguments: String...) async throws -> String {
        // The server outlives the client that starts it. It must not inherit what tells us that the client has ended.
        let closing = """
            for each in /proc/$$/fd/*; do each=${each##*/}; [ "$each" -gt 2 ] && eval "exec $each>&-"; done
            exec tmux "$@"
            """
        let words = ["-c", closing, "tmux", "-L", socket] + arguments
        let result = try await Command("bash", words).run(within: .seconds(20))
        guard result.status == 0 else {
            throw CommandFailure(description: "tmux \(arguments): \(result.errors)")
        }
        return result.output
    }

    /// Presses keys, by tmux's names for them.
    func press(_ keys: String...) async throws {
        for key in keys { try await tmux("send-keys", "-t", "t", key) }
    }

    /// Types text as it is.
    func type(_ text: String) async throws { try await tmux("send-keys", "-t", "t", "-l", text) }

    func resize(width: Int, height: Int) async throws {
        try await tmux("resize-window", "-t", "t", "-x", "\(width)", "-y", "\(height)")
    }

    /// What the screen shows.
    func text() async throws -> String { try await tmux("capture-pane", "-p", "-t", "t") }

    /// What the screen shows and what has scrolled out of it.
    func scrollback() async throws -> String {
        try await tmux("capture-pane", "-p", "-S", "-", "-t", "t")
    }

    /// What tmux says of the pane: `alternate_on`, `cursor_flag`, `pane_pid`.
    func flag(_ name: String) async throws -> String {
        try await tmux("display-message", "-p", "-t", "t", "#{\(name)}")
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

    /// The process that draws: the only one below the pane's shell.
    func herdPID() async throws -> Int32 {
        let shell = try await flag("pane_pid")
        let list = "/proc/\(shell)/task/\(shell)/children"
        let children = try String(contentsOfFile: list, encoding: .utf8)
        guard let pid = children.split(separator: " ").first.flatMap({ Int32($0) }) else {
            throw CommandFailure(description: "nothing runs below \(shell)")
        }
        return pid
    }
}
