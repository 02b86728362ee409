// SPDX-License-Identifier: Apache-2.0

/// A key as people name it, whatever bytes a terminal sends for it.
package enum Key: Hashable, Sendable {
    /// A printable character, shift already applied.
    case character(Unicode.Scalar)
    /// Control and a letter, which is lower-case: `^s`.
    case control(Unicode.Scalar)
    /// F1 … F12.
    case function(Int)
    case up, down, left, right, pageUp, pageDown, home, end
    case enter, escape, tab, backTab, backspace, delete
}

extension Key: CustomStringConvertible {
    /// The key as help texts show it: `q`, `^s`, `F9`, `↵`.
    package var description: String {
        switch self {
        case .character(" "): "space"
        case .character(let scalar): String(scalar)
        case .control(let scalar): "^\(scalar)"
        case .function(let number): "F\(number)"
        case .up: "↑"
        case .down: "↓"
        case .left: "←"
        case .right: "→"
        case .pageUp: "pgup"
        case .pageDown: "pgdn"
        case .home: "home"
        case .end: "end"
        case .enter: "↵"
        case .escape: "esc"
        case .tab: "tab"
        case .backTab: "⇧tab"
        case .backspace: "⌫"
        case .delete: "del"
        }
    }

    /// Every key that has a name of its own.
    private static let named: [Key] =
        [
            .up, .down, .left, .right, .pageUp, .pageDown, .home, .end, .enter, .escape, .tab,
            .backTab, .backspace, .delete, .character(" "),
        ] + (1...12).map { .function($0) }

    /// Reads a key as ``description`` writes it; `enter`, `up`, `down`, `left` and `right` are understood as well.
    package init?(_ text: String) {
        let words = [
            "enter": Key.enter, "up": .up, "down": .down, "left": .left, "right": .right,
            "backspace": .backspace,
        ]
        let scalars = Array(text.unicodeScalars)
        if let key = words[text] ?? Self.named.first(where: { $0.description == text }) {
            self = key
        } else if scalars.count == 1 {
            self = .character(scalars[0])
        } else if scalars.count == 2, scalars[0] == "^" {
            self = .control(scalars[1])
        } else {
            return nil
        }
    }
}

/// What reaches the interface from outside.
package enum InputEvent: Hashable, Sendable {
    case key(Key)
    /// The first button went down there.
    case click(Point)
    /// The wheel turned by so many notches, down positive.
    case wheel(Point, Int)
    /// Text that was pasted.
    case paste(String)
    case resize(Size)
}
