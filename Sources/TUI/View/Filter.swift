// SPDX-License-Identifier: Apache-2.0

package import Content
package import Telemetry

/// What a list is narrowed to. Its terms are separated by blanks and must all hold:
///
/// - `word`: some text of the row contains it
/// - `kind:piece|conn`: the kind of the event contains one of these: a whole kind, or a group such as `piece`, `conn`,
///   `fault`, `announce`, `writeback`, `replicate`, `blob`, `tag`
/// - `who:a05`, `peer:a20`: the component that tells it, the other peer; alternatives as above
/// - `blob:9f3c`: the digest, or the swarm's hash, begins like this
/// - `since:10s`: it happened no longer ago (`ms`, `s`, `m`, `h`)
/// - `~expression~`: the row matches a ``Pattern``; blanks are part of it
/// - `-term`: the term does not hold
///
/// Upper and lower case are the same throughout. A term that can't be read lets everything pass, so that a list does not
/// jump about while one is typed; ``errors`` says what is wrong with it.
package struct Filter: Sendable {
    private let terms: [Term]
    /// What is wrong with terms, in words.
    package let errors: [String]
    /// Whether a row takes long to try: the filter has an expression.
    package let isCostly: Bool

    /// Reads `text`.
    package init(_ text: String) {
        var (terms, errors): ([Term], [String]) = ([], [])
        for token in Self.tokens(text) {
            do throws(Pattern.Problem) {
                if let term = try Term(token) { terms.append(term) }
            } catch {
                errors.append("\(token): \(error.text)")
            }
        }
        // What is quickly tried comes first.
        self.terms = terms.sorted { $0.cost < $1.cost }
        self.errors = errors
        isCostly = terms.contains { $0.cost == Term.patternCost }
    }

    /// Whether everything passes.
    package var isEmpty: Bool { terms.isEmpty }

    /// Whether `event` passes, at `now`, with peers called by `names`.
    /// - Parameter who: what its component is called for short; unless given, what its own peer is called.
    package func matches(
        event: ClusterEvent,
        names: [PeerID: String],
        now: Timestamp,
        who: String? = nil
    ) -> Bool {
        let who = who ?? event.localPeer.flatMap { names[$0] } ?? ""
        return terms.allSatisfy { $0.holds(for: event, who, names, now) != $0.isNegated }
    }

    /// Whether a row that shows `text` passes. `who:`, `peer:`, `kind:` and `blob:` look for their values anywhere in it;
    /// `since:` lets it pass.
    package func matches(text: [String]) -> Bool {
        terms.allSatisfy { term in
            if case .since = term.condition { return true }
            return term.holds(for: text) != term.isNegated
        }
    }

    /// Terms as they were typed: blanks separate them, except between `~` and `~`.
    private static func tokens(_ text: String) -> [String] {
        var (tokens, current): ([String], String) = ([], "")
        var (isInPattern, isEscaped) = (false, false)
        for character in text {
            if isInPattern {
                current.append(character)
                if character == "~", !isEscaped { isInPattern = false }
                isEscaped = character == "\\" && !isEscaped
            } else if character == " " || character == "\t" {
                if !current.isEmpty { tokens.append(current) }
                current = ""
            } else {
                if character == "~", current.isEmpty || current == "-" { isInPattern = true }
                current.append(character)
            }
        }
        if !current.isEmpty { tokens.append(current) }
        return tokens
    }
}

/// One term of a filter.
private struct Term: Sendable {
    enum Condition: Sendable {
        case word(Needle)
        case kind([Needle])
        case who([Needle])
        case peer([Needle])
        case blob([Needle])
        case since(nanoseconds: Int64)
        case pattern(Pattern)
    }

    var condition: Condition
    var isNegated = false

    /// Reads a term; nil for what says nothing yet: `-`, `kind:`.
    init?(_ token: String) throws(Pattern.Problem) {
        var rest = Substring(token)
        if rest.first == "-" {
            isNegated = true
            rest.removeFirst()
        }
        guard let first = rest.first else { return nil }
        if first == "~" {
            rest.removeFirst()
            if rest.last == "~" { rest.removeLast() }
            guard !rest.isEmpty else { return nil }
            condition = .pattern(try Pattern(String(rest)))
            return
        }
        let parts = rest.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let key = parts[0].lowercased()
        let value = parts.count > 1 ? parts[1] : ""
        let needles = value.split(separator: "|").map { Needle(String($0)) }
        switch key {
        case "kind" where parts.count > 1: condition = .kind(needles)
        case "who" where parts.count > 1: condition = .who(needles)
        case "peer" where parts.count > 1: condition = .peer(needles)
        case "blob" where parts.count > 1:
            condition = .blob(value.split(separator: "|").map { Needle(Self.hash($0)) })
        case "since" where parts.count > 1:
            if value.isEmpty { return nil }
            guard let nanoseconds = Self.nanoseconds(value) else {
                throw Pattern.Problem("a time such as 10s, 500ms, 2m")
            }
            condition = .since(nanoseconds: nanoseconds)
            return
        default:
            condition = .word(Needle(String(rest)))
            return
        }
        if needles.isEmpty { return nil }
    }

    private static func hash(_ text: Substring) -> String {
        String(text.hasPrefix(Digest.prefix) ? text.dropFirst(Digest.prefix.count) : text)
    }

    private static func nanoseconds(_ text: Substring) -> Int64? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let count = Int64(digits), count <= 1_000_000 else { return nil }
        switch text.dropFirst(digits.count).lowercased() {
        case "ms": return count * 1_000_000
        case "", "s": return count * 1_000_000_000
        case "m": return count * 60_000_000_000
        case "h": return count * 3_600_000_000_000
        default: return nil
        }
    }

    static let patternCost = 3
    /// How long it takes to try, roughly.
    var cost: Int {
        switch condition {
        case .since, .kind: 0
        case .who, .peer, .blob: 1
        case .word: 2
        case .pattern: Self.patternCost
        }
    }

    // MARK: - Events

    func holds(
        for event: ClusterEvent,
        _ who: String,
        _ names: [PeerID: String],
        _ now: Timestamp
    ) -> Bool {
        switch condition {
        case .kind(let needles): return needles.contains { $0.isIn(event.kind.rawValue) }
        case .since(let nanoseconds):
            let (age, overflow) = now.unixNanoseconds
                .subtractingReportingOverflow(event.timestamp.unixNanoseconds)
            return !overflow && age <= nanoseconds
        case .who(let needles):
            return needles.contains { $0.isIn(event.component) || $0.isIn(who) }
        case .peer(let needles):
            guard let peer = event.peer else { return false }
            let name = names[peer] ?? peer.hex
            return needles.contains { $0.isIn(name) }
        case .blob(let needles):
            let hashes = [event.blob?.hex, event.torrent?.hex].compactMap(\.self)
            return needles.contains { needle in hashes.contains { needle.begins($0) } }
        case .word(let needle): return has(needle, event, who, names)
        case .pattern(let pattern):
            return pattern.matches(Self.fields(of: event, who, names).joined(separator: " "))
        }
    }

    private func has(
        _ needle: Needle,
        _ event: ClusterEvent,
        _ who: String,
        _ names: [PeerID: String]
    ) -> Bool {
        if needle.isIn(event.kind.rawValue) || needle.isIn(event.component) { return true }
        if needle.isIn(who) { return true }
        if let reason = event.reason, needle.isIn(reason) { return true }
        if let peer = event.peer, let name = names[peer], needle.isIn(name) { return true }
        if let piece = event.piece, needle.isIn("#\(piece)") { return true }
        if let blob = event.blob, needle.isIn(blob.hex) { return true }
        guard let detail = event.detail else { return false }
        return detail.contains { needle.isIn($0.key) || needle.isIn($0.value) }
    }

    /// An event's fields as text, in a fixed order.
    private static func fields(
        of event: ClusterEvent,
        _ who: String,
        _ names: [PeerID: String]
    ) -> [String] {
        var fields = [event.component]
        if !who.isEmpty, who != event.component { fields.append(who) }
        fields.append(event.kind.rawValue)
        if let peer = event.peer { fields.append(names[peer] ?? String(peer.hex.prefix(6))) }
        if let piece = event.piece { fields.append("#\(piece)") }
        if let blob = event.blob { fields.append(blob.hex) }
        if let reason = event.reason { fields.append(reason) }
        for (key, value) in (event.detail ?? [:]).sorted(by: { $0.key < $1.key }) {
            fields.append("\(key) \(value)")
        }
        return fields
    }

    // MARK: - Other rows

    func holds(for text: [String]) -> Bool {
        switch condition {
        case .word(let needle): text.contains { needle.isIn($0) }
        case .kind(let needles), .who(let needles), .peer(let needles), .blob(let needles):
            needles.contains { needle in text.contains { needle.isIn($0) } }
        case .pattern(let pattern): pattern.matches(text.joined(separator: " "))
        case .since: true
        }
    }
}

/// A text to look for, whatever its case.
private struct Needle: Sendable {
    private let bytes: [UInt8]

    init(_ text: String) { bytes = text.utf8.map(\.asciiLowercased) }

    /// Whether `text` contains it.
    func isIn(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { haystack in
            guard haystack.count >= bytes.count else { return false }
            return (0...haystack.count - bytes.count).contains { isAt($0, haystack) }
        }
    }

    /// Whether `text` begins with it.
    func begins(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { $0.count >= bytes.count && isAt(0, $0) }
    }

    private func isAt(_ start: Int, _ haystack: UnsafeBufferPointer<UInt8>) -> Bool {
        for index in bytes.indices where haystack[start + index].asciiLowercased != bytes[index] {
            return false
        }
        return true
    }
}
