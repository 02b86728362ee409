// SPDX-License-Identifier: Apache-2.0

internal import CNcurses
import TUI

/// The library that draws.
package enum Curses {
    /// Its name and version: `ncurses 6.4.20221231`.
    package static var version: String { String(cString: herd_ncurses_version()) }
}

/// Why there can be no terminal UI.
package struct TerminalError: Error, Equatable, CustomStringConvertible, Sendable {
    /// What failed and what helps.
    package var description: String
    init(_ description: String) { self.description = description }
}

/// The terminal in full screen: draws frames, reads keys. Belongs to one thread.
final class CursesScreen {
    private let descriptor: CInt
    /// The kind of terminal that was opened; nil for that of the environment.
    let term: String?
    private var shown: Frame?
    private var theme = Theme.Name.dark
    private var depth = ColorDepth.mono
    private var pairs: [PairKey: UInt16] = [:]
    private var decoder = InputDecoder()

    private struct PairKey: Hashable {
        var role: Role
        var background: Role?
    }

    /// Opens the terminal behind `descriptor`; `terms` name its kind, the best first, and nil takes it from the environment.
    init(descriptor: CInt, terms: [String?]) throws {
        self.descriptor = descriptor
        herd_guard_remember_modes(descriptor)
        guard let known = terms.first(where: { herd_curses_open(descriptor, $0) }) else {
            let name = terms.last.flatMap { $0 } ?? Environment["TERM"] ?? ""
            throw TerminalError(
                "the terminal “\(name)” is not known to ncurses; use --headless, or set TERM"
            )
        }
        term = known
    }

    /// Gives the terminal back, unless another job has it.
    func close() { herd_curses_close() }

    /// How many colours the terminal has.
    var depthOffered: ColorDepth {
        if herd_curses_is_direct_color() { return .truecolor }
        switch herd_curses_colors() {
        case 256...: return .indexed256
        case 16...: return .ansi16
        case 8...: return .ansi8
        default: return .mono
        }
    }

    /// The terminal's size now.
    var size: Size {
        var (columns, rows): (CInt, CInt) = (80, 24)
        herd_curses_measure(&columns, &rows)
        return Size(width: Int(columns), height: Int(rows))
    }

    /// Everything is sent again with the next frame.
    func repaint() {
        shown = nil
        pairs = [:]
        herd_curses_repaint()
    }

    // MARK: - Sharing the terminal with other jobs

    /// Whether the terminal is taken: what is drawn lands on our full screen.
    var isOnScreen: Bool { herd_curses_is_on_screen() }
    /// Whether our job is the one in the foreground, which may use the terminal.
    var isInForeground: Bool { herd_terminal_is_ours(descriptor) }

    /// Leaves full screen until ``resume()``.
    func suspend() { herd_curses_suspend() }
    /// Takes note that another job has the terminal, without touching it.
    func lose() { herd_curses_lose() }
    /// Takes the terminal again.
    func resume() {
        herd_curses_resume()
        repaint()
    }

    // MARK: - Drawing

    /// Shows `frame`; only rows that differ from the frame before are sent.
    func draw(_ frame: Frame, theme: Theme.Name, depth: ColorDepth) {
        if (theme, depth) != (self.theme, self.depth) {
            (self.theme, self.depth) = (theme, depth)
            repaint()
        }
        let before = shown?.size == frame.size ? shown : nil
        var run: [herd_cell] = []
        for y in 0..<frame.size.height {
            let row = frame.row(y)
            if let before, before.row(y) == row { continue }
            run.removeAll(keepingCapacity: true)
            for cell in row { run.append(encoded(cell)) }
            herd_curses_put(CInt(y), 0, run, CInt(run.count))
        }
        herd_curses_set_cursor(
            frame.cursor.map { CInt($0.y) } ?? -1,
            frame.cursor.map { CInt($0.x) } ?? 0
        )
        herd_curses_flush()
        shown = frame
    }

    private func encoded(_ cell: Cell) -> herd_cell {
        let look = Theme.named(theme).look(of: cell.role, depth: depth)
        return herd_cell(
            scalar: cell.glyph,
            pair: pair(PairKey(role: cell.role, background: cell.background)),
            attributes: UInt16(cell.flags.union(look.flags).rawValue)
        )
    }

    /// The pair of a role's colours; asked of curses once.
    private func pair(_ key: PairKey) -> UInt16 {
        if let known = pairs[key] { return known }
        var pair: UInt16 = 0
        // Asking a terminal without colours for a pair crashes.
        if depth > .mono, herd_curses_colors() > 0 {
            let foreground = color(key.role)
            let background = key.background.map(color) ?? -1
            if foreground != -1 || background != -1 {
                pair = UInt16(clamping: herd_curses_pair(foreground, background))
            }
        }
        pairs[key] = pair
        return pair
    }

    /// The colour of a role, -1 for the terminal's own.
    private func color(_ role: Role) -> CInt {
        Theme.named(theme).look(of: role, depth: depth).color.map { CInt($0) } ?? -1
    }

    // MARK: - Input

    /// What was typed, clicked and pasted since the last time.
    func input() -> [InputEvent] {
        let now = MonotonicTime.milliseconds
        var events: [InputEvent] = []
        for _ in 0..<Self.inputsMax where events.count < Self.eventsMax {
            let next = herd_curses_next_input()
            guard next.kind != CInt(HERD_INPUT_NONE) else { break }
            if let event = decoder.take(RawInput(next), at: now) { events.append(event) }
        }
        if let event = decoder.giveUp(at: now) { events.append(event) }
        return events
    }

    /// What is taken at a time, so that a flood of input can't keep the screen from being drawn.
    private static let eventsMax = 256
    private static let inputsMax = 8192
}
