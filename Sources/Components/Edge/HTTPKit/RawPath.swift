// SPDX-License-Identifier: Apache-2.0

package import Hummingbird

/// Percent-encoding as Kraken's services do it.
///
/// Hummingbird's router matches the path as it came, still percent-encoded, so `a%2Fb` stays one segment; a parameter is
/// decoded after the match. Kraken's proxy encodes a tag twice, and Go's server decodes twice, so this does, too.
/// - Source: uber/kraken lib/httputil/params (`ParseParam`), proxy prefetch.
package enum PercentCoding {
    /// `text` with each `%XX` replaced; nil when an escape is broken or the bytes are not UTF-8.
    package static func decode(_ text: some StringProtocol) -> String? {
        guard text.utf8.contains(UInt8(ascii: "%")) else { return String(text) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        var rest = text.utf8.makeIterator()
        while let byte = rest.next() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.next().flatMap(hexValue), let low = rest.next().flatMap(hexValue)
            else { return nil }
            bytes.append(high << 4 | low)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    /// `text` as one segment of a path or one value of a query: all but unreserved characters are escaped.
    package static func encode(_ text: some StringProtocol) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count + 16)
        for byte in text.utf8 {
            if isUnreserved(byte) {
                bytes.append(byte)
            } else {
                bytes.append(UInt8(ascii: "%"))
                bytes.append(hexDigit(byte >> 4))
                bytes.append(hexDigit(byte & 15))
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "_"), UInt8(ascii: "~"):
            true
        default: false
        }
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + value - 10
    }

    private static func hexValue(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

extension ServerContext {
    /// The segment of the path that the route calls `{name}`, decoded (twice, as Kraken's servers do).
    /// - Throws: 400 when it is empty or cannot be decoded.
    package func parameter(_ name: String) throws(HTTPProblem) -> String {
        guard let raw = parameters[name[...]], !raw.isEmpty else {
            throw .badRequest("param \(name) is required").asText
        }
        guard let once = PercentCoding.decode(raw), let twice = PercentCoding.decode(once) else {
            throw .badRequest(
                "param \(name) is not percent-encoded text",
                remedy: "escape each segment of the path once, as UTF-8"
            )
        }
        return twice
    }

    /// The segments that the route's `**` stands for, each decoded once; never one that climbs out of a tree.
    /// - Throws: 400 when one cannot be decoded or is `.` or `..`.
    package func catchAllSegments() throws(HTTPProblem) -> [String] {
        var segments: [String] = []
        for raw in parameters.getCatchAll() {
            guard let segment = PercentCoding.decode(raw), segment != ".", segment != ".." else {
                throw .badRequest("the path has a segment that cannot be decoded or climbs")
            }
            segments.append(segment)
        }
        return segments
    }
}

extension Request {
    /// The path as it came: percent-encoded, without the query.
    package var rawPath: String { uri.path }

    /// The value of `name` in the query, decoded; nil when it is absent.
    /// - Throws: 400 when it cannot be decoded.
    package func query(_ name: String) throws(HTTPProblem) -> String? {
        guard let query = uri.query else { return nil }
        for pair in query.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.first.flatMap({ decodeQuery($0) }) == name else { continue }
            guard parts.count == 2 else { return "" }
            guard let value = decodeQuery(parts[1]) else {
                throw .badRequest("query argument \(name) is not percent-encoded text")
            }
            return value
        }
        return nil
    }

    /// The integer that the query has under `name`; nil when it is absent.
    /// - Throws: 400 when it is not a decimal integer.
    package func queryInteger(_ name: String) throws(HTTPProblem) -> Int? {
        guard let text = try query(name) else { return nil }
        guard let value = Int(text) else {
            throw .badRequest("query argument \(name) is not an integer")
        }
        return value
    }

    /// The truth value that the query has under `name`, in the spellings of Go's `ParseBool`; nil when it is absent.
    /// - Throws: 400 for any other spelling.
    package func queryBool(_ name: String) throws(HTTPProblem) -> Bool? {
        guard let text = try query(name) else { return nil }
        switch text {
        case "1", "t", "T", "true", "TRUE", "True": return true
        case "0", "f", "F", "false", "FALSE", "False": return false
        default: throw .badRequest("query argument \(name) is not true or false")
        }
    }

    private func decodeQuery(_ text: Substring) -> String? {
        PercentCoding.decode(
            text.contains("+") ? String(text.map { $0 == "+" ? " " : $0 }) : String(text)
        )
    }
}
