// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import TUI
import Telemetry

/// A time as part of a file's name: `20261127-140327`.
enum FileStamp {
    static var now: String {
        var now = time(nil)
        var local = tm()
        guard localtime_r(&now, &local) != nil else { return "\(now)" }
        func two(_ value: CInt) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let date = "\(local.tm_year + 1900)\(two(local.tm_mon + 1))\(two(local.tm_mday))"
        return "\(date)-\(two(local.tm_hour))\(two(local.tm_min))\(two(local.tm_sec))"
    }
}

/// Time that only passes.
enum MonotonicTime {
    /// Milliseconds since some moment.
    static var milliseconds: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}

/// Files that are written at once.
enum SmallFile {
    static func write(_ text: String, to path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw TerminalError("\(path): \(String(cString: strerror(errno)))")
        }
        defer { Glibc.close(descriptor) }
        guard write(text, to: descriptor) else {
            throw TerminalError("\(path): \(String(cString: strerror(errno)))")
        }
    }

    /// Writes all of `text`; false when that failed.
    @discardableResult
    static func write(_ text: String, to descriptor: CInt) -> Bool {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            bytes = bytes.dropFirst(count)
        }
        return true
    }
}

/// The terminal's clipboard.
enum Clipboard {
    /// What asks a terminal to put `text` on its clipboard (OSC 52).
    static func sequence(for text: String) -> String {
        "\u{1B}]52;c;\(Data(text.utf8).base64EncodedString())\u{07}"
    }
}

/// Records what the screen shows as an asciicast.
final class CastRecorder {
    let path: String
    private var file: UnsafeMutablePointer<FILE>?
    private var encoder: AnsiEncoder
    private var size: Size
    private let begin = MonotonicTime.milliseconds
    private var marks: Set<TimeMark>

    /// A recording into the file `path`.
    ///
    /// - Parameter known: marks that are no part of it: what was marked before.
    init(_ path: String, size: Size, theme: Theme.Name, known: [TimeMark]) throws {
        (self.path, self.size, marks) = (path, size, Set(known))
        encoder = AnsiEncoder(theme: theme, depth: .indexed256)
        file = fopen(path, "we")
        guard let file else {
            throw TerminalError("\(path): \(String(cString: strerror(errno)))")
        }
        let seconds = Int64(time(nil))
        fputs(Asciicast.header(size: size, unixSeconds: seconds, term: "xterm-256color"), file)
    }

    private var seconds: Double { Double(MonotonicTime.milliseconds - begin) / 1000 }

    /// Appends what changed.
    func record(_ frame: Frame, theme: Theme.Name) {
        guard let file else { return }
        encoder.change(to: theme)
        if frame.size != size {
            size = frame.size
            fputs(Asciicast.resize(size, at: seconds), file)
        }
        let text = encoder.encode(frame)
        if !text.isEmpty { fputs(Asciicast.output(text, at: seconds), file) }
    }

    /// Appends those of `all` marks that are new.
    func mark(_ all: [TimeMark]) {
        guard let file else { return }
        for mark in all where marks.insert(mark).inserted {
            fputs(Asciicast.marker(mark.label, at: seconds), file)
        }
        // Those that are forgotten do not come again.
        if marks.count > all.count { marks.formIntersection(all) }
    }

    /// Ends the file; further frames are not recorded.
    func finish() {
        if let file { fclose(file) }
        file = nil
    }
}

/// Lines that were printed, as the herd's own log writes them: `08:42:07.123 warning agent-3 what happened`.
enum PrintedLine {
    private static let levels: Set<String> = [
        "trace", "debug", "info", "notice", "warning", "error", "critical",
    ]

    static func logLine(_ line: String, at now: Timestamp) -> LogLine {
        let words = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: true)
        guard words.count > 2, words[0].count == 12, words[0].contains(":") else {
            return LogLine(at: now, level: "", component: "", text: line)
        }
        let level = String(words[1])
        if levels.contains(level) {
            let text = words.count > 3 ? String(words[3].drop { $0 == " " }) : ""
            return LogLine(at: now, level: level, component: String(words[2]), text: text)
        }
        let text = words[2...].joined(separator: " ")
        return LogLine(at: now, level: "info", component: level, text: text)
    }
}
