// SPDX-License-Identifier: Apache-2.0

import Placement
import Primitives
import Testing

@Suite("Active health filter") struct ActiveHealthFilterTests {
    private func filter() -> ActiveHealthFilter {
        var filter = ActiveHealthFilter(failsMax: 3, passesMin: 2)
        filter.replaceMembers(["a:1", "b:1"])
        return filter
    }

    @Test("drops a member after three failures in a row and takes it back after two successes")
    func thresholds() {
        var filter = filter()
        #expect(filter.healthyMembers == ["a:1", "b:1"])
        let outcomes = [false, false, true, false, false, false, true, false, true, true]
        let changes = outcomes.map { filter.record("a:1", passed: $0) }
        #expect(changes == [false, false, false, false, false, true, false, false, false, true])
        #expect(filter.healthyMembers == ["a:1", "b:1"])
    }

    @Test("may find nobody healthy")
    func allDown() {
        var filter = filter()
        for member in ["a:1", "b:1"] {
            for _ in 0..<4 { filter.record(member, passed: false) }
        }
        #expect(filter.healthyMembers.isEmpty)
    }

    @Test("always trusts the only member")
    func single() {
        var filter = ActiveHealthFilter()
        filter.replaceMembers(["a:1"])
        for _ in 0..<5 { filter.record("a:1", passed: false) }
        #expect(filter.healthyMembers == ["a:1"])
    }

    @Test("forgets a member that leaves")
    func leaving() {
        var filter = filter()
        for _ in 0..<3 { filter.record("a:1", passed: false) }
        filter.replaceMembers(["b:1", "c:1"])
        let isNews = filter.record("a:1", passed: true)
        #expect(!isNews)
        filter.replaceMembers(["a:1", "b:1", "c:1"])
        #expect(filter.healthyMembers == ["a:1", "b:1", "c:1"])
    }
}

@Suite("Passive health filter") struct PassiveHealthFilterTests {
    private let start = Instant.origin
    private func at(_ seconds: Int64) -> Instant { start.advanced(by: .seconds(seconds)) }

    @Test("excludes a member that failed three times within the time, for as long")
    func exclusion() {
        var filter = PassiveHealthFilter(failsMax: 3, failTimeout: .seconds(300))
        let first = filter.recordFailure(of: "a:1", at: at(0))
        let second = filter.recordFailure(of: "a:1", at: at(100))
        #expect(filter.isHealthy("a:1", at: at(100)))
        let third = filter.recordFailure(of: "a:1", at: at(200))
        #expect([first, second, third] == [false, false, true])
        #expect(!filter.isHealthy("a:1", at: at(499)))
        #expect(filter.isHealthy("a:1", at: at(500)))
        #expect(filter.isHealthy("b:1", at: at(200)))
    }

    @Test("does not count failures that lie too far apart")
    func window() {
        var filter = PassiveHealthFilter(failsMax: 3, failTimeout: .seconds(300))
        for second in stride(from: 0, through: 3000, by: 150) as StrideThrough<Int64> {
            let isExcluded = filter.recordFailure(of: "a:1", at: at(second))
            #expect(!isExcluded)
        }
        #expect(filter.isHealthy("a:1", at: at(3000)))
    }

    @Test("forgets failures when the member answers")
    func success() {
        var filter = PassiveHealthFilter(failsMax: 2, failTimeout: .seconds(300))
        filter.recordFailure(of: "a:1", at: at(0))
        filter.recordSuccess(of: "a:1")
        let second = filter.recordFailure(of: "a:1", at: at(1))
        let third = filter.recordFailure(of: "a:1", at: at(2))
        #expect([second, third] == [false, true])
    }

    @Test("lets all members be used when all are excluded")
    func allExcluded() {
        var filter = PassiveHealthFilter(failsMax: 1, failTimeout: .seconds(300))
        filter.recordFailure(of: "a:1", at: at(0))
        #expect(filter.usable(["a:1", "b:1"], at: at(1)) == ["b:1"])
        filter.recordFailure(of: "b:1", at: at(1))
        #expect(filter.usable(["a:1", "b:1"], at: at(2)) == ["a:1", "b:1"])
        filter.retainMembers(["b:1"])
        #expect(filter.isHealthy("a:1", at: at(2)))
    }
}
