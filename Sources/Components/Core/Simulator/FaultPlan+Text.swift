// SPDX-License-Identifier: Apache-2.0

package import Primitives

/// Faults as people write them: `crash:20%@5s..8s,restart:10s,slow:1%x10`.
extension FaultPlan {
    /// The faults in `text`, separated by commas; none for `none` and for nothing.
    /// - Throws: ``PlanError`` naming the first that is not understood.
    package init(parsing text: String) throws(PlanError) {
        self.init()
        for part in text.split(separator: ",") {
            let word = part.trimmed
            if word.isEmpty || word == "none" { continue }
            try add(word)
        }
    }

    /// Adds the fault that `word` names.
    /// - Throws: ``PlanError`` when it is not understood.
    package mutating func add(_ word: String) throws(PlanError) {
        if word == "live" {
            isOpen = true
            return
        }
        if let step = try Self.step(word) {
            steps.append(step)
            return
        }
        let parts = word.split(separator: ":", maxSplits: 1)
        let terms = parts.count == 2 ? String(parts[1]) : ""
        switch parts.first ?? "" {
        case "crash", "vanish":
            let (what, span) = try Self.timed(terms, word)
            let share = try Self.share(what, word)
            crashes.append(Crash(share: share, span: span, isSeen: parts[0] == "crash"))
        case "restart":
            let isWiped = terms.hasSuffix("/wiped")
            let time = isWiped ? String(terms.dropLast("/wiped".count)) : terms
            restart = Restart(delay: try Self.time(time, word), isWiped: isWiped)
        case "slow":
            let pair = terms.split(separator: "x")
            guard pair.count == 2, let factor = Int(pair[1]) else { throw Self.confusion(word) }
            slowness.append(
                Slowness(share: try Self.share(String(pair[0]), word), factor: factor)
            )
        case "partition":
            let (what, span) = try Self.timed(terms, word)
            partitions.append(Partition(share: try Self.share(what, word), span: span))
        case "corrupt": corrupt = try Self.share(terms, word)
        case "silent", "liar", "trickle":
            guard let kind = Malice(rawValue: String(parts[0])) else { throw Self.confusion(word) }
            malice[kind] = try Self.share(terms, word)
        case "loss": loss = try Self.share(terms, word)
        case "disk": disk = try Self.share(terms, word)
        case "tracker-down": trackerOutages.append(try Self.outage(terms, word))
        case "origin-down": originOutages.append(try Self.outage(terms, word))
        case "backend": backendTime = try Self.time(terms, word)
        default: throw Self.confusion(word)
        }
    }

    private static func confusion(_ word: String) -> PlanError {
        PlanError(
            what: "fault \(word)",
            why: "expected one of crash:20%@5s..8s, vanish:5%@3s, restart:10s, restart:10s/wiped, "
                + "slow:1%x10, loss:1%, disk:1%, corrupt:1%, silent:5%, liar:5%, trickle:5%, "
                + "partition:30%@5s..10s, "
                + "tracker-down:0@3s..8s, origin-down:1@4s, backend:2s"
        )
    }

    private static func outage(_ terms: String, _ word: String) throws(PlanError) -> Outage {
        let (what, span) = try timed(terms, word)
        guard let index = Int(what) else { throw confusion(word) }
        return Outage(index: index, span: span)
    }

    /// What precedes the `@`, and the span that follows it.
    private static func timed(
        _ terms: String,
        _ word: String
    ) throws(PlanError) -> (what: String, span: Span) {
        let parts = terms.split(separator: "@")
        guard parts.count == 2 else { throw confusion(word) }
        var times = String(parts[1])
        var end: Duration?
        if let dots = Self.range(in: times) {
            end = try time(String(times[dots...].dropFirst(2)), word)
            times = String(times[..<dots])
        }
        return (String(parts[0]), Span(try time(times, word), end))
    }

    /// Where the `..` of `0.5s..1.5s` begins.
    private static func range(in text: String) -> String.Index? {
        text.indices.first { text[$0...].hasPrefix("..") }
    }

    private static func share(_ text: String, _ word: String) throws(PlanError) -> Ratio {
        guard let share = Ratio(percent: text) else { throw confusion(word) }
        return share
    }

    private static func time(_ text: String, _ word: String) throws(PlanError) -> Duration {
        guard let time = Duration(parsing: text) else { throw confusion(word) }
        return time
    }

    /// The faults as ``init(parsing:)`` reads them; `none` when there are none.
    package var text: String {
        var words = crashes.map { crash in
            "\(crash.isSeen ? "crash" : "vanish"):\(crash.share.percent)@\(crash.span.text)"
        }
        if let restart {
            words.append("restart:\(restart.delay.text)\(restart.isWiped ? "/wiped" : "")")
        }
        words += slowness.map { "slow:\($0.share.percent)x\($0.factor)" }
        words += partitions.map { "partition:\($0.share.percent)@\($0.span.text)" }
        let kinds = Malice.allCases.map { ($0.rawValue, malice[$0] ?? Ratio(0, in: 1)) }
        let shares = [("corrupt", corrupt)] + kinds + [("loss", loss), ("disk", disk)]
        words += shares.filter { $0.1.numerator > 0 }.map { "\($0.0):\($0.1.percent)" }
        words += trackerOutages.map { "tracker-down:\($0.index)@\($0.span.text)" }
        words += originOutages.map { "origin-down:\($0.index)@\($0.span.text)" }
        if backendTime > .zero { words.append("backend:\(backendTime.text)") }
        words += steps.map(\.text)
        if isOpen { words.append("live") }
        return words.isEmpty ? "none" : words.joined(separator: ",")
    }
}

extension FaultPlan.Span {
    fileprivate var text: String { start.text + (end.map { "..\($0.text)" } ?? "") }
}

extension Ratio {
    /// Reads `20%` and `0.5%`, with up to four decimals.
    package init?(percent text: String) {
        guard text.hasSuffix("%") else { return nil }
        let parts = text.dropLast().split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let whole = Int(parts[0]), (0...100).contains(whole)
        else { return nil }
        let decimals = parts.count == 2 ? parts[1] : ""
        guard decimals.count <= 4, decimals.allSatisfy(\.isASCII) else { return nil }
        let padded = decimals + String(repeating: "0", count: 4 - decimals.count)
        guard let fraction = Int(padded), fraction >= 0 else { return nil }
        self.init(whole * 10_000 + fraction, in: 1_000_000)
    }

    /// The ratio in percent, as ``init(percent:)`` reads it.
    package var percent: String {
        let parts = numerator * 1_000_000 / denominator
        var digits = String(parts % 10_000)
        digits = String(repeating: "0", count: 4 - digits.count) + digits
        while digits.last == "0" { digits.removeLast() }
        return "\(parts / 10_000)\(digits.isEmpty ? "" : "." + digits)%"
    }
}

extension Duration {
    /// Reads `10s`, `0.5ms`, `200us`, `3m` and `1h`; nil when it is no time.
    package init?(parsing text: String) {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let units: [String: Double] = [
            "ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9, "min": 60e9, "h": 3600e9,
        ]
        guard let unit = units[String(text.dropFirst(digits.count))],
            let number = Double(String(digits)), number >= 0, number * unit < 1e18
        else { return nil }
        self = .nanoseconds(Int64((number * unit).rounded()))
    }

    /// The time as ``init(parsing:)`` reads it.
    package var text: String {
        let units: [(String, Int64)] = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1000)]
        for (name, size) in units where nanoseconds % size == 0 {
            return "\(nanoseconds / size)\(name)"
        }
        return "\(nanoseconds)ns"
    }
}

extension Substring {
    var trimmed: String {
        var rest = self
        while rest.first?.isWhitespace == true { rest.removeFirst() }
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return String(rest)
    }
}
