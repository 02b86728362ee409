// SPDX-License-Identifier: Apache-2.0

import CoreMetrics

/// A distribution of one component: handout sizes, waiting times.
package struct MetricRecorder: Sendable {
    private let histogram: PrometheusHistogram?

    /// The distribution `name` of `component` over buckets with the upper bounds `bounds`, in ascending order; records
    /// nothing where `registry` is nil.
    package init(
        _ name: String,
        component: String,
        labels: [(String, String)] = [],
        bounds: [Double],
        registry: PrometheusRegistry?
    ) {
        histogram = registry?.series(
            name,
            [(PrometheusRegistry.componentLabel, component)] + labels
        ) {
            PrometheusHistogram(name: $0, labels: $1, bounds: bounds)
        }
    }

    /// The distribution `name` of `component` in seconds.
    package init(
        secondsOf name: String,
        component: String,
        labels: [(String, String)] = [],
        registry: PrometheusRegistry?
    ) {
        self.init(
            name + "_seconds",
            component: component,
            labels: labels,
            bounds: PrometheusHistogram.secondBounds,
            registry: registry
        )
    }

    /// Notes one value.
    package func record(_ value: Int) { histogram?.record(Double(value)) }

    /// Notes one duration.
    package func record(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        histogram?.record(Double(seconds) + Double(attoseconds) / 1e18)
    }
}

/// A count of one component that has labels of its own.
package struct MetricCounter: Sendable {
    private let counter: PrometheusCounter?

    /// The count `name` of `component`, told apart by `labels`; counts nothing where `registry` is nil.
    package init(
        _ name: String,
        component: String,
        labels: [(String, String)],
        registry: PrometheusRegistry?
    ) {
        counter = registry?.series(
            name,
            [(PrometheusRegistry.componentLabel, component)] + labels,
            make: PrometheusCounter.init
        )
    }

    /// Adds `count`.
    package func add(_ count: Int) { counter?.increment(by: Int64(count)) }
}
