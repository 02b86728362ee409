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
    private var shown: Frame?
    private var theme = Theme.Name.dark
    private var depth = ColorDepth.mono
    private var pairs: [PairKey: UInt16] = [:]

    private struct PairKey: Hashable {
        var role: Role
        var background: Role?
    }

    /// Opens the terminal behind `descriptor`; `term` names its kind, nil takes it from the environment.
    init(descriptor: CInt, term: String?) throws {
        herd_guard_remember_modes(descriptor)
        guard herd_curses_open(descriptor, term) else {
            let name = term ?? Environment["TERM"] ?? ""
            throw TerminalError(
                "the terminal “\(name)” is not known to ncurses; use --headless, or set TERM"
            )
        }
    }

    /// Gives the terminal back.
    func close() { herd_curses_close() }

    /// How many colours the terminal has.
    var depthOffered: ColorDepth {
        if herd_curses_is_direct_color() { return .truecolor }
        switch herd_curses_colors() {
        case 256...: return .indexed256
        case 8...: return .ansi16
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

    /// Leaves full screen until ``resume()``.
    func suspend() { herd_curses_suspend() }
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
        let style = Theme.named(theme).style(of: cell.role)
        var flags = cell.flags
        if depth == .mono || theme == .mono { flags.formUnion(style.mono) }
        return herd_cell(
            scalar: cell.glyph,
            pair: pair(PairKey(role: cell.role, background: cell.background)),
            attributes: UInt16(flags.rawValue)
        )
    }

    /// The pair of a role's colours; asked of curses once.
    private func pair(_ key: PairKey) -> UInt16 {
        if let known = pairs[key] { return known }
        var pair: UInt16 = 0
        // Asking a terminal without colours for a pair crashes.
        if depth > .mono, herd_curses_colors() > 0 {
            let named = Theme.named(theme)
            let foreground = color(named.style(of: key.role))
            let background = key.background.map { color(named.style(of: $0)) } ?? -1
            if foreground != -1 || background != -1 {
                pair = UInt16(clamping: herd_curses_pair(foreground, background))
            }
        }
        pairs[key] = pair
        return pair
    }

    private func color(_ style: Theme.Style) -> CInt {
        switch depth {
        case .mono: return -1
        case .ansi16:
            guard let color = style.ansi else { return -1 }
            // Terminals with eight colours make the bright ones by other means.
            return CInt(color) < herd_curses_colors() ? CInt(color) : CInt(color) - 8
        case .indexed256: return style.indexed.map { CInt($0) } ?? -1
        case .truecolor: return style.rgb.map { CInt($0) } ?? -1
        }
    }

    // MARK: - Input

    /// What was typed and clicked since the last time.
    func input() -> [InputEvent] {
        var events: [InputEvent] = []
        while events.count < Self.eventsMax {
            let next = herd_curses_next_input()
            guard next.kind != CInt(HERD_INPUT_NONE) else { break }
            if let event = Self.event(next) { events.append(event) }
        }
        return events
    }

    /// Events taken at a time, so that a flood of input can't keep the screen from being drawn.
    private static let eventsMax = 256

    private static func event(_ input: herd_input) -> InputEvent? {
        let place = Point(x: Int(input.x), y: Int(input.y))
        switch Int(input.kind) {
        case HERD_INPUT_CLICK: return .click(place)
        case HERD_INPUT_WHEEL: return .wheel(place, Int(input.value))
        case HERD_INPUT_KEY: return key(input.value).map { .key($0) }
        default: return Unicode.Scalar(UInt32(input.value)).flatMap(key).map { .key($0) }
        }
    }

    private static func key(_ scalar: Unicode.Scalar) -> Key? {
        switch scalar.value {
        case 9: .tab
        case 10, 13: .enter
        case 27: .escape
        case 8, 127: .backspace
        case 1...26: .control(Unicode.Scalar(UInt8(scalar.value) + UInt8(ascii: "a") - 1))
        case 0..<32: nil
        default: .character(scalar)
        }
    }

    private static let keys: [Int: Key] = [
        HERD_KEY_UP: .up, HERD_KEY_DOWN: .down,
        HERD_KEY_LEFT: .left, HERD_KEY_RIGHT: .right,
        HERD_KEY_PAGE_UP: .pageUp, HERD_KEY_PAGE_DOWN: .pageDown,
        HERD_KEY_HOME: .home, HERD_KEY_END: .end,
        HERD_KEY_ENTER: .enter, HERD_KEY_BACK_TAB: .backTab,
        HERD_KEY_BACKSPACE: .backspace, HERD_KEY_DELETE: .delete,
    ]

    private static func key(_ code: CInt) -> Key? {
        let function = Int(code) - HERD_KEY_F0
        return (1...12).contains(function) ? .function(function) : keys[Int(code)]
    }
}
