// SPDX-License-Identifier: Apache-2.0

import Primitives
import TestSupport
import Testing

@Suite("Byte count") struct ByteCountTests {
    private static let sizes: [(String, Int)] = [
        ("0", 0), ("100", 100), ("100B", 100), ("512K", 524_288), ("4MB", 4_194_304),
        ("4 MiB", 4_194_304), ("4mib", 4_194_304), ("1.5 GiB", 1_610_612_736),
        ("2G", 2_147_483_648), ("1TB", 1_099_511_627_776), ("0.5KB", 512), (" 8 MB ", 8_388_608),
    ]

    @Test("reads sizes in powers of 1024", arguments: sizes)
    func reads(text: String, bytes: Int) {
        #expect(ByteCount(parsing: text) == ByteCount(bytes))
    }

    @Test(
        "refuses what is no size",
        arguments: [
            "", "B", "MB", "-1", "-4MB", "4XB", "4 M M", "1e400", "nan", "inf", "0x10", "4iB",
            "4BB", "99999999TB", "1,5MB", "4MB5", "+4MB", "1e3", "1_000",
        ]
    )
    func refuses(text: String) {
        #expect(ByteCount(parsing: text) == nil)
    }

    private static let texts: [(Int, String)] = [
        (0, "0 B"), (17, "17 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"),
        (4_194_304, "4 MiB"), (1_048_575, "1 MiB"), (1_610_612_736, "1.5 GiB"),
        (1_125_899_906_842_624, "1 PiB"),
    ]

    @Test("writes sizes with one decimal at most", arguments: texts)
    func writes(bytes: Int, text: String) {
        #expect(ByteCount(bytes).description == text)
    }

    @Test("reads back what it writes, to the decimal", arguments: Seeds.fresh(4))
    func roundTrip(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        for _ in 0..<500 {
            let bytes = Int(generator.next() >> UInt64(14 + generator.below(50)))
            let parsed = try #require(ByteCount(parsing: ByteCount(bytes).description))
            #expect(abs(Double(parsed.bytes - bytes)) <= 0.05 * Double(bytes) + 0.5)
        }
    }

    @Test("never traps on any text", arguments: Seeds.fresh(4))
    func fuzz(seed: UInt64) {
        var generator = Generator(seed: seed)
        let alphabet = Array("0123456789.eE+-xKMGTPBib /s_é∞ \u{301}")
        for _ in 0..<2000 {
            let text = String((0..<generator.below(9)).map { _ in generator.pick(alphabet) })
            if let count = ByteCount(parsing: text) { #expect(count.bytes >= 0) }
            if let rate = ByteRate(parsing: text) { #expect(rate.bytesPerSecond > 0) }
        }
    }

    @Test("adds, subtracts and compares")
    func arithmetic() {
        var total = ByteCount.kibibytes(1) + .mebibytes(1) - ByteCount(1)
        total += .gibibytes(1)
        #expect(total.bytes == (1 << 10) + (1 << 20) + (1 << 30) - 1)
        #expect(ByteCount(1) < ByteCount(2))
        #expect(ByteCount.zero.bytes == 0)
    }
}

@Suite("Byte rate") struct ByteRateTests {
    private static let rates: [(String, Int)] = [
        ("25MB/s", 26_214_400), ("25MB", 26_214_400), ("200 MiB/s", 209_715_200), ("1", 1),
    ]

    @Test("reads rates with or without the second", arguments: rates)
    func reads(text: String, bytesPerSecond: Int) {
        let rate = ByteRate(parsing: text)
        #expect(rate == ByteRate(bytesPerSecond: bytesPerSecond))
    }

    @Test("refuses rates of nothing", arguments: ["0", "0MB/s", "/s", "", "x/s", "-1/s"])
    func refuses(text: String) { #expect(ByteRate(parsing: text) == nil) }

    @Test("writes rates")
    func writes() {
        #expect(ByteRate(bytesPerSecond: 25 << 20).description == "25 MiB/s")
        #expect(ByteRate(bytesPerSecond: 1) < ByteRate(bytesPerSecond: 2))
    }
}
