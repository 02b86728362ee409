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
        bounds: [Double],
        registry: PrometheusRegistry?
    ) {
        histogram = registry?.series(
            name,
            [(PrometheusRegistry.componentLabel, component)]
        ) {
            PrometheusHistogram(name: $0, labels: $1, bounds: bounds)
        }
    }

    /// The distribution `name` of `component` in seconds.
    package init(secondsOf name: String, component: String, registry: PrometheusRegistry?) {
        self.init(
            name + "_seconds",
            component: component,
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
