// SPDX-License-Identifier: Apache-2.0

package import CoreMetrics
import Synchronization

/// The process's metrics: a swift-metrics back end that writes Prometheus's text format.
///
/// Components in one process tell their series apart by the dimension `component`. The number of series is bounded: past
/// `seriesMax`, new ones share one overflow handler that is not shown, and ``refusedSeriesCount`` says how many were refused.
package final class PrometheusRegistry: Sendable {
    /// The dimension that names the component a series belongs to.
    package static let componentLabel = "component"

    struct SeriesKey: Hashable {
        let name: String
        let labels: [MetricLabel]
    }
    struct State {
        var series: [SeriesKey: any PrometheusSeries] = [:]
        var refused = 0
    }
    private let seriesMax: Int
    private let state = Mutex(State())

    /// An empty registry for at most `seriesMax` series.
    package init(seriesMax: Int = 20_000) { self.seriesMax = seriesMax }

    /// Series that were not kept because there were too many.
    package var refusedSeriesCount: Int { state.withLock { $0.refused } }

    /// The series `name` with `dimensions`, made by `make` when there is none of its type yet.
    func series<Series: PrometheusSeries>(
        _ name: String,
        _ dimensions: [(String, String)],
        make: (String, [MetricLabel]) -> Series
    ) -> Series {
        let name = PrometheusText.metricName(name)
        let labels = PrometheusText.labels(dimensions)
        let key = SeriesKey(name: name, labels: labels)
        return state.withLock { state in
            if let existing = state.series[key] as? Series { return existing }
            let fresh = make(name, labels)
            // One name is of one type in the text format: a second type under the key stays out of it.
            if state.series[key] != nil || state.series.count >= seriesMax {
                state.refused += 1
            } else {
                state.series[key] = fresh
            }
            return fresh
        }
    }

    /// Forgets `series`, if it is the one kept under its name and labels.
    func forget(_ series: any PrometheusSeries) {
        let key = SeriesKey(name: series.name, labels: series.labels)
        state.withLock { state in
            if state.series[key] === series { state.series[key] = nil }
        }
    }

    /// What every series says now, in order of names and labels.
    package func points() -> [MetricPoint] {
        state.withLock { Array($0.series.values) }
            .sorted {
                $0.name != $1.name
                    ? $0.name < $1.name : $0.labels.lexicographicallyPrecedes($1.labels)
            }
            .map { MetricPoint($0.name, $0.labels, $0.point) }
    }

    /// The text, version 0.0.4, of every series; of one component's and of those that name no component when it is given.
    package func exposition(component: String? = nil) -> String {
        let all = state.withLock { Array($0.series.values) }
        let shown = all.filter { series in
            guard let component else { return true }
            let owner = series.labels.first { $0.name == Self.componentLabel }
            return owner == nil || owner?.value == component
        }
        return PrometheusText.exposition(of: shown)
    }
}

extension PrometheusRegistry: MetricsFactory {
    package func makeCounter(
        label: String,
        dimensions: [(String, String)]
    ) -> any CounterHandler {
        series(label, dimensions, make: PrometheusCounter.init)
    }

    package func makeFloatingPointCounter(
        label: String,
        dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        series(label, dimensions, make: PrometheusFloatingPointCounter.init)
    }

    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        series(label, dimensions, make: PrometheusGauge.init)
    }

    package func makeRecorder(
        label: String,
        dimensions: [(String, String)],
        aggregate: Bool
    ) -> any RecorderHandler {
        if aggregate {
            series(label, dimensions) {
                PrometheusHistogram(name: $0, labels: $1, bounds: PrometheusHistogram.sizeBounds)
            }
        } else {
            series(label, dimensions, make: PrometheusGauge.init)
        }
    }

    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        series(label, dimensions) {
            PrometheusHistogram(name: $0, labels: $1, bounds: PrometheusHistogram.secondBounds)
        }
    }

    package func destroyCounter(_ handler: any CounterHandler) { destroy(handler) }
    package func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {
        destroy(handler)
    }
    package func destroyMeter(_ handler: any MeterHandler) { destroy(handler) }
    package func destroyRecorder(_ handler: any RecorderHandler) { destroy(handler) }
    package func destroyTimer(_ handler: any TimerHandler) { destroy(handler) }

    private func destroy(_ handler: AnyObject) {
        if let series = handler as? any PrometheusSeries { forget(series) }
    }
}
