// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Primitives
import Telemetry

/// What a server's `Date` tells of the clock of this host. Signatures bear the time, so a clock that is wrong looks like wrong keys.
enum ServerClock {
    /// Minutes within which servers believe a signature, at least.
    private static let toleranceMin = Duration.minutes(4)

    /// How far the clock that says `now` is ahead of the one that answered with `headers`; nil when that is little, or not told.
    static func skew(_ headers: HTTPFields, now: Timestamp) -> Duration? {
        guard let text = headers[.date], let date = parse(text) else { return nil }
        let skew = Duration.nanoseconds(now.unixNanoseconds - date.unixNanoseconds)
        return abs(skew.seconds) > toleranceMin.seconds ? skew : nil
    }

    /// What to do where `headers` say that the clock is at fault; nil where they don't.
    static func remedy(_ headers: HTTPFields, now: Timestamp) -> String? {
        skew(headers, now: now).map { skew in
            let seconds = Int(skew.seconds)
            let way = seconds > 0 ? "ahead of" : "behind"
            return "set the clock of this host, which is \(abs(seconds)) s \(way) the server's"
        }
    }

    /// The time in `text`, such as `Sun, 06 Nov 1994 08:49:37 GMT`; nil when it is written otherwise.
    /// - Source: RFC 9110 §5.6.7, `IMF-fixdate`.
    static func parse(_ text: String) -> Timestamp? {
        let parts = text.split(separator: " ")
        guard parts.count == 6, parts[5] == "GMT", parts[1].count == 2, parts[3].count == 4,
            let month = months.firstIndex(of: String(parts[2]))
        else { return nil }
        let number = month < 9 ? "0\(month + 1)" : "\(month + 1)"
        return Timestamp(parsing: "\(parts[3])-\(number)-\(parts[1])T\(parts[4])Z")
    }

    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
}
