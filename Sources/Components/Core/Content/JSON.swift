// SPDX-License-Identifier: Apache-2.0

/// A JSON document, for the pure floor, which has no Foundation.
///
/// Objects keep the order of their keys and look keys up without regard to case, as Go's decoder does, on which Kraken's
/// formats rely. Integers stay exact.
/// - Source: RFC 8259; for the look-up, Go's encoding/json.
package enum JSON: Hashable, Sendable {
    case null
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case string(String)
    case array([JSON])
    case object([Member])

    /// One key of an object with its value.
    package struct Member: Hashable, Sendable {
        /// The key as written.
        package let key: String
        /// Its value.
        package let value: JSON

        /// The pair of `key` and `value`.
        package init(_ key: String, _ value: JSON) { (self.key, self.value) = (key, value) }
    }

    /// The value of `key`: an exact match, else the first one that differs in case only; nil when absent or not an object.
    package subscript(key: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        if let exact = members.last(where: { $0.key == key }) { return exact.value }
        let folded = key.lowercased()
        return members.last { $0.key.lowercased() == folded }?.value
    }

    /// The string, if it is one.
    package var string: String? { if case .string(let value) = self { value } else { nil } }
    /// The integer, if it is one.
    package var integer: Int? { if case .integer(let value) = self { value } else { nil } }
    /// The truth value, if it is one.
    package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    /// The elements, if it is an array.
    package var array: [JSON]? { if case .array(let value) = self { value } else { nil } }
    /// The members, if it is an object.
    package var members: [Member]? { if case .object(let value) = self { value } else { nil } }
}

// MARK: - Writing

extension JSON {
    /// The document as compact UTF-8 text without a trailing newline.
    package var text: String { String(decoding: utf8, as: UTF8.self) }

    /// The document as compact UTF-8 bytes without a trailing newline.
    package var utf8: [UInt8] {
        var bytes: [UInt8] = []
        write(to: &bytes)
        return bytes
    }

    private func write(to bytes: inout [UInt8]) {
        switch self {
        case .null: bytes += "null".utf8
        case .bool(let value): bytes += (value ? "true" : "false").utf8
        case .integer(let value): bytes += String(value).utf8
        case .number(let value): bytes += (value.isFinite ? String(value) : "null").utf8
        case .string(let value): Self.write(string: value, to: &bytes)
        case .array(let elements):
            bytes.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                element.write(to: &bytes)
            }
            bytes.append(UInt8(ascii: "]"))
        case .object(let members):
            bytes.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                Self.write(string: member.key, to: &bytes)
                bytes.append(UInt8(ascii: ":"))
                member.value.write(to: &bytes)
            }
            bytes.append(UInt8(ascii: "}"))
        }
    }

    private static func write(string: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        for byte in string.utf8 {
            switch byte {
            case UInt8(ascii: "\""): bytes += "\\\"".utf8
            case UInt8(ascii: "\\"): bytes += "\\\\".utf8
            case 0x0a: bytes += "\\n".utf8
            case 0x0d: bytes += "\\r".utf8
            case 0x09: bytes += "\\t".utf8
            case 0..<0x20: bytes += "\\u00\(Hex.encode([byte]))".utf8
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}

// MARK: - Reading

extension JSON {
    /// Reads one document and nothing after it.
    ///
    /// - Parameter depthMax: levels of nesting beyond which the document is refused, so that it can't exhaust the stack.
    /// - Throws: `.invalidJSON` with the offset of the defect.
    package init(parsing bytes: some Collection<UInt8>, depthMax: Int = 64) throws(ContentError) {
        var parser = JSONParser(bytes: Array(bytes), depthMax: depthMax)
        self = try parser.parseDocument()
    }

    /// Reads one document from `text`.
    package init(parsing text: String, depthMax: Int = 64) throws(ContentError) {
        try self.init(parsing: Array(text.utf8), depthMax: depthMax)
    }
}

/// A recursive-descent reader over a byte array.
private struct JSONParser {
    let bytes: [UInt8]
    let depthMax: Int
    var position = 0
    var depth = 0

    init(bytes: [UInt8], depthMax: Int) { (self.bytes, self.depthMax) = (bytes, depthMax) }

    mutating func parseDocument() throws(ContentError) -> JSON {
        let value = try parseValue()
        skipSpace()
        guard position == bytes.count else { throw defect("text after the document") }
        return value
    }

    private func defect(_ why: String) -> ContentError {
        ContentError(.invalidJSON, what: "read JSON at byte \(position)", why: why)
    }

    private mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x0a, 0x0d, 0x09: position += 1
            default: return
            }
        }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard position < bytes.count, bytes[position] == UInt8(ascii: character) else {
            return false
        }
        position += 1
        return true
    }

    private mutating func parseValue() throws(ContentError) -> JSON {
        skipSpace()
        guard position < bytes.count else { throw defect("the text ends here") }
        switch bytes[position] {
        case UInt8(ascii: "{"):
            return try nested { (parser) throws(ContentError) in try parser.parseObject() }
        case UInt8(ascii: "["):
            return try nested { (parser) throws(ContentError) in try parser.parseArray() }
        case UInt8(ascii: "\""): return .string(try parseString())
        case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
        case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
        case UInt8(ascii: "n"): return try parseWord("null", .null)
        default: return try parseNumber()
        }
    }

    private mutating func nested(
        _ body: (inout JSONParser) throws(ContentError) -> JSON
    ) throws(ContentError) -> JSON {
        depth += 1
        guard depth <= depthMax else { throw defect("more than \(depthMax) levels") }
        position += 1
        let value = try body(&self)
        depth -= 1
        return value
    }

    private mutating func parseWord(
        _ word: StaticString,
        _ value: JSON
    ) throws(ContentError) -> JSON {
        let matches = word.withUTF8Buffer { bytes[position...].starts(with: $0) }
        guard matches else { throw defect("unknown word") }
        position += word.utf8CodeUnitCount
        return value
    }

    private mutating func parseArray() throws(ContentError) -> JSON {
        var elements: [JSON] = []
        skipSpace()
        if take("]") { return .array([]) }
        repeat {
            elements.append(try parseValue())
            skipSpace()
        } while take(",")
        guard take("]") else { throw defect("expected , or ]") }
        return .array(elements)
    }

    private mutating func parseObject() throws(ContentError) -> JSON {
        var members: [JSON.Member] = []
        skipSpace()
        if take("}") { return .object([]) }
        repeat {
            skipSpace()
            guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else {
                throw defect("expected a key")
            }
            let key = try parseString()
            skipSpace()
            guard take(":") else { throw defect("expected :") }
            members.append(JSON.Member(key, try parseValue()))
            skipSpace()
        } while take(",")
        guard take("}") else { throw defect("expected , or }") }
        return .object(members)
    }

    private mutating func parseString() throws(ContentError) -> String {
        position += 1
        var text: [UInt8] = []
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = String(validating: text, as: UTF8.self) else {
                    throw defect("invalid UTF-8")
                }
                return string
            case UInt8(ascii: "\\"): try parseEscape(into: &text)
            case 0..<0x20: throw defect("a control character in a string")
            default: text.append(byte)
            }
        }
        throw defect("a string that does not end")
    }

    private mutating func parseEscape(into text: inout [UInt8]) throws(ContentError) {
        guard position < bytes.count else { throw defect("a string that does not end") }
        let escape = bytes[position]
        position += 1
        switch escape {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(escape)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0c)
        case UInt8(ascii: "n"): text.append(0x0a)
        case UInt8(ascii: "r"): text.append(0x0d)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"): text += String(try parseUnicodeEscape()).utf8
        default: throw defect("unknown escape")
        }
    }

    private mutating func parseUnicodeEscape() throws(ContentError) -> Character {
        let unit = try parseFourDigits()
        // A lone or malformed surrogate becomes U+FFFD, as Go's decoder has it; what follows is read for itself.
        guard UTF16.isLeadSurrogate(unit) else {
            return Character(Unicode.Scalar(unit) ?? "\u{fffd}")
        }
        let afterLead = position
        guard take("\\"), take("u") else {
            position = afterLead
            return "\u{fffd}"
        }
        let low = try parseFourDigits()
        guard UTF16.isTrailSurrogate(low) else {
            position = afterLead
            return "\u{fffd}"
        }
        let scalar = 0x10000 + (UInt32(unit) - 0xd800) << 10 + (UInt32(low) - 0xdc00)
        return Character(Unicode.Scalar(scalar) ?? "\u{fffd}")
    }

    private mutating func parseFourDigits() throws(ContentError) -> UInt16 {
        guard position + 4 <= bytes.count,
            let pair = Hex.decode(String(decoding: bytes[position..<position + 4], as: UTF8.self))
        else { throw defect("expected four hex digits") }
        position += 4
        return UInt16(pair[0]) << 8 | UInt16(pair[1])
    }

    private mutating func parseNumber() throws(ContentError) -> JSON {
        let start = position
        let isNegative = take("-")
        let digits = skipDigits()
        // No digits, or a zero before others.
        guard digits == 1 || (digits > 1 && bytes[position - digits] != UInt8(ascii: "0")) else {
            position = start
            throw defect("unexpected character")
        }
        var isInteger = true
        if take(".") {
            isInteger = false
            guard skipDigits() > 0 else { throw defect("expected a digit") }
        }
        if take("e") || take("E") {
            isInteger = false
            if !take("+") { _ = take("-") }
            guard skipDigits() > 0 else { throw defect("expected a digit") }
        }
        if isInteger, digits <= 18 {
            let value = bytes[position - digits..<position].reduce(0) { $0 * 10 + Int($1 - 0x30) }
            return .integer(isNegative ? -value : value)
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if isInteger, let integer = Int(text) { return .integer(integer) }
        guard let number = Double(text), number.isFinite else {
            position = start
            throw defect("a number out of range")
        }
        return .number(number)
    }

    /// Passes over decimal digits; answers how many.
    private mutating func skipDigits() -> Int {
        let start = position
        while position < bytes.count, bytes[position] >= 0x30, bytes[position] <= 0x39 {
            position += 1
        }
        return position - start
    }
}
