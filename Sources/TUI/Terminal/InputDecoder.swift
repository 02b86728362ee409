// SPDX-License-Identifier: Apache-2.0

internal import CNcurses
import TUI

/// What curses has read.
enum RawInput: Equatable {
    case key(Key)
    case click(Point)
    case wheel(Point, Int)
    case pasteBegin, pasteEnd
    /// Something that means nothing here.
    case other

    init(_ input: herd_input) {
        let place = Point(x: Int(input.x), y: Int(input.y))
        switch Int(input.kind) {
        case HERD_INPUT_CLICK: self = .click(place)
        case HERD_INPUT_WHEEL: self = .wheel(place, Int(input.value))
        case HERD_INPUT_KEY: self = Self.key(input.value).map { .key($0) } ?? .other
        case HERD_INPUT_PASTE_BEGIN: self = .pasteBegin
        case HERD_INPUT_PASTE_END: self = .pasteEnd
        default:
            let scalar = Unicode.Scalar(UInt32(bitPattern: input.value))
            self = scalar.flatMap(Self.key).map { .key($0) } ?? .other
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

/// Turns what curses reads into events: what was pasted becomes one text, of which nothing is ever taken for a key.
struct InputDecoder {
    private var pasted: String.UnicodeScalarView?
    private var pastedAt: Int64 = 0

    /// Scalars of a pasted text that are kept; the rest is dropped.
    static let pasteMax = 4096
    /// The end of a pasted text may get lost. It is given up when nothing of it has come for so long.
    static let silenceMax: Int64 = 5000

    /// The event that `input` ends, if it does.
    mutating func take(_ input: RawInput, at milliseconds: Int64) -> InputEvent? {
        guard pasted != nil else { return begin(input, milliseconds) }
        pastedAt = milliseconds
        switch input {
        case .key(.character(let scalar)): keep(scalar)
        case .key(.enter): keep("\n")
        case .key(.tab): keep("\t")
        case .pasteEnd: return end()
        case .key, .click, .wheel, .pasteBegin, .other: break
        }
        return nil
    }

    /// The text whose end seems to be lost.
    mutating func giveUp(at milliseconds: Int64) -> InputEvent? {
        pasted != nil && milliseconds - pastedAt > Self.silenceMax ? end() : nil
    }

    private mutating func begin(_ input: RawInput, _ milliseconds: Int64) -> InputEvent? {
        switch input {
        case .key(let key): return .key(key)
        case .click(let place): return .click(place)
        case .wheel(let place, let notches): return .wheel(place, notches)
        case .pasteBegin:
            (pasted, pastedAt) = (String.UnicodeScalarView(), milliseconds)
            return nil
        case .pasteEnd, .other: return nil
        }
    }

    private mutating func keep(_ scalar: Unicode.Scalar) {
        if let count = pasted?.count, count < Self.pasteMax { pasted?.append(scalar) }
    }

    private mutating func end() -> InputEvent? {
        defer { pasted = nil }
        return pasted.map { .paste(String($0)) }
    }
}
