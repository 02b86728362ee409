// SPDX-License-Identifier: Apache-2.0

/// The line at the bottom while something is typed into it.
extension Reducer {
    /// The longest line that can be typed, in scalars.
    private static let lengthMax = 512

    mutating func changePrompt(_ intent: Intent) {
        switch intent {
        case .editCommand:
            view.dialog = nil
            view.prompt = Prompt(.command)
        case .editFilter:
            var prompt = Prompt(.filter, text: view.filter)
            prompt.before = view.filter
            view.prompt = prompt
        case .filter(let text): setFilter(text)
        case .run(let line): run(line)
        default: break
        }
    }

    private mutating func setFilter(_ text: String) {
        view.filters[view.screen] = text.isEmpty ? nil : text
        let errors = Filter(text).errors
        if let first = errors.first { show(first, isError: true) }
    }

    mutating func edit(_ key: Key) {
        guard var prompt = view.prompt else { return }
        switch key {
        case .character(let scalar): return insert(String(scalar))
        case .escape, .control("c"):
            if prompt.kind == .filter { setFilter(prompt.before) }
            view.prompt = nil
            return
        case .enter: return accept(prompt)
        case .tab: return complete()
        case .backspace, .control("h"):
            if prompt.text.isEmpty {
                view.prompt = nil
                return
            }
            prompt.erase(before: 1)
        case .delete, .control("d"): prompt.erase(after: 1)
        case .control("u"): prompt.erase(before: prompt.cursor)
        case .control("k"): prompt.erase(after: prompt.count - prompt.cursor)
        case .control("w"): prompt.eraseWord()
        case .left, .control("b"): prompt.cursor = max(0, prompt.cursor - 1)
        case .right, .control("f"): prompt.cursor = min(prompt.count, prompt.cursor + 1)
        case .home, .control("a"): prompt.cursor = 0
        case .end, .control("e"): prompt.cursor = prompt.count
        case .up: return recall(by: -1)
        case .down: return recall(by: 1)
        default: return
        }
        prompt.completions = []
        keep(prompt)
    }

    /// Puts text at the cursor, as much of it as the line has room for; the ends of lines in it become spaces, other controls
    /// are left out.
    mutating func insert(_ text: String) {
        guard var prompt = view.prompt else { return }
        let lines = text.split(whereSeparator: { $0.isNewline || $0 == "\t" })
        let plain = lines.joined(separator: " ").unicodeScalars.filter { !$0.isControl }
        let line = String(String.UnicodeScalarView(plain)).oneColumnPerScalar
        let room = max(0, Self.lengthMax - prompt.count)
        prompt.insert(String(String.UnicodeScalarView(line.unicodeScalars.prefix(room))))
        prompt.completions = []
        keep(prompt)
    }

    /// Keeps what was typed; a filter works while it is being typed.
    private mutating func keep(_ prompt: Prompt) {
        view.prompt = prompt
        if prompt.kind == .filter {
            view.filters[view.screen] = prompt.text.isEmpty ? nil : prompt.text
        }
    }

    private mutating func accept(_ prompt: Prompt) {
        view.prompt = nil
        switch prompt.kind {
        case .filter: setFilter(prompt.text)
        case .command: run(prompt.text)
        }
    }

    /// Walks the commands that were typed before.
    private mutating func recall(by step: Int) {
        guard var prompt = view.prompt, prompt.kind == .command, !view.commands.isEmpty else {
            return
        }
        let last = view.commands.count
        let index = min(max(0, (prompt.historyIndex ?? last) + step), last)
        prompt.text = index == last ? "" : view.commands[index]
        prompt.historyIndex = index
        prompt.cursor = prompt.count
        view.prompt = prompt
    }

    private mutating func complete() {
        guard var prompt = view.prompt, prompt.kind == .command else { return }
        let candidates = CommandLine.completions(of: prompt.text, scene)
        guard let first = candidates.first else { return }
        let words = prompt.text.split(separator: " ", omittingEmptySubsequences: false)
        let common = candidates.dropFirst().reduce(first) { $0.commonPrefix(with: $1) }
        let done = words.dropLast() + [Substring(candidates.count == 1 ? first + " " : common)]
        prompt.text = done.joined(separator: " ")
        prompt.cursor = prompt.count
        prompt.completions = candidates.count > 1 ? Array(candidates.prefix(12)) : []
        view.prompt = prompt
    }

    private mutating func run(_ line: String) {
        let trimmed = line.split(separator: " ").joined(separator: " ")
        guard !trimmed.isEmpty else { return }
        view.commands.removeAll { $0 == trimmed }
        view.commands.append(trimmed)
        if view.commands.count > ViewState.commandsMax { view.commands.removeFirst() }
        switch CommandLine.parse(trimmed, scene) {
        case .success(let intents): for intent in intents { perform(intent) }
        case .failure(let error): show(error.text, isError: true)
        }
    }
}

extension Prompt {
    /// Scalars in all.
    var count: Int { text.unicodeScalars.count }

    private mutating func replace(_ range: Range<Int>, with new: String) {
        let scalars = Array(text.unicodeScalars)
        let range = range.clamped(to: 0..<scalars.count)
        var view = String.UnicodeScalarView()
        view.append(contentsOf: scalars[..<range.lowerBound])
        view.append(contentsOf: new.unicodeScalars)
        view.append(contentsOf: scalars[range.upperBound...])
        text = String(view)
        cursor = range.lowerBound + new.unicodeScalars.count
    }

    mutating func insert(_ new: String) { replace(cursor..<cursor, with: new) }
    mutating func erase(before length: Int) { replace(max(0, cursor - length)..<cursor, with: "") }
    mutating func erase(after length: Int) { replace(cursor..<cursor + max(0, length), with: "") }

    /// Erases the word before the cursor and the spaces after it.
    mutating func eraseWord() {
        let scalars = Array(text.unicodeScalars.prefix(cursor))
        var start = scalars.count
        while start > 0, scalars[start - 1] == " " { start -= 1 }
        while start > 0, scalars[start - 1] != " " { start -= 1 }
        replace(start..<cursor, with: "")
    }
}

extension String {
    /// What both begin with.
    fileprivate func commonPrefix(with other: String) -> String {
        String(zip(self, other).prefix { $0 == $1 }.map(\.0))
    }
}
