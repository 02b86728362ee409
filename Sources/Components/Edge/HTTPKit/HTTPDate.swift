// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// The `Date` header's value, made once a second at most and only when somebody asks.
package enum HTTPDate {
    private static let cached = Mutex((second: -1, text: ""))

    /// Now, as RFC 9110 §5.6.7 wants it: `Sun, 06 Nov 1994 08:49:37 GMT`.
    static var now: String {
        let second = time(nil)
        return cached.withLock { cached in
            if cached.second != second { cached = (second, text(unixSeconds: second)) }
            return cached.text
        }
    }

    /// The moment `unixSeconds` after 1970.
    package static func text(unixSeconds: Int) -> String {
        var (moment, parts) = (unixSeconds, tm())
        gmtime_r(&moment, &parts)
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ]
        func two(_ value: CInt) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let day = "\(days[Int(parts.tm_wday)]), \(two(parts.tm_mday)) \(months[Int(parts.tm_mon)])"
        let clock = "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
        return "\(day) \(parts.tm_year + 1900) \(clock) GMT"
    }
}
