// SPDX-License-Identifier: Apache-2.0

package import Primitives

extension ConfigurationNode {
    /// The text.
    /// - Throws: ``ConfigurationError`` when it is a list or a mapping.
    package func text() throws(ConfigurationError) -> String {
        switch value {
        case .scalar(let text): return text
        case .null: return ""
        case .list, .mapping: throw defect("expected a single value")
        }
    }

    /// The integer, which must lie in `range`.
    package func integer(
        in range: ClosedRange<Int> = 0...Int.max
    ) throws(ConfigurationError) -> Int {
        let text = try text()
        guard let number = Int(text) else { throw defect("\(text) is no integer") }
        guard range.contains(number) else {
            let upper = range.upperBound == .max ? "more" : "\(range.upperBound)"
            throw defect("\(number) is not in \(range.lowerBound) to \(upper)")
        }
        return number
    }

    /// The truth value, in any of YAML 1.1's spellings.
    package func flag() throws(ConfigurationError) -> Bool {
        switch try text().lowercased() {
        case "true", "yes", "on", "y": return true
        case "false", "no", "off", "n": return false
        default: throw defect("\(try text()) is no truth value", remedy: "write true or false")
        }
    }

    /// The duration: `5m`, `1h30m`, `250ms`; a bare integer counts nanoseconds, as in Go. Never negative.
    package func duration() throws(ConfigurationError) -> Duration {
        let text = try text()
        guard let duration = Duration(goString: text), duration >= .zero else {
            throw defect("\(text) is no duration", remedy: "write it like 30s, 5m or 1h30m")
        }
        return duration
    }

    /// The size: `4MB`, `512K`, `100`; units are powers of 1024.
    package func size() throws(ConfigurationError) -> ByteCount {
        let text = try text()
        guard let size = ByteCount(parsing: text) else {
            throw defect("\(text) is no size", remedy: "write it like 4MB or 1.5GB")
        }
        return size
    }

    /// An address `host:port`.
    package func address() throws(ConfigurationError) -> String {
        let text = try text()
        guard let endpoint = Endpoint(parsing: text), endpoint.port > 0 else {
            throw defect("\(text) is no address", remedy: "write it like 10.0.0.1:15002")
        }
        return endpoint.description
    }

    /// A list of addresses `host:port`.
    package func addresses() throws(ConfigurationError) -> [String] {
        var addresses: [String] = []
        for element in try list() { addresses.append(try element.address()) }
        return addresses
    }
}

extension Duration {
    /// Reads Go's notation: decimal numbers with the units `ns us µs ms s m h` one after another, or an integer of
    /// nanoseconds; nil when it is something else or longer than 292 years.
    /// - Source: Go's time.ParseDuration.
    package init?(goString text: String) {
        if let nanoseconds = Int64(text) {
            self = .nanoseconds(nanoseconds)
            return
        }
        var rest = Substring(text)
        let isNegative = rest.hasPrefix("-")
        if isNegative || rest.hasPrefix("+") { rest = rest.dropFirst() }
        guard !rest.isEmpty else { return nil }
        var total = 0.0
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
            rest = rest[digits.endIndex...]
            let unit = rest.prefix { $0.isLetter }
            rest = rest[unit.endIndex...]
            guard let number = Double(digits), let scale = Self.goUnits[String(unit)] else {
                return nil
            }
            total += number * scale
        }
        guard total < 0x1p63 else { return nil }
        self = .nanoseconds(isNegative ? -Int64(total.rounded()) : Int64(total.rounded()))
    }

    private static let goUnits: [String: Double] = [
        "ns": 1, "us": 1e3, "µs": 1e3, "μs": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9, "h": 3600e9,
    ]
}

/// A host with a port: `127.0.0.1:15000`, `[::1]:15000`, `origin-0.cluster:80`.
package struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    /// A name or an IP address; an IPv6 address without its brackets.
    package var host: String
    /// The port; 0 means any free one.
    package var port: Int

    /// `port` on `host`.
    package init(host: String, port: Int) { (self.host, self.port) = (host, port) }

    /// Reads `host:port`; nil when it is something else.
    package init?(parsing text: String) {
        guard let colon = text.lastIndex(of: ":"),
            let port = Int(text[text.index(after: colon)...]), (0...65535).contains(port)
        else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        let isClean = !host.isEmpty && !host.contains { $0 == "/" || $0 == " " || $0 == "@" }
        guard isClean else { return nil }
        self.init(host: String(host), port: port)
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// The addresses at which only processes of the same machine are heard.
package enum LoopbackAddress {
    /// Whether `host`, a name or an address without brackets, is one.
    package static func contains(_ host: String) -> Bool {
        if host == "localhost" || host == "::1" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }
}
