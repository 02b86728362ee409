// SPDX-License-Identifier: Apache-2.0

/// A sum over everything that happened, in order: equal runs have equal sums, in every build and on every machine.
package struct TraceHash: Hashable, Sendable, CustomStringConvertible {
    /// The sum.
    package private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    @inline(__always) mutating func mix(_ word: UInt64) {
        value = (value ^ word) &* 0x9e37_79b9_7f4a_7c15
        value ^= value >> 29
    }

    /// What happened, to whom, and two numbers that tell it from others of its kind.
    @inline(__always) mutating func mix(
        _ kind: UInt8,
        _ host: Int,
        _ first: UInt64,
        _ second: Int
    ) {
        mix(UInt64(kind) << 56 ^ UInt64(truncatingIfNeeded: host) << 32 ^ first)
        mix(UInt64(truncatingIfNeeded: second))
    }

    package var description: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
