// SPDX-License-Identifier: Apache-2.0

import Content

/// Reads a JSON document from left to right, building only what the caller asks for.
///
/// An announce is 600 bytes and arrives 15,000 times a second: the general `JSON` reader allocates for each of its 40
/// integers, this one for its few strings only. What it accepts and how it looks keys up is the same.
struct AnnounceScanner {
    private let bytes: [UInt8]
    private var position = 0
    private var depth = 0
    private static let depthMax = 32

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    func defect(_ why: String) -> ContentError {
        ContentError(.invalidJSON, what: "read announce at byte \(position)", why: why)
    }

    /// Demands that nothing but space follows.
    mutating func finish() throws(ContentError) {
        skipSpace()
        guard position == bytes.count else { throw defect("text after the document") }
    }

    /// Takes `null`, if that comes next.
    mutating func takeNull() throws(ContentError) -> Bool {
        skipSpace()
        guard position < bytes.count, bytes[position] == UInt8(ascii: "n") else { return false }
        try takeWord("null")
        return true
    }

    /// Reads an object: `member` gets each key in lower case and must take its value.
    mutating func object(
        _ member: (inout AnnounceScanner, String) throws(ContentError) -> Void
    ) throws(ContentError) {
        try open("{")
        if try takeClosing("}", isFirst: true) { return }
        repeat {
            skipSpace()
            let key = try string().lowercased()
            skipSpace()
            guard take(":") else { throw defect("expected :") }
            try member(&self, key)
        } while try !takeClosing("}", isFirst: false)
    }

    /// Reads an array: `element` must take each value.
    mutating func array(
        _ element: (inout AnnounceScanner) throws(ContentError) -> Void
    ) throws(ContentError) {
        try open("[")
        if try takeClosing("]", isFirst: true) { return }
        repeat { try element(&self) } while try !takeClosing("]", isFirst: false)
    }

    /// Reads an array of byte values as Go reads a fixed array: filled with zeros, or cut, to `count`.
    mutating func byteArray(count: Int) throws(ContentError) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(count)
        if try !takeNull() {
            try array { (scanner) throws(ContentError) in
                guard result.count < count else { return try scanner.skipValue() }
                let integer = try scanner.integer()
                guard let byte = UInt8(exactly: integer) else {
                    throw scanner.defect("\(integer) is not a byte")
                }
                result.append(byte)
            }
        }
        result.append(contentsOf: repeatElement(0, count: count - result.count))
        return result
    }

    /// Reads an integer.
    mutating func integer() throws(ContentError) -> Int {
        skipSpace()
        let isNegative = take("-")
        let start = position
        var value = 0
        while position < bytes.count, bytes[position] >= 0x30, bytes[position] <= 0x39 {
            guard position - start < 18 else { throw defect("an integer with too many digits") }
            value = value * 10 + Int(bytes[position] - 0x30)
            position += 1
        }
        guard position > start else { throw defect("expected an integer") }
        if position < bytes.count, ".eE".utf8.contains(bytes[position]) {
            throw defect("expected an integer")
        }
        return isNegative ? -value : value
    }

    /// Reads `true` or `false`; `null` counts as false, as Go's zero value.
    mutating func bool() throws(ContentError) -> Bool {
        if try takeNull() { return false }
        guard position < bytes.count else { throw defect("the text ends here") }
        let value = bytes[position] == UInt8(ascii: "t")
        try takeWord(value ? "true" : "false")
        return value
    }

    /// Reads a string.
    mutating func string() throws(ContentError) -> String {
        skipSpace()
        let start = position
        guard take("\"") else { throw defect("expected a string") }
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                let text = bytes[start + 1..<position]
                position += 1
                guard let string = String(validating: text, as: UTF8.self) else {
                    throw defect("invalid UTF-8")
                }
                return string
            case UInt8(ascii: "\\"):
                return try escapedString(from: start)
            case 0..<0x20:
                throw defect("a control character in a string")
            default:
                position += 1
            }
        }
        throw defect("a string that does not end")
    }

    /// Reads any value and forgets it.
    mutating func skipValue() throws(ContentError) {
        skipSpace()
        guard position < bytes.count else { throw defect("the text ends here") }
        switch bytes[position] {
        case UInt8(ascii: "{"):
            try object { (scanner, _) throws(ContentError) in try scanner.skipValue() }
        case UInt8(ascii: "["):
            try array { (scanner) throws(ContentError) in try scanner.skipValue() }
        case UInt8(ascii: "\""): _ = try string()
        case UInt8(ascii: "t"): try takeWord("true")
        case UInt8(ascii: "f"): try takeWord("false")
        case UInt8(ascii: "n"): try takeWord("null")
        default: try skipNumber()
        }
    }

    // MARK: - Parts

    /// Leaves the rare string with escapes to the general reader.
    private mutating func escapedString(from start: Int) throws(ContentError) -> String {
        while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
            position += bytes[position] == UInt8(ascii: "\\") ? 2 : 1
        }
        guard position < bytes.count else { throw defect("a string that does not end") }
        position += 1
        guard let string = try JSON(parsing: bytes[start..<position]).string else {
            throw defect("expected a string")
        }
        return string
    }

    private mutating func skipNumber() throws(ContentError) {
        let start = position
        while position < bytes.count, "+-.eE0123456789".utf8.contains(bytes[position]) {
            position += 1
        }
        _ = try JSON(parsing: bytes[start..<position])
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

    private mutating func takeWord(_ word: StaticString) throws(ContentError) {
        let matches = word.withUTF8Buffer { bytes[position...].starts(with: $0) }
        guard matches else { throw defect("unknown word") }
        position += word.utf8CodeUnitCount
    }

    private mutating func open(_ bracket: Unicode.Scalar) throws(ContentError) {
        skipSpace()
        guard take(bracket) else { throw defect("expected \(bracket)") }
        depth += 1
        guard depth <= Self.depthMax else { throw defect("more than \(Self.depthMax) levels") }
    }

    /// Takes the closing bracket, or the comma before a further element.
    private mutating func takeClosing(
        _ bracket: Unicode.Scalar,
        isFirst: Bool
    ) throws(ContentError) -> Bool {
        skipSpace()
        if take(bracket) {
            depth -= 1
            return true
        }
        guard isFirst || take(",") else { throw defect("expected , or \(bracket)") }
        return false
    }
}
