// SPDX-License-Identifier: Apache-2.0

import Content

/// Percent-encoding of one segment of a URL's path or one value of its query.
package enum URLEncoding {
    /// `text` as one path segment: `/` becomes `%2F`, `:` stays.
    /// - Source: Go's net/url `PathEscape`, on which Kraken's servers rely.
    package static func pathSegment(_ text: String) -> String {
        escape(text, keeping: "-_.~$&+=:@")
    }

    /// `text` as a value in a query; only unreserved characters stay.
    package static func queryValue(_ text: String) -> String {
        escape(text, keeping: "-_.~")
    }

    private static func escape(_ text: String, keeping kept: StaticString) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count + 16)
        for byte in text.utf8 {
            let isKept = kept.withUTF8Buffer { $0.contains(byte) }
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                bytes.append(byte)
            case _ where isKept: bytes.append(byte)
            default:
                bytes.append(UInt8(ascii: "%"))
                bytes += Hex.encode([byte]).uppercased().utf8
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
