// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// What happened second by second in the last minute, and how long the latest pulls took.
struct MinuteLog: Sendable {
    private struct Second: Sendable {
        var at: Int64
        var fromAgents: Int
        var fromOrigins: Int
        var events: Int
    }

    /// The last sample of each second; before them the very first sample, from which their bytes are counted.
    private var seconds: [Second] = []
    private var start: Second?
    private var pulls: [Double] = []
    private var doneCounts: [String: [Int]] = [:]
    private var lastSecond: Int64 = 0

    private static let span: Int64 = 60
    /// How many pulls percentiles are taken over.
    private static let pullsMax = 256

    /// Whether `now` is in another second than the last time; ask once a sample, before ``took(_:_:_:_:)``.
    func isNewSecond(_ now: Timestamp) -> Bool { now.unixNanoseconds / 1_000_000_000 != lastSecond }

    /// Notes the counts of a sample: bytes that agents received from agents and origins, and events, in all.
    mutating func took(_ now: Timestamp, _ fromAgents: Int, _ fromOrigins: Int, _ events: Int) {
        let second = now.unixNanoseconds / 1_000_000_000
        let entry = Second(
            at: second,
            fromAgents: fromAgents,
            fromOrigins: fromOrigins,
            events: events
        )
        // The clock may have been set back.
        if start.map({ $0.at > second }) ?? true { start = entry }
        if second == lastSecond, !seconds.isEmpty {
            seconds[seconds.count - 1] = entry
        } else {
            seconds.append(entry)
        }
        lastSecond = second
        while let first = seconds.first, second - first.at > Self.span || first.at > second {
            seconds.removeFirst()
        }
    }

    mutating func pulled(seconds: Double) {
        pulls.append(seconds)
        if pulls.count > Self.pullsMax { pulls.removeFirst() }
    }

    /// How many of a queue's tasks were finished in the last minute.
    mutating func done(_ queue: String, _ count: Int, isNewSecond: Bool) -> Int {
        var counts = doneCounts[queue] ?? [count]
        if isNewSecond { counts.append(count) }
        if counts.count > Int(Self.span) { counts.removeFirst() }
        doneCounts[queue] = counts
        return max(0, count - (counts.first ?? count))
    }

    /// The share of the last minute's bytes that came from agents; nil without any.
    var agentShare: Double? {
        guard let start, let first = seconds.first, let last = seconds.last else { return nil }
        // In the first minute everything counts that came since the beginning.
        let base = last.at - start.at <= Self.span ? start : first
        let agents = last.fromAgents - base.fromAgents
        let all = agents + last.fromOrigins - base.fromOrigins
        return all > 0 ? min(1, max(0, Double(agents) / Double(all))) : nil
    }

    /// Events of the last whole second.
    var eventRate: Double { eventRates.last ?? 0 }

    /// Events in each second, the latest last.
    var eventRates: [Double] {
        zip(seconds, seconds.dropFirst()).map {
            Double(max(0, $1.events - $0.events)) / Double(max(1, $1.at - $0.at))
        }
    }

    /// The median, 95th and 99th percentile of the latest pulls in seconds; empty without any.
    var percentiles: [Double] {
        guard !pulls.isEmpty else { return [] }
        let sorted = pulls.sorted()
        return [0.5, 0.95, 0.99].map {
            sorted[min(sorted.count - 1, Int(Double(sorted.count) * $0))]
        }
    }
}
