// SPDX-License-Identifier: Apache-2.0

import Foundation
import TUI
import Testing

@testable import Terminal

/// A terminal without anybody in front of it, whose bytes are counted.
private final class PseudoTerminal {
    private let master: Int32
    let slave: Int32
    // TIOCGPTN and TIOCSPTLCK, which are no plain numbers in C.
    private static let getNumber: UInt = 0x8004_5430
    private static let setLock: UInt = 0x4004_5431
    private static let endMark = Array("\u{01}end\u{01}".utf8)

    init(_ size: Size) throws {
        master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        try #require(master >= 0)
        var (number, isLocked): (Int32, Int32) = (0, 0)
        try #require(ioctl(master, Self.getNumber, &number) == 0)
        try #require(ioctl(master, Self.setLock, &isLocked) == 0)
        slave = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY | O_CLOEXEC)
        try #require(slave >= 0)
        var window = winsize()
        (window.ws_col, window.ws_row) = (UInt16(size.width), UInt16(size.height))
        try #require(ioctl(slave, UInt(TIOCSWINSZ), &window) == 0)
    }

    deinit {
        close(master)
        close(slave)
    }

    /// The number of bytes that `work` sends, which must not be more than the terminal keeps for its reader.
    func count(_ work: () -> Void) throws -> Int {
        work()
        try #require(write(slave, Self.endMark, Self.endMark.count) == Self.endMark.count)
        var seen: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while !seen.suffix(Self.endMark.count).elementsEqual(Self.endMark) {
            let length = read(master, &buffer, buffer.count)
            try #require(length > 0)
            seen += buffer[..<length]
        }
        return seen.count - Self.endMark.count
    }
}

/// In processes of their own, because curses and the locale belong to a whole process. Bytes are counted, not seconds.
@Suite("What drawing sends to a terminal")
struct ScreenCostTests {
    @Test("a frame sends what differs from the one before, and nothing when that is nothing")
    func differences() async {
        await #expect(processExitsWith: .success) {
            setenv("LC_ALL", "C.UTF-8", 1)
            #expect(TerminalCapabilities.takeLocale())
            let size = Size(width: 80, height: 24)
            let terminal = try PseudoTerminal(size)
            let screen = try CursesScreen(descriptor: terminal.slave, terms: ["xterm-256color"])
            var frame = Frame(size: size)
            for y in 0..<size.height {
                frame.write("row \(y) ● ", x: 0, y: y, in: frame.bounds, .ramp(y % 9))
                frame.write("⣿⣿⣿█▄", x: 40, y: y, in: frame.bounds, .complete)
            }
            func draw(_ frame: Frame) throws -> Int {
                try terminal.count { screen.draw(frame, theme: .dark, depth: .indexed256) }
            }
            let first = try draw(frame)
            #expect((500..<6 * size.width * size.height).contains(first), "\(first)")
            #expect(try draw(frame) == 0)
            frame[60, 12] = Cell("x", .warning)
            let one = try draw(frame)
            #expect((1...40).contains(one), "\(one) bytes for one cell")
            for y in 0..<size.height { frame[79, y] = Cell("│", .border) }
            let column = try draw(frame)
            #expect(column <= size.height * 40, "\(column) bytes for a column")
            #expect(try draw(frame) == 0)
            frame.cursor = Point(x: 3, y: 3)
            #expect(try draw(frame) <= 40)
            #expect(try draw(frame) <= 16)
            // All of it again, when asked for.
            screen.repaint()
            #expect(try draw(frame) >= first / 2)
            screen.close()
        }
    }

    @Test("what is given back to a shell and taken again is painted anew, once")
    func sharing() async {
        await #expect(processExitsWith: .success) {
            setenv("LC_ALL", "C.UTF-8", 1)
            #expect(TerminalCapabilities.takeLocale())
            let size = Size(width: 80, height: 24)
            let terminal = try PseudoTerminal(size)
            let screen = try CursesScreen(descriptor: terminal.slave, terms: ["xterm-256color"])
            var frame = Frame(size: size)
            frame.write("something", x: 0, y: 0, in: frame.bounds)
            _ = try terminal.count { screen.draw(frame, theme: .dark, depth: .indexed256) }
            #expect(try terminal.count { screen.suspend() } > 0)
            #expect(!screen.isOnScreen)
            #expect(try terminal.count { screen.suspend() } == 0)
            #expect(try terminal.count { screen.resume() } > 0)
            #expect(screen.isOnScreen)
            let again = try terminal.count { screen.draw(frame, theme: .dark, depth: .indexed256) }
            #expect(again > 0)
            screen.lose()
            // Whoever has it now gets nothing from us, not even a farewell.
            #expect(try terminal.count { screen.close() } == 0)
        }
    }
}
