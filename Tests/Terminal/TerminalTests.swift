// SPDX-License-Identifier: Apache-2.0

import Foundation
import TUI
import Telemetry
import Testing

@testable import Terminal

@Suite("What terminals can do")
struct CapabilityTests {
    @Test("there is a full screen only on a terminal that is known")
    func obstacles() {
        #expect(TerminalCapabilities.obstacle(term: "xterm", isTerminal: true) == nil)
        #expect(TerminalCapabilities.obstacle(term: "dumb", isTerminal: true) != nil)
        #expect(TerminalCapabilities.obstacle(term: "", isTerminal: true) != nil)
        #expect(TerminalCapabilities.obstacle(term: nil, isTerminal: true) != nil)
        #expect(TerminalCapabilities.obstacle(term: "xterm", isTerminal: false) != nil)
    }

    @Test("a locale without our glyphs gets ASCII, whatever was asked for")
    func glyphs() {
        func glyphs(_ asked: GlyphSet?, _ isUTF8: Bool, _ term: String) -> GlyphSet {
            TerminalCapabilities.glyphs(asked: asked, isUTF8: isUTF8, term: term)
        }
        #expect(glyphs(nil, true, "xterm-256color") == .braille)
        #expect(glyphs(.block, true, "xterm-256color") == .block)
        #expect(glyphs(.braille, false, "xterm-256color") == .ascii)
        #expect(glyphs(nil, false, "linux") == .ascii)
    }

    @Test("the Linux console gets what its font has, unless the user knows better")
    func console() {
        for term in ["linux", "linux-16color"] {
            #expect(
                TerminalCapabilities.glyphs(asked: nil, isUTF8: true, term: term) == .console
            )
        }
        #expect(
            TerminalCapabilities.glyphs(asked: .braille, isUTF8: true, term: "linux") == .braille
        )
    }

    @Test(
        "who names no locale, or one that is missing here, gets UTF-8; who asks for another gets that"
    )
    func locales() async {
        // In a process of its own: a locale is the whole process's.
        await #expect(processExitsWith: .success) {
            func isUTF8(_ variables: [String: String]) -> Bool {
                for name in ["LC_ALL", "LC_CTYPE", "LANG"] { unsetenv(name) }
                for (name, value) in variables { setenv(name, value, 1) }
                return TerminalCapabilities.takeLocale()
            }
            #expect(isUTF8([:]))
            #expect(isUTF8(["LC_ALL": ""]))
            #expect(isUTF8(["LANG": "C.UTF-8"]))
            #expect(isUTF8(["LANG": "xx_YY.UTF-8"]))
            #expect(isUTF8(["LC_ALL": "xx_YY.utf8@euro"]))
            #expect(isUTF8(["LANG": "xx_YY"]))
            #expect(!isUTF8(["LC_ALL": "C"]))
            #expect(!isUTF8(["LANG": "POSIX"]))
            #expect(!isUTF8(["LC_ALL": "C", "LANG": "C.UTF-8"]))
            #expect(!isUTF8(["LANG": "xx_YY.ISO-8859-1"]))
        }
    }

    @Test("NO_COLOR counts when it says something, and less than the command line")
    func colors() {
        func depth(_ choice: ColorChoice, _ noColor: String?) -> ColorDepth {
            TerminalCapabilities.depth(offered: .indexed256, choice: choice, noColor: noColor)
        }
        #expect(depth(.auto, nil) == .indexed256)
        #expect(depth(.auto, "") == .indexed256)
        #expect(depth(.auto, "1") == .mono)
        #expect(depth(.always, "1") == .indexed256)
        #expect(depth(.never, nil) == .mono)
    }
}

@Suite("Lines that are printed while the screen is taken")
struct PrintedLineTests {
    @Test("the herd's own lines are taken apart, others are kept whole")
    func parts() {
        let log = PrintedLine.logLine(
            "08:42:07.123 warning  agent-3        disk is full path=\"/data\"",
            at: .now
        )
        #expect((log.level, log.component) == ("warning", "agent-3"))
        #expect(log.text == "disk is full path=\"/data\"")
        let report = PrintedLine.logLine("08:42:07.123 origin-0       ready in 12 ms", at: .now)
        #expect(
            (report.level, report.component, report.text) == ("info", "origin-0", "ready in 12 ms")
        )
        let foreign = PrintedLine.logLine("Fatal error: \u{1B}[2J", at: .now)
        #expect((foreign.level, foreign.component) == ("", ""))
        #expect(foreign.text == "Fatal error: ·[2J")
    }
}

@Suite("A log that does not grow for ever")
struct RotatingFileTests {
    @Test("full files are put aside, the oldest goes")
    func rotation() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "herd.log").path
        let file = RotatingFile(path, bytesMax: 100, filesMax: 3)
        for number in 0..<50 { file.append(["line \(number) of the log"]) }
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        #expect(names == ["herd.log", "herd.log.1", "herd.log.2"])
        var last: [String] = []
        for name in names.reversed() {
            let text = try String(contentsOf: folder.appending(path: name), encoding: .utf8)
            #expect(text.utf8.count <= 100)
            last += text.split(separator: "\n").map(String.init)
        }
        #expect(last.last == "line 49 of the log")
        #expect(last == last.suffix(last.count))
        #expect(zip(last, last.dropFirst()).allSatisfy { $0 != $1 })
    }

    @Test("a log whose folder goes loses lines until it is back, and nothing else")
    func reopening() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let path = folder.appending(path: "herd.log").path
        let file = RotatingFile(path, bytesMax: 100, filesMax: 2)
        file.append(["first"])
        try FileManager.default.removeItem(at: folder)
        for number in 0..<50 { file.append(["line \(number) goes nowhere"]) }
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        file.append(["back again"])
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "back again\n")
    }

    @Test("a log is continued by the next run")
    func continued() throws {
        let path = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString).path
        defer { try? FileManager.default.removeItem(atPath: path) }
        RotatingFile(path).append(["first"])
        RotatingFile(path).append(["second"])
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "first\nsecond\n")
    }
}

@Suite("When the screen is drawn")
struct DrawingClockTests {
    @Test("input is drawn sooner than pictures, and pictures sooner than nothing")
    func intervals() {
        var clock = DrawingClock()
        #expect(clock.isDue)
        clock.drew()
        #expect(clock.millisecondsLeft > 900 && clock.millisecondsLeft <= 1000)
        clock.wantsPicture()
        #expect(clock.millisecondsLeft <= 100)
        clock.wantsInput()
        #expect(clock.millisecondsLeft <= 33)
        clock.wantsPicture()
        #expect(clock.millisecondsLeft <= 33)
    }
}

@Suite("Text for the clipboard")
struct ClipboardTests {
    @Test("RFC 4648's own examples")
    func examples() {
        let pairs = [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
        ]
        for (text, encoded) in pairs {
            #expect(Clipboard.sequence(for: text) == "\u{1B}]52;c;\(encoded)\u{07}")
        }
    }
}
