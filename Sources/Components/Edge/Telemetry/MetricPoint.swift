// SPDX-License-Identifier: Apache-2.0

/// One series of a metric at one moment, for collectors that do not read Prometheus's text.
package struct MetricPoint: Hashable, Sendable {
    /// What is measured.
    package enum Value: Hashable, Sendable {
        /// What only grows.
        case count(Double)
        /// What goes up and down.
        case level(Double)
        /// How many values lie at or below each of `bounds` and above the one before, with one count more for those above all of
        /// them; and the sum of all values.
        case distribution(bounds: [Double], counts: [UInt64], sum: Double)
    }

    /// A label of the series.
    package struct Label: Hashable, Sendable {
        /// Its name.
        package let name: String
        /// Its value.
        package let value: String
    }

    /// What the metric is called, without the suffixes of Prometheus's text.
    package let name: String
    /// The component that it is of; nil: the process.
    package let component: String?
    /// What tells it from others of the same name and component, by name.
    package let labels: [Label]
    /// What is measured.
    package let value: Value

    /// The point of the series `name` with `labels`, of which one may be the component's.
    init(_ name: String, _ labels: [MetricLabel], _ value: Value) {
        (self.name, self.value) = (name, value)
        component = labels.first { $0.name == PrometheusRegistry.componentLabel }?.value
        self.labels = labels.filter { $0.name != PrometheusRegistry.componentLabel }
            .map { Label(name: $0.name, value: $0.value) }
    }
}

extension MetricPoint {
    /// What a component tells in `snapshot`: its counters, of which some are levels, and its levels.
    package static func points(of snapshot: ComponentSnapshot) -> [MetricPoint] {
        let own = MetricLabel(name: PrometheusRegistry.componentLabel, value: snapshot.id)
        let counters = snapshot.counters.sorted { $0.key < $1.key }.map { name, value in
            MetricPoint(PrometheusText.metricName("herd_" + name), [own], .level(Double(value)))
        }
        return counters + SnapshotMetrics.points(of: snapshot)
    }
}
