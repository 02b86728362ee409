// SPDX-License-Identifier: Apache-2.0

/// Numbers as people read them, in as few columns as they need. Everything here takes any value, also `nan`.
package enum Units {
    /// What stands for a value that is not known.
    package static let unknown = "—"

    /// A size with three significant digits: `1.02 GiB`, `612 MiB`, `0 B`.
    package static func bytes(_ count: Double) -> String {
        scaled(count, " ", ["B", "KiB", "MiB", "GiB", "TiB", "PiB"])
    }

    /// A rate with three significant digits: `612 MiB/s`.
    package static func rate(_ bytesPerSecond: Double) -> String {
        bytesPerSecond.isFinite ? bytes(bytesPerSecond) + "/s" : unknown
    }

    /// A size or rate in at most four columns: `421M`, `3.4G`, `0`.
    package static func short(_ count: Double) -> String {
        guard count.isFinite else { return unknown }
        guard count >= 1 else { return "0" }
        // Nothing real is larger; the column is not to burst.
        let count = min(count, 999 * 1_125_899_906_842_624)
        return scaled(count, "", ["", "K", "M", "G", "T", "P"], digits: 2)
    }

    private static func scaled(
        _ count: Double,
        _ separator: String,
        _ units: [String],
        digits: Int = 3
    ) -> String {
        guard count.isFinite else { return unknown }
        var (value, unit) = (max(0, count), 0)
        // 999.5 would round to four digits.
        while value >= 999.5, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        guard unit > 0 else { return "\(Int(value.rounded()))" + separator + units[0] }
        // What rounds up to one more digit before the point has one fewer behind it.
        let before = value >= 99.95 ? 3 : value >= (digits == 2 ? 9.95 : 9.995) ? 2 : 1
        return decimal(value, max(0, digits - before)) + separator + units[unit]
    }

    /// A duration: `38 ms`, `1.8 s`, `41s`, `4m12s`, `3h05m`, `2d04h`.
    package static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite else { return unknown }
        let seconds = min(max(0, seconds), 1e12)
        if seconds < 0.9995 { return "\(Int((seconds * 1000).rounded())) ms" }
        if seconds < 9.95 { return decimal(seconds, 1) + " s" }
        let whole = Int(seconds.rounded())
        if whole < 60 { return "\(whole)s" }
        if whole < 3600 { return "\(whole / 60)m\(padded(whole % 60))s" }
        if whole < 86_400 { return "\(whole / 3600)h\(padded(whole / 60 % 60))m" }
        return "\(whole / 86_400)d\(padded(whole / 3600 % 24))h"
    }

    /// A share (0 … 1) in percent: `54%`. Only what is whole shows `100%`.
    package static func percent(_ share: Double) -> String {
        guard share.isFinite else { return unknown }
        let percent = Int((min(max(0, share), 1) * 100).rounded())
        return "\(percent == 100 && share < 1 ? 99 : percent)%"
    }

    /// A count with thin groups of three: `8 412`.
    package static func count(_ value: Int) -> String {
        let digits = String(value.magnitude)
        var text = value < 0 ? "-" : ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text.append(" ") }
            text.append(digit)
        }
        return text
    }

    /// A number with `places` (0 … 3) decimals.
    package static func decimal(_ value: Double, _ places: Int) -> String {
        guard value.isFinite else { return unknown }
        let scale = [1, 10, 100, 1000][min(max(0, places), 3)]
        let scaled = Int((min(max(-1e15, value), 1e15) * Double(scale)).rounded())
        guard scale > 1 else { return "\(scaled)" }
        let fraction = String(scaled.magnitude % UInt(scale))
        let zeros = String(repeating: "0", count: places - fraction.count)
        return "\(scaled < 0 ? "-" : "")\(scaled.magnitude / UInt(scale)).\(zeros)\(fraction)"
    }

    private static func padded(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
}

/// Times of day.
package enum Clock {
    /// `14:03:27`, in the zone `offset` east of UTC.
    package static func time(_ unixNanoseconds: Int64, offsetSeconds: Int = 0) -> String {
        let (hours, minutes, seconds, _) = parts(unixNanoseconds, offsetSeconds)
        return "\(two(hours)):\(two(minutes)):\(two(seconds))"
    }

    /// `14:03:27.412`.
    package static func timeWithMilliseconds(
        _ unixNanoseconds: Int64,
        offsetSeconds: Int = 0
    ) -> String {
        let milliseconds = parts(unixNanoseconds, offsetSeconds).milliseconds
        let digits = String(milliseconds)
        let zeros = String(repeating: "0", count: 3 - digits.count)
        return time(unixNanoseconds, offsetSeconds: offsetSeconds) + "." + zeros + digits
    }

    private static func parts(
        _ unixNanoseconds: Int64,
        _ offset: Int
    ) -> (hours: Int, minutes: Int, seconds: Int, milliseconds: Int) {
        let milliseconds = Int(unixNanoseconds / 1_000_000)
        let day = 86_400_000
        let ofDay = ((milliseconds % day) + offset % 86_400 * 1000 + 2 * day) % day
        return (ofDay / 3_600_000, ofDay / 60_000 % 60, ofDay / 1000 % 60, ofDay % 1000)
    }

    private static func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
}
