// SPDX-License-Identifier: Apache-2.0

/// A seeded source of pseudo-random numbers whose output never changes between toolchains.
///
/// The standard library's `shuffled(using:)` and `random(in:using:)` may change their use of a generator from one release
/// to the next, which would change every recorded trace; so this type derives each choice itself, from integers only.
/// - Source: SplitMix64, Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
package struct Generator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// A generator that yields the same sequence for the same `seed`.
    package init(seed: UInt64) { state = seed }

    /// The next 64 uniformly distributed bits.
    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// A uniform integer in `0 ..< bound`. The bias is below 2⁻³² for bounds below 2³².
    /// - Precondition: `bound` is positive.
    package mutating func below(_ bound: Int) -> Int {
        precondition(bound > 0, "a choice among nothing")
        return Int(next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// True with probability `ratio`.
    package mutating func chance(_ ratio: Ratio) -> Bool {
        below(ratio.denominator) < ratio.numerator
    }

    /// Puts `elements` into a uniformly random order (Fisher–Yates).
    package mutating func shuffle<Element>(_ elements: inout [Element]) {
        guard elements.count > 1 else { return }
        for last in stride(from: elements.count - 1, to: 0, by: -1) {
            elements.swapAt(last, below(last + 1))
        }
    }

    /// A generator of its own for one part of a simulation, so that parts do not disturb each other's sequences.
    package mutating func fork() -> Generator { Generator(seed: next()) }
}

/// An exact probability or share: `numerator` out of `denominator`.
package struct Ratio: Hashable, Sendable {
    /// How many of ``denominator`` cases.
    package let numerator: Int
    /// The number of cases; positive.
    package let denominator: Int

    /// `numerator` in `denominator` cases.
    /// - Precondition: `denominator` is positive.
    package init(_ numerator: Int, in denominator: Int) {
        precondition(denominator > 0, "a share of nothing")
        (self.numerator, self.denominator) = (numerator, denominator)
    }
}
