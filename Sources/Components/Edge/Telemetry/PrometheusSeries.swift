// SPDX-License-Identifier: Apache-2.0

import CoreMetrics
import Synchronization

/// One label of a series.
struct MetricLabel: Hashable, Comparable, Sendable {
    let name: String
    let value: String

    static func < (left: MetricLabel, right: MetricLabel) -> Bool {
        (left.name, left.value) < (right.name, right.value)
    }
}

/// One time series: a name, its labels, and the lines it writes.
protocol PrometheusSeries: AnyObject, Sendable {
    /// The metric's name, valid in the text format.
    var name: String { get }
    /// Its labels in order of their names.
    var labels: [MetricLabel] { get }
    /// What the metric is called in the text format, with the suffix its type demands.
    var exposedName: String { get }
    /// `counter`, `gauge` or `histogram`.
    static var type: String { get }
    /// Appends its sample lines to `text`.
    func write(to text: inout String)
    /// What it says now.
    var point: MetricPoint.Value { get }
}

/// A count that only grows.
final class PrometheusCounter: PrometheusSeries, CounterHandler {
    static let type = "counter"
    let name: String
    let labels: [MetricLabel]
    private let value = Atomic<Int64>(0)

    init(name: String, labels: [MetricLabel]) { (self.name, self.labels) = (name, labels) }

    var exposedName: String { PrometheusText.counterName(name) }
    func increment(by amount: Int64) { value.wrappingAdd(amount, ordering: .relaxed) }
    func reset() { value.store(0, ordering: .relaxed) }
    var point: MetricPoint.Value { .count(Double(value.load(ordering: .relaxed))) }

    func write(to text: inout String) {
        PrometheusText.sample(exposedName, labels, "\(value.load(ordering: .relaxed))", to: &text)
    }
}

/// A sum of fractions that only grows.
final class PrometheusFloatingPointCounter: PrometheusSeries, FloatingPointCounterHandler {
    static let type = "counter"
    let name: String
    let labels: [MetricLabel]
    private let value = Mutex<Double>(0)

    init(name: String, labels: [MetricLabel]) { (self.name, self.labels) = (name, labels) }

    var exposedName: String { PrometheusText.counterName(name) }
    func increment(by amount: Double) { value.withLock { $0 += amount } }
    func reset() { value.withLock { $0 = 0 } }
    var point: MetricPoint.Value { .count(value.withLock { $0 }) }

    func write(to text: inout String) {
        let number = PrometheusText.number(value.withLock { $0 })
        PrometheusText.sample(exposedName, labels, number, to: &text)
    }
}

/// A level that goes up and down.
final class PrometheusGauge: PrometheusSeries, MeterHandler, RecorderHandler {
    static let type = "gauge"
    let name: String
    let labels: [MetricLabel]
    private let value = Mutex<Double>(0)

    init(name: String, labels: [MetricLabel]) { (self.name, self.labels) = (name, labels) }

    var exposedName: String { name }
    func set(_ newValue: Int64) { value.withLock { $0 = Double(newValue) } }
    func set(_ newValue: Double) { value.withLock { $0 = newValue } }
    func increment(by amount: Double) { value.withLock { $0 += amount } }
    func decrement(by amount: Double) { value.withLock { $0 -= amount } }
    func record(_ newValue: Int64) { set(newValue) }
    func record(_ newValue: Double) { set(newValue) }
    var point: MetricPoint.Value { .level(value.withLock { $0 }) }

    func write(to text: inout String) {
        let number = PrometheusText.number(value.withLock { $0 })
        PrometheusText.sample(name, labels, number, to: &text)
    }
}

/// A distribution over fixed buckets: memory is constant in the number of values.
final class PrometheusHistogram: PrometheusSeries, TimerHandler, RecorderHandler {
    static let type = "histogram"
    /// Upper bounds for durations, in seconds: 1 ms to 10 minutes.
    static let secondBounds: [Double] = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 150, 600,
    ]
    /// Upper bounds for everything else, mostly bytes: powers of 8.
    static let sizeBounds: [Double] = (0...12).map { Double(1 << ($0 * 3)) }

    let name: String
    let labels: [MetricLabel]
    private let bounds: [Double]
    private let state: Mutex<State>

    private struct State {
        var counts: [UInt64]
        var sum: Double = 0
    }

    init(name: String, labels: [MetricLabel], bounds: [Double]) {
        (self.name, self.labels, self.bounds) = (name, labels, bounds)
        state = Mutex(State(counts: Array(repeating: 0, count: bounds.count + 1)))
    }

    var exposedName: String { name }
    func record(_ value: Int64) { record(Double(value)) }
    var point: MetricPoint.Value {
        let (counts, sum) = state.withLock { ($0.counts, $0.sum) }
        return .distribution(bounds: bounds, counts: counts, sum: sum)
    }
    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }

    func record(_ value: Double) {
        let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
        state.withLock { state in
            state.counts[bucket] += 1
            state.sum += value
        }
    }

    func write(to text: inout String) {
        let (counts, sum) = state.withLock { ($0.counts, $0.sum) }
        var total: UInt64 = 0
        for (index, count) in counts.enumerated() {
            total += count
            let bound = index < bounds.count ? PrometheusText.number(bounds[index]) : "+Inf"
            let bucketLabels = labels + [MetricLabel(name: "le", value: bound)]
            PrometheusText.sample(name + "_bucket", bucketLabels, "\(total)", to: &text)
        }
        PrometheusText.sample(name + "_sum", labels, PrometheusText.number(sum), to: &text)
        PrometheusText.sample(name + "_count", labels, "\(total)", to: &text)
    }
}
