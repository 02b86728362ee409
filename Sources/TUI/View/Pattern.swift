// SPDX-License-Identifier: Apache-2.0

/// A regular expression over ASCII that ignores case: what stands between two `~` in a filter.
///
/// Literals, `.`, `[a-z]`, `[^…]`, `^`, `$`, `(…)`, `|`, `*`, `+`, `?`; a backslash takes the next character as it is. A
/// character beyond ASCII stands for its UTF-8 bytes.
///
/// The matcher backtracks, so a hostile expression could take exponential time: every search ends after ``stepsMax`` steps
/// and then counts as no match. Neither matching nor reading recurses deeper than ``depthMax``.
package struct Pattern: Sendable {
    /// Why an expression can't be read, in words.
    package struct Problem: Error, Equatable, Sendable {
        /// What is wrong with it.
        package let text: String
        init(_ text: String) { self.text = text }
    }

    /// The most steps of one search.
    package static let stepsMax = 5000
    /// How deep groups may lie in one another.
    package static let depthMax = 16
    /// The most instructions an expression may need.
    package static let instructionsMax = 512

    private let program: [Instruction]
    private let registerCount: Int

    /// Reads `text`.
    package init(_ text: String) throws(Problem) {
        var reader = PatternReader(text)
        let node = try reader.expression()
        guard reader.isAtEnd else { throw Problem("“)” without “(”") }
        var compiler = PatternCompiler()
        compiler.compile(node)
        compiler.program.append(.match)
        guard compiler.program.count <= Self.instructionsMax else { throw Problem("too long") }
        (program, registerCount) = (compiler.program, compiler.registerCount)
    }

    /// Whether `text` contains a match.
    package func matches(_ text: String) -> Bool { matches(Array(text.utf8)) }

    /// Whether `bytes` contain a match.
    package func matches(_ bytes: [UInt8]) -> Bool {
        let bytes = bytes.map(\.asciiLowercased)
        var search = PatternSearch(program: program, registers: registerCount, bytes: bytes)
        for start in 0...bytes.count {
            if search.run(from: start) { return true }
            if search.steps > Self.stepsMax { return false }
        }
        return false
    }

    /// One step of a program.
    enum Instruction: Sendable {
        case byte(UInt8)
        case any
        case set(ByteSet)
        case atStart, atEnd
        /// Goes on at the first, or later at the second.
        case split(Int, Int)
        case jump(Int)
        /// Notes where a round of a loop began, and fails when it has not moved since.
        case enter(Int), moved(Int)
        case match
    }

    /// Some of the 256 bytes.
    struct ByteSet: Sendable {
        private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        var isNegated = false

        mutating func insert(_ byte: UInt8) {
            let bit: UInt64 = 1 << UInt64(byte & 63)
            switch byte >> 6 {
            case 0: words.0 |= bit
            case 1: words.1 |= bit
            case 2: words.2 |= bit
            default: words.3 |= bit
            }
        }

        func contains(_ byte: UInt8) -> Bool {
            let word =
                switch byte >> 6 {
                case 0: words.0
                case 1: words.1
                case 2: words.2
                default: words.3
                }
            return (word & 1 << UInt64(byte & 63) != 0) != isNegated
        }
    }
}

extension UInt8 {
    /// The byte with `A` … `Z` made small.
    var asciiLowercased: UInt8 { self >= 0x41 && self <= 0x5A ? self + 0x20 : self }
}

// MARK: - Reading

/// What an expression is made of.
private indirect enum PatternNode {
    case empty
    case step(Pattern.Instruction)
    case sequence([PatternNode])
    case choice([PatternNode])
    case star(PatternNode), plus(PatternNode), optional(PatternNode)

    /// Whether nothing at all matches it.
    var matchesEmpty: Bool {
        switch self {
        case .empty, .star, .optional: true
        case .step(.atStart), .step(.atEnd): true
        case .step: false
        case .sequence(let parts): parts.allSatisfy(\.matchesEmpty)
        case .choice(let parts): parts.contains(where: \.matchesEmpty)
        case .plus(let part): part.matchesEmpty
        }
    }
}

/// Takes an expression apart, from left to right.
private struct PatternReader {
    private let bytes: [UInt8]
    private var position = 0
    private var depth = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    var isAtEnd: Bool { position >= bytes.count }
    private var next: UInt8? { isAtEnd ? nil : bytes[position] }

    mutating func expression() throws(Pattern.Problem) -> PatternNode {
        var choices = [try sequence()]
        while next == UInt8(ascii: "|") {
            position += 1
            choices.append(try sequence())
        }
        return choices.count == 1 ? choices[0] : .choice(choices)
    }

    private mutating func sequence() throws(Pattern.Problem) -> PatternNode {
        var parts: [PatternNode] = []
        while let byte = next, byte != UInt8(ascii: "|"), byte != UInt8(ascii: ")") {
            parts.append(repeated(try item()))
        }
        return parts.isEmpty ? .empty : .sequence(parts)
    }

    private mutating func repeated(_ node: PatternNode) -> PatternNode {
        var node = node
        var count = 0
        // More signs of repetition in a row than this mean nothing new.
        while let byte = next {
            switch byte {
            case UInt8(ascii: "*"): node = count < 3 ? .star(node) : node
            case UInt8(ascii: "+"): node = count < 3 ? .plus(node) : node
            case UInt8(ascii: "?"): node = count < 3 ? .optional(node) : node
            default: return node
            }
            position += 1
            count += 1
        }
        return node
    }

    private mutating func item() throws(Pattern.Problem) -> PatternNode {
        guard let byte = next else { return .empty }
        position += 1
        switch byte {
        case UInt8(ascii: "."): return .step(.any)
        case UInt8(ascii: "^"): return .step(.atStart)
        case UInt8(ascii: "$"): return .step(.atEnd)
        case UInt8(ascii: "("): return try group()
        case UInt8(ascii: "["): return .step(.set(try set()))
        case UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "?"):
            throw Pattern.Problem("nothing to repeat before “\(Unicode.Scalar(byte))”")
        case UInt8(ascii: "\\"):
            guard let taken = next else { throw Pattern.Problem("“\\” at the end") }
            position += 1
            return .step(.byte(taken.asciiLowercased))
        default: return .step(.byte(byte.asciiLowercased))
        }
    }

    private mutating func group() throws(Pattern.Problem) -> PatternNode {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Pattern.depthMax else { throw Pattern.Problem("too many groups in groups") }
        let node = try expression()
        guard next == UInt8(ascii: ")") else { throw Pattern.Problem("“(” without “)”") }
        position += 1
        return node
    }

    private mutating func set() throws(Pattern.Problem) -> Pattern.ByteSet {
        var set = Pattern.ByteSet()
        if next == UInt8(ascii: "^") {
            set.isNegated = true
            position += 1
        }
        var isFirst = true
        while let low = next, isFirst || low != UInt8(ascii: "]") {
            position += 1
            isFirst = false
            var high = low
            if next == UInt8(ascii: "-"), position + 1 < bytes.count,
                bytes[position + 1] != UInt8(ascii: "]")
            {
                high = bytes[position + 1]
                position += 2
            }
            guard low <= high else { throw Pattern.Problem("a range from high to low in “[…]”") }
            for byte in low...high { set.insert(byte.asciiLowercased) }
        }
        guard next == UInt8(ascii: "]") else { throw Pattern.Problem("“[” without “]”") }
        position += 1
        return set
    }
}

// MARK: - Compiling

/// Makes a program of an expression.
private struct PatternCompiler {
    var program: [Pattern.Instruction] = []
    var registerCount = 0

    mutating func compile(_ node: PatternNode) {
        // Too long already: the rest would only make it longer.
        guard program.count <= Pattern.instructionsMax else { return }
        switch node {
        case .empty: break
        case .step(let instruction): program.append(instruction)
        case .sequence(let parts): for part in parts { compile(part) }
        case .choice(let parts): choice(parts)
        case .star(let part): star(part)
        case .plus(let part):
            // Of what may be empty, once or more is the same as any number of times.
            guard !part.matchesEmpty else { return star(part) }
            let start = program.count
            compile(part)
            program.append(.split(start, program.count + 1))
        case .optional(let part):
            let fork = program.count
            program.append(.match)
            compile(part)
            program[fork] = .split(fork + 1, program.count)
        }
    }

    private mutating func star(_ part: PatternNode) {
        let fork = program.count
        program.append(.match)
        if part.matchesEmpty {
            let register = registerCount
            registerCount += 1
            program.append(.enter(register))
            compile(part)
            program.append(.moved(register))
        } else {
            compile(part)
        }
        program.append(.jump(fork))
        program[fork] = .split(fork + 1, program.count)
    }

    private mutating func choice(_ parts: [PatternNode]) {
        var ends: [Int] = []
        for (index, part) in parts.enumerated() {
            guard index < parts.count - 1 else {
                compile(part)
                break
            }
            let fork = program.count
            program.append(.match)
            compile(part)
            ends.append(program.count)
            program.append(.match)
            program[fork] = .split(fork + 1, program.count)
        }
        for end in ends { program[end] = .jump(program.count) }
    }
}

// MARK: - Matching

/// One search, with what is still to be tried on a stack of its own.
private struct PatternSearch {
    private enum Choice {
        case resume(Int, at: Int)
        case restore(Int, Int)
    }

    let program: [Pattern.Instruction]
    let bytes: [UInt8]
    private var registers: [Int]
    private var stack: [Choice] = []
    private(set) var steps = 0

    init(program: [Pattern.Instruction], registers: Int, bytes: [UInt8]) {
        (self.program, self.bytes) = (program, bytes)
        self.registers = Array(repeating: -1, count: registers)
    }

    mutating func run(from start: Int) -> Bool {
        stack.removeAll(keepingCapacity: true)
        stack.append(.resume(0, at: start))
        while let choice = stack.popLast() {
            switch choice {
            case .restore(let register, let value): registers[register] = value
            case .resume(let instruction, let position):
                if advance(instruction, position) { return true }
                if steps > Pattern.stepsMax { return false }
            }
        }
        return false
    }

    /// Goes on until it matches or fails.
    private mutating func advance(_ instruction: Int, _ position: Int) -> Bool {
        var (counter, position) = (instruction, position)
        while counter < program.count, steps <= Pattern.stepsMax {
            steps += 1
            switch program[counter] {
            case .match: return true
            case .jump(let target):
                counter = target
                continue
            case .split(let first, let second):
                stack.append(.resume(second, at: position))
                counter = first
                continue
            case .enter(let register):
                stack.append(.restore(register, registers[register]))
                registers[register] = position
            case .moved(let register): if registers[register] == position { return false }
            case .atStart: if position != 0 { return false }
            case .atEnd: if position != bytes.count { return false }
            case .byte(let byte):
                guard position < bytes.count, bytes[position] == byte else { return false }
                position += 1
            case .any:
                guard position < bytes.count else { return false }
                position += 1
            case .set(let set):
                guard position < bytes.count, set.contains(bytes[position]) else { return false }
                position += 1
            }
            counter += 1
        }
        return false
    }
}
