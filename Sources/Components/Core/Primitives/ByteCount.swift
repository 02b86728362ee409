// SPDX-License-Identifier: Apache-2.0

/// A number of bytes: a size, never an offset or an index.
package struct ByteCount: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The number of bytes.
    package var bytes: Int

    /// No bytes.
    package static let zero = ByteCount(0)

    /// `bytes` bytes.
    package init(_ bytes: Int) { self.bytes = bytes }

    /// `count` KiB.
    package static func kibibytes(_ count: Int) -> ByteCount { ByteCount(count << 10) }
    /// `count` MiB.
    package static func mebibytes(_ count: Int) -> ByteCount { ByteCount(count << 20) }
    /// `count` GiB.
    package static func gibibytes(_ count: Int) -> ByteCount { ByteCount(count << 30) }

    package static func < (left: ByteCount, right: ByteCount) -> Bool { left.bytes < right.bytes }
    package static func + (left: ByteCount, right: ByteCount) -> ByteCount {
        ByteCount(left.bytes + right.bytes)
    }
    package static func - (left: ByteCount, right: ByteCount) -> ByteCount {
        ByteCount(left.bytes - right.bytes)
    }
    package static func += (left: inout ByteCount, right: ByteCount) { left.bytes += right.bytes }

    /// Reads `4MB`, `1.5 GiB`, `512K`, `100`: all units are powers of 1024, as in Kraken; nil when it is not a size.
    ///
    /// Spaces may surround the text and precede the unit; the unit's case does not matter; exponents are no sizes.
    /// - Source: uber/kraken utils/memsize and github.com/c2h5oh/datasize.
    package init?(parsing text: String) {
        // Longer text is not a size that anyone writes, and must not cost time.
        guard text.utf8.count <= 64 else { return nil }
        var rest = Substring(text).utf8
        while rest.first == UInt8(ascii: " ") { rest.removeFirst() }
        while rest.last == UInt8(ascii: " ") { rest.removeLast() }
        let digits = rest.prefix { ($0 >= 0x30 && $0 <= 0x39) || $0 == UInt8(ascii: ".") }
        let unit = rest.dropFirst(digits.count).drop { $0 == UInt8(ascii: " ") }
        guard digits.first != UInt8(ascii: "."), digits.last != UInt8(ascii: "."),
            let number = Double(String(Substring(digits))), number.isFinite,
            let shift = Self.shift(ofUnit: Substring(unit).lowercased())
        else { return nil }
        let scaled = number * Double(1 << shift)
        guard scaled <= 0x1p62 else { return nil }
        bytes = Int(scaled)
    }

    private static func shift(ofUnit unit: String) -> Int? {
        switch unit {
        case "", "b": 0
        case "k", "kb", "kib": 10
        case "m", "mb", "mib": 20
        case "g", "gb", "gib": 30
        case "t", "tb", "tib": 40
        default: nil
        }
    }

    /// The size with a binary unit and at most one decimal: `4 MiB`, `1.5 GiB`, `17 B`.
    package var description: String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
        var (value, unit) = (Double(bytes), 0)
        // What rounds to 1024 of a unit is one of the next.
        while value >= 1023.95, unit < units.count - 1, unit > 0 || value >= 1024 {
            (value, unit) = (value / 1024, unit + 1)
        }
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0
            ? "\(tenths / 10) \(units[unit])" : "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }
}

/// A speed in bytes per second.
package struct ByteRate: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Bytes per second; positive.
    package var bytesPerSecond: Int

    /// `bytesPerSecond` bytes each second.
    package init(bytesPerSecond: Int) { self.bytesPerSecond = bytesPerSecond }

    /// Reads `25MB/s`, `25MB` or `200 MiB/s` (powers of 1024); nil when it is not a positive rate.
    package init?(parsing text: String) {
        let size = text.hasSuffix("/s") ? String(text.dropLast(2)) : text
        guard let count = ByteCount(parsing: size), count.bytes > 0 else { return nil }
        bytesPerSecond = count.bytes
    }

    package static func < (left: ByteRate, right: ByteRate) -> Bool {
        left.bytesPerSecond < right.bytesPerSecond
    }

    package var description: String { "\(ByteCount(bytesPerSecond))/s" }
}
