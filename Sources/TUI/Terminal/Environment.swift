// SPDX-License-Identifier: Apache-2.0

import Glibc
package import TUI

/// The process's environment, read at one place.
enum Environment {
    static subscript(name: String) -> String? {
        guard let value = getenv(name) else { return nil }
        return String(cString: value)
    }
}

/// What the command line says of colours.
package enum ColorChoice: String, CaseIterable, Sendable {
    case auto, always, never, truecolor
}

/// What a terminal can show, from the environment and what curses says.
package enum TerminalCapabilities {
    /// Why there can be no full screen; nil when there can be one.
    ///
    /// - Parameters:
    ///   - term: the value of `TERM`.
    ///   - isTerminal: whether standard input and output are terminals.
    package static func obstacle(term: String?, isTerminal: Bool) -> String? {
        guard isTerminal else { return "standard input or output is no terminal" }
        guard let term, !term.isEmpty else { return "TERM is not set" }
        return term == "dumb" ? "TERM is dumb" : nil
    }

    /// The glyphs to use: those asked for, as far as the locale has them.
    package static func glyphs(asked: GlyphSet?, isUTF8: Bool) -> GlyphSet {
        isUTF8 ? asked ?? .braille : .ascii
    }

    /// The depth of colour to use.
    package static func depth(
        offered: ColorDepth,
        choice: ColorChoice,
        noColor: String?
    ) -> ColorDepth {
        switch choice {
        case .never: .mono
        case .always, .truecolor: offered
        // https://no-color.org: set and not empty.
        case .auto: noColor?.isEmpty == false ? .mono : offered
        }
    }
}
