// SPDX-License-Identifier: Apache-2.0

import TUI
import Testing

@Suite("Units")
struct UnitsTests {
    @Test(
        "sizes have three significant digits",
        arguments: [
            (0, "0 B"), (417, "417 B"), (1023, "1.00 KiB"), (1536, "1.50 KiB"),
            (12.8 * 1_048_576, "12.8 MiB"), (612 * 1_048_576.0, "612 MiB"),
            (1_100_000_000, "1.02 GiB"), (Double.nan, "—"), (-5, "0 B"), (.infinity, "—"),
        ] as [(Double, String)]
    )
    func bytes(_ value: Double, _ text: String) { #expect(Units.bytes(value) == text) }

    @Test(
        "short sizes fit four columns",
        arguments: [
            0, 0.4, 1, 417, 999, 1000, 1023, 1024, 10_440_000, 3_500_000, 421_000_000, 9.99e12,
            1e30,
        ]
    )
    func short(_ value: Double) {
        let text = Units.short(value)
        #expect(text.unicodeScalars.count <= 4, "\(value) is \(text)")
    }

    @Test(
        "durations read as people say them",
        arguments: [
            (0.038, "38 ms"), (1.84, "1.8 s"), (41.2, "41s"), (252, "4m12s"), (11_100, "3h05m"),
            (187_200, "2d04h"), (-1, "0 ms"), (Double.nan, "—"), (59.6, "1m00s"),
        ]
    )
    func durations(_ seconds: Double, _ text: String) { #expect(Units.duration(seconds) == text) }

    @Test("only what is whole is 100 %")
    func percents() {
        #expect(Units.percent(1) == "100%")
        #expect(Units.percent(0.999) == "99%")
        #expect(Units.percent(0.544) == "54%")
        #expect(Units.percent(.nan) == "—")
        #expect(Units.percent(7) == "100%")
    }

    @Test("counts are grouped, decimals rounded")
    func counts() {
        #expect(Units.count(8412) == "8 412")
        #expect(Units.count(-1_000_000) == "-1 000 000")
        #expect(Units.decimal(10.975, 2) == "10.98")
        #expect(Units.decimal(-0.5, 1) == "-0.5")
        #expect(Units.decimal(.infinity, 1) == "—")
    }

    @Test("times of day heed the zone and any instant")
    func clock() {
        #expect(Clock.time(0) == "00:00:00")
        #expect(Clock.timeWithMilliseconds(50_607_412_000_000) == "14:03:27.412")
        #expect(Clock.time(0, offsetSeconds: -3600) == "23:00:00")
        #expect(Clock.time(.min).count == 8)
        #expect(Clock.time(.max, offsetSeconds: 86_399).count == 8)
    }

    @Test("scales step by 1, 2 and 5 and do not jump about")
    func scales() {
        #expect(Graph.scale(for: 700) == 1000)
        #expect(Graph.scale(for: 1.5) == 2)
        #expect(Graph.scale(for: 450, current: 1000) == 1000)
        #expect(Graph.scale(for: 100, current: 1000) == 100)
        #expect(Graph.scale(for: .nan) == 1)
    }

    @Test("text is cut with an ellipsis, names in their middle")
    func cutting() {
        #expect("abcdef".fitted(to: 4) == "abc…")
        #expect("abcdef".fitted(to: 0).isEmpty)
        #expect("library/alpine:3.20".fittedInMiddle(to: 13) == "librar…e:3.20")
        #expect("short".fittedInMiddle(to: 5) == "short")
    }
}
