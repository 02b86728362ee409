// SPDX-License-Identifier: Apache-2.0

/// MurmurHash3's 128-bit variant for 64-bit machines, of which placement uses the first half.
/// - Source: Austin Appleby, smhasher `MurmurHash3_x64_128`; github.com/spaolacci/murmur3 `Sum64`.
package enum MurmurHash3 {
    private static let c1: UInt64 = 0x87c3_7b91_1142_53d5
    private static let c2: UInt64 = 0x4cf5_ad43_2745_937f

    /// The first 64 bits of the hash of `bytes` under `seed`.
    package static func firstHalf(of bytes: [UInt8], seed: UInt32 = 0) -> UInt64 {
        var (h1, h2) = (UInt64(seed), UInt64(seed))
        let blockCount = bytes.count / 16
        for block in 0..<blockCount {
            h1 ^= mixed1(word(bytes, from: block * 16, count: 8))
            h1 = (rotated(h1, 27) &+ h2) &* 5 &+ 0x52dc_e729
            h2 ^= mixed2(word(bytes, from: block * 16 + 8, count: 8))
            h2 = (rotated(h2, 31) &+ h1) &* 5 &+ 0x3849_5ab5
        }
        let tail = blockCount * 16
        let tailBytes = bytes.count - tail
        if tailBytes > 8 { h2 ^= mixed2(word(bytes, from: tail + 8, count: tailBytes - 8)) }
        if tailBytes > 0 { h1 ^= mixed1(word(bytes, from: tail, count: min(tailBytes, 8))) }
        h1 ^= UInt64(bytes.count)
        h2 ^= UInt64(bytes.count)
        h1 &+= h2
        h2 &+= h1
        return finalized(h1) &+ finalized(h2)
    }

    /// `count` bytes as a little-endian number.
    private static func word(_ bytes: [UInt8], from start: Int, count: Int) -> UInt64 {
        var result: UInt64 = 0
        for index in 0..<count { result |= UInt64(bytes[start + index]) << UInt64(index * 8) }
        return result
    }

    private static func mixed1(_ block: UInt64) -> UInt64 { rotated(block &* c1, 31) &* c2 }
    private static func mixed2(_ block: UInt64) -> UInt64 { rotated(block &* c2, 33) &* c1 }
    private static func rotated(_ value: UInt64, _ count: UInt64) -> UInt64 {
        value << count | value >> (64 - count)
    }

    private static func finalized(_ value: UInt64) -> UInt64 {
        var mixed = value
        mixed = (mixed ^ mixed >> 33) &* 0xff51_afd7_ed55_8ccd
        mixed = (mixed ^ mixed >> 33) &* 0xc4ce_b9fe_1a85_ec53
        return mixed ^ mixed >> 33
    }
}
