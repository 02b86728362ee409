// SPDX-License-Identifier: Apache-2.0

import Primitives
import Telemetry
import TestSupport
import Testing

@Suite("Timestamp") struct TimestampTests {
    private static let vectors: [(Int64, String)] = [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (951_782_400_000_000_000, "2000-02-29T00:00:00.000000000Z"),
        (1_786_716_207_412_000_000, "2026-08-14T14:03:27.412000000Z"),
        (4_107_542_399_999_999_999, "2100-02-28T23:59:59.999999999Z"),
        (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000000Z"),
        (Int64.max, "2262-04-11T23:47:16.854775807Z"),
    ]

    @Test("is written as RFC 3339 in UTC, to the nanosecond, and read back", arguments: vectors)
    func forms(nanoseconds: Int64, text: String) {
        #expect(Timestamp(unixNanoseconds: nanoseconds).description == text)
        #expect(Timestamp(parsing: text)?.unixNanoseconds == nanoseconds)
    }

    private static let others: [(String, Int64)] = [
        ("1970-01-01T00:00:00Z", 0), ("1970-01-01t00:00:00z", 0),
        ("1970-01-01T01:00:00+01:00", 0), ("1969-12-31T20:30:00-03:30", 0),
        ("1970-01-01T00:00:00.5Z", 500_000_000), ("1970-01-01T00:00:00.1234567899Z", 123_456_789),
    ]

    @Test("is read with any decimals and any offset", arguments: others)
    func reads(text: String, nanoseconds: Int64) {
        #expect(Timestamp(parsing: text)?.unixNanoseconds == nanoseconds)
    }

    @Test(
        "is not read from other text",
        arguments: [
            "", "1970-01-01", "1970-01-01T00:00:00", "1970-13-01T00:00:00Z", "1970-01-32T00:00:00Z",
            "1970-01-01T24:00:00Z", "1970-01-01T00:60:00Z", "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00Zx", "1970-01-01 00:00:00Z", "1970-01-01T00:00:00+0100",
            "9999-01-01T00:00:00Z",
        ]
    )
    func refuses(text: String) { #expect(Timestamp(parsing: text) == nil) }

    @Test("survives its text", arguments: Seeds.fresh(4))
    func roundTrip(seed: UInt64) {
        var generator = Generator(seed: seed)
        for _ in 0..<500 {
            let stamp = Timestamp(unixNanoseconds: Int64(bitPattern: generator.next()) / 2)
            #expect(Timestamp(parsing: stamp.description) == stamp)
        }
    }

    @Test("knows now") func now() {
        let first = Timestamp.now
        #expect(first > Timestamp(unixNanoseconds: 1_700_000_000_000_000_000))
    }
}
