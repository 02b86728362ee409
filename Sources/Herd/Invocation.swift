// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// Turns the words of the command line into those the argument parser knows.
enum Invocation {
    /// The arguments in `words`, whose first is the program's name.
    ///
    /// Called as `kraken-agent`, the program is `herd agent`. A component's flags may have one dash or two, as with Go's
    /// flag package: `-peer-port=1` is `--peer-port=1`.
    static func arguments(of words: [String]) -> [String] {
        let name = words.first?.split(separator: "/").last.map(String.init) ?? "herd"
        var arguments = Array(words.dropFirst())
        if name.hasPrefix("kraken-"),
            let kind = ComponentKind(rawValue: String(name.dropFirst("kraken-".count)))
        {
            arguments.insert(kind.rawValue, at: 0)
            // Kraken has no log-in; who puts Herd in its place finds what was there.
            if kind == .proxy { arguments.insert("--anonymous", at: 1) }
        }
        guard let first = arguments.first, ComponentKind(rawValue: first) != nil else {
            return arguments
        }
        return [first] + arguments.dropFirst().map(doubleDash)
    }

    private static func doubleDash(_ word: String) -> String {
        guard word.count > 2, word.hasPrefix("-"), !word.hasPrefix("--"),
            word.dropFirst().first?.isLetter == true
        else { return word }
        return "-" + word
    }
}
