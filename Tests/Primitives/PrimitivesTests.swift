// SPDX-License-Identifier: Apache-2.0

import Primitives
import TestSupport
import Testing

@Suite("Instant") struct InstantTests {
    @Test("moves by durations and measures them")
    func arithmetic() {
        let later = Instant.origin.advanced(by: .milliseconds(1500))
        #expect(later.nanoseconds == 1_500_000_000)
        #expect(Instant.origin.duration(to: later) == .milliseconds(1500))
        #expect(later.duration(to: .origin) == .milliseconds(-1500))
        #expect(Instant.origin < later)
        #expect(later.description == "1.5 s")
    }

    @Test("saturates instead of trapping")
    func saturation() {
        #expect(Instant.distantFuture.advanced(by: .seconds(1)) == .distantFuture)
        #expect(Instant.origin.advanced(by: .seconds(Int64.max)) == .distantFuture)
        let past = Instant.origin.advanced(by: .seconds(Int64.min + 1))
        #expect(past < .origin)
        #expect(past.advanced(by: .seconds(-1)) < .origin)
        #expect(past.duration(to: .distantFuture) > .zero)
        #expect(Instant.distantFuture.duration(to: past) < .zero)
    }

    @Test("knows durations in minutes, hours, seconds and nanoseconds")
    func durations() {
        #expect(Duration.minutes(2) == .seconds(120))
        #expect(Duration.hours(1) == .seconds(3600))
        #expect(Duration.milliseconds(-1500).nanoseconds == -1_500_000_000)
        #expect(Duration.milliseconds(250).seconds == 0.25)
        #expect(Duration.seconds(Int64.max).nanoseconds == .max)
        #expect(Duration.seconds(Int64.min).nanoseconds == .min)
    }
}

@Suite("Generator") struct GeneratorTests {
    @Test("yields the published SplitMix64 sequence")
    func vectors() {
        var generator = Generator(seed: 1_234_567)
        let values = (0..<5).map { _ in generator.next() }
        #expect(
            values == [
                6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
                4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
            ]
        )
    }

    @Test("draws below a bound, uniformly", arguments: Seeds.fresh(4))
    func below(seed: UInt64) {
        var generator = Generator(seed: seed)
        var counts = Array(repeating: 0, count: 7)
        for _ in 0..<14_000 { counts[generator.below(7)] += 1 }
        for count in counts { #expect((1800...2200).contains(count)) }
        let zeros = (0..<100).map { _ in generator.below(1) }
        #expect(zeros == Array(repeating: 0, count: 100))
    }

    @Test("takes a chance as often as it says", arguments: Seeds.fresh(4))
    func chance(seed: UInt64) {
        var generator = Generator(seed: seed)
        let hits = (0..<10_000).count { _ in generator.chance(Ratio(1, in: 4)) }
        #expect((2300...2700).contains(hits))
        let (never, always) = (generator.chance(Ratio(0, in: 1)), generator.chance(Ratio(1, in: 1)))
        #expect(!never && always)
    }

    @Test("shuffles into every order equally often", arguments: Seeds.fresh(2))
    func shuffle(seed: UInt64) {
        var generator = Generator(seed: seed)
        var counts: [[Int]: Int] = [:]
        for _ in 0..<6000 {
            var elements = [1, 2, 3]
            generator.shuffle(&elements)
            counts[elements, default: 0] += 1
        }
        #expect(counts.count == 6)
        for count in counts.values { #expect((850...1150).contains(count)) }
        var empty: [Int] = []
        generator.shuffle(&empty)
        #expect(empty.isEmpty)
    }

    @Test("forks into a sequence of its own")
    func fork() {
        var parent = Generator(seed: 1)
        var child = parent.fork()
        let (ofChild, ofParent) = (child.next(), parent.next())
        #expect(ofChild != ofParent)
    }
}

@Suite("Limits") struct LimitsTests {
    @Test("agree with one another by default")
    func defaults() throws { _ = try Limits().validated() }

    @Test("say which of them contradict each other")
    func contradictions() {
        var limits = Limits()
        limits.piecesPerBlobMax = 1_000_000
        let error = #expect(throws: LimitsError.self) { try limits.validated() }
        #expect(error?.description.contains("piecesPerBlobMax") == true)
        limits = Limits()
        limits.peerConnectionsMax = 1
        #expect(throws: LimitsError.self) { try limits.validated() }
    }
}
