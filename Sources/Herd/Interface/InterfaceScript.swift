// SPDX-License-Identifier: Apache-2.0

import Primitives
import TUI

/// What is typed into the UI, and what is expected to show, line by line:
///
///     keys 2 ↵            presses keys, by their names in the help
///     type :push 64M      types text, then enter
///     wait LIVE           until the text shows
///     advance 1s          lets time pass
///     resize 60x20
///     expect /a05.*100%/  the expression matches a line of the screen
///     frame NAME          keeps the screen as NAME.txt
///     ansi NAME           keeps the screen with colours as NAME.ansi
///
/// Empty lines and lines that begin with `#` mean nothing.
struct InterfaceScript: Sendable {
    /// One line.
    enum Step: Sendable {
        case keys([Key])
        case run(String)
        case wait(String)
        case advance(Duration)
        case resize(Size)
        case expect(ScriptPattern)
        case frame(String)
        case ansi(String)
    }

    var steps: [Step]

    init(steps: [Step]) { self.steps = steps }

    /// Reads a script.
    /// - Throws: ``Failure`` naming the line.
    init(_ text: String) throws(Failure) {
        steps = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false)
            .enumerated()
        {
            let line = line.drop { $0 == " " }
            guard !line.isEmpty, !line.hasPrefix("#") else { continue }
            guard let step = try Self.step(String(line)) else {
                throw Failure("line \(index + 1) of the script means nothing", why: String(line))
            }
            steps.append(step)
        }
    }

    private static func step(_ line: String) throws(Failure) -> Step? {
        let words = line.split(separator: " ", maxSplits: 1).map(String.init)
        let rest = words.count > 1 ? words[1] : ""
        switch words[0] {
        case "keys":
            let keys = rest.split(separator: " ").map { Key(String($0)) }
            let known = keys.compactMap { $0 }
            return known.count == keys.count && !keys.isEmpty ? .keys(known) : nil
        case "type":
            return .run(rest.hasPrefix(":") ? String(rest.dropFirst()) : rest)
        case "wait": return rest.isEmpty ? nil : .wait(rest)
        case "advance": return duration(rest).map { .advance($0) }
        case "resize": return OptionValue.size(rest).map { .resize($0) }
        case "expect": return .expect(try ScriptPattern(rest))
        case "frame": return rest.isEmpty ? nil : .frame(rest + ".txt")
        case "ansi": return rest.isEmpty ? nil : .ansi(rest + ".ansi")
        default: return nil
        }
    }

    private static func duration(_ text: String) -> Duration? {
        if text.hasSuffix("ms"), let count = Int(text.dropLast(2)) { return .milliseconds(count) }
        if text.hasSuffix("s"), let count = Double(text.dropLast()), count >= 0, count < 3600 {
            return .milliseconds(Int(count * 1000))
        }
        return nil
    }
}

/// What a line of the screen has to match: words, or `/an expression/`.
struct ScriptPattern: Sendable {
    let text: String
    private let filter: Filter

    init(_ text: String) throws(Failure) {
        self.text = text
        let isExpression = text.count > 2 && text.hasPrefix("/") && text.hasSuffix("/")
        filter = Filter(isExpression ? "~\(text.dropFirst().dropLast())~" : text)
        if let error = filter.errors.first { throw Failure("\(text) is no expression", why: error) }
    }

    func matches(_ frame: Frame) -> Bool {
        (0..<frame.size.height).contains { filter.matches(text: [frame.text(row: $0)]) }
    }
}

extension OptionValue {
    /// `120x36`.
    static func size(_ text: String) -> Size? {
        let numbers = text.split(separator: "x").map { Int($0) }
        guard numbers.count == 2, let width = numbers[0], let height = numbers[1],
            (1...Size.most.width).contains(width), (1...Size.most.height).contains(height)
        else { return nil }
        return Size(width: width, height: height)
    }
}
