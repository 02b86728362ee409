// SPDX-License-Identifier: Apache-2.0

internal import CNcurses
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

    /// Whether the locale has our glyphs; takes the one of the environment.
    static func takeLocale() -> Bool { herd_locale_is_utf8() }

    /// The glyphs to use: those asked for, as far as the locale has them; otherwise the best that terminals called `term`
    /// have. The Linux console shows what it lacks as squares.
    package static func glyphs(asked: GlyphSet?, isUTF8: Bool, term: String?) -> GlyphSet {
        guard isUTF8 else { return .ascii }
        let isConsole = term == "linux" || term?.hasPrefix("linux-") == true
        return asked ?? (isConsole ? .console : .braille)
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
