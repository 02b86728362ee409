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
    /// - Source: uber/kraken utils/memsize and github.com/c2h5oh/datasize.
    package init?(parsing text: String) {
        let trimmed = text.filter { $0 != " " }
        guard let split = trimmed.firstIndex(where: { $0.isLetter }) ?? Optional(trimmed.endIndex)
        else { return nil }
        let units = ["": 0, "B": 0, "K": 10, "M": 20, "G": 30, "T": 40]
        var unit = trimmed[split...].uppercased()
        if unit.count > 1 {
            unit = String(unit.dropLast(unit.hasSuffix("IB") ? 2 : unit.hasSuffix("B") ? 1 : 0))
        }
        guard let shift = units[unit], let number = Double(trimmed[..<split]), number >= 0 else {
            return nil
        }
        let scaled = number * Double(1 << shift)
        guard scaled <= 0x1p62 else { return nil }
        bytes = Int(scaled)
    }

    /// The size with a binary unit and at most one decimal: `4 MiB`, `1.5 GiB`, `17 B`.
    package var description: String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
        var (value, unit) = (Double(bytes), 0)
        while value >= 1024, unit < units.count - 1 { (value, unit) = (value / 1024, unit + 1) }
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
