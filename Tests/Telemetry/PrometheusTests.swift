// SPDX-License-Identifier: Apache-2.0

import CoreMetrics
import Telemetry
import Testing

@Suite("Prometheus registry") struct PrometheusTests {
    @Test("writes counters, gauges and histograms in the text format")
    func text() {
        let registry = PrometheusRegistry()
        let labels = [("component", "agent-0"), ("endpoint", "a.b")]
        let counter = registry.makeCounter(label: "requests", dimensions: labels)
        counter.increment(by: 2)
        registry.makeCounter(label: "requests", dimensions: labels).increment(by: 1)
        registry.makeFloatingPointCounter(label: "seconds_total", dimensions: []).increment(by: 0.5)
        registry.makeMeter(label: "level", dimensions: labels).set(Int64(-3))
        registry.makeRecorder(label: "last", dimensions: [], aggregate: false).record(Int64(8))
        let timer = registry.makeTimer(label: "latency", dimensions: [])
        timer.recordNanoseconds(2_000_000)
        timer.recordNanoseconds(2_000_000_000_000)
        let text = registry.exposition()
        #expect(
            text.hasPrefix(
                """
                # TYPE last gauge
                last 8
                # TYPE latency histogram
                latency_bucket{le="0.001"} 0
                latency_bucket{le="0.0025"} 1

                """
            )
        )
        #expect(
            text.hasSuffix(
                """
                latency_bucket{le="600"} 1
                latency_bucket{le="+Inf"} 2
                latency_sum 2000.002
                latency_count 2
                # TYPE level gauge
                level{component="agent-0",endpoint="a.b"} -3
                # TYPE requests_total counter
                requests_total{component="agent-0",endpoint="a.b"} 3
                # TYPE seconds_total counter
                seconds_total 0.5

                """
            )
        )
    }

    @Test("makes names valid and escapes label values")
    func escaping() {
        let registry = PrometheusRegistry()
        registry.makeMeter(
            label: "9 lives/of.cats",
            dimensions: [("a-b", "back\\slash \"quote\"\nline é")]
        ).set(Int64(9))
        #expect(
            registry.exposition()
                == "# TYPE __lives_of_cats gauge\n"
                + "__lives_of_cats{a_b=\"back\\\\slash \\\"quote\\\"\\nline é\"} 9\n"
        )
    }

    @Test("shows one component its own series and those that belong to none")
    func filter() {
        let registry = PrometheusRegistry()
        for id in ["agent-0", "agent-1"] {
            registry.makeCounter(label: "x", dimensions: [("component", id)]).increment(by: 1)
        }
        registry.makeCounter(label: "y", dimensions: []).increment(by: 1)
        #expect(
            registry.exposition(component: "agent-1")
                == "# TYPE x_total counter\nx_total{component=\"agent-1\"} 1\n"
                + "# TYPE y_total counter\ny_total 1\n"
        )
    }

    @Test("never writes two types under one name")
    func types() {
        let registry = PrometheusRegistry()
        registry.makeMeter(label: "x", dimensions: [("a", "1")]).set(Int64(1))
        registry.makeTimer(label: "x", dimensions: [("a", "2")]).recordNanoseconds(1)
        registry.makeTimer(label: "x", dimensions: [("a", "1")]).recordNanoseconds(1)
        let text = registry.exposition()
        #expect(text == "# TYPE x gauge\nx{a=\"1\"} 1\n")
        #expect(registry.refusedSeriesCount == 1)
    }

    @Test("keeps a bounded number of series")
    func bound() {
        let registry = PrometheusRegistry(seriesMax: 3)
        for number in 0..<10 {
            registry.makeCounter(label: "x", dimensions: [("n", "\(number)")]).increment(by: 1)
        }
        #expect(registry.exposition().split(separator: "\n").count == 4)
        #expect(registry.refusedSeriesCount == 7)
    }

    @Test("forgets a series that is destroyed, and no other")
    func destruction() {
        let registry = PrometheusRegistry()
        let first = registry.makeCounter(label: "x", dimensions: [])
        registry.destroyCounter(first)
        #expect(registry.exposition().isEmpty)
        registry.makeCounter(label: "x", dimensions: []).increment(by: 1)
        registry.destroyCounter(first)
        #expect(registry.exposition() == "# TYPE x_total counter\nx_total 1\n")
    }

    @Test("is a back end of swift-metrics")
    func backend() {
        let registry = PrometheusRegistry()
        let counter = CoreMetrics.Counter(
            label: "pulls",
            dimensions: [("component", "a")],
            factory: registry
        )
        counter.increment()
        let timer = CoreMetrics.Timer(label: "t", dimensions: [], factory: registry)
        timer.recordMilliseconds(3)
        #expect(registry.exposition().contains("pulls_total{component=\"a\"} 1\n"))
        #expect(registry.exposition().contains("t_sum 0.003\n"))
    }

    @Test("shows a component's own counters")
    func counters() {
        #expect(
            PrometheusText.exposition(of: ["b": 2, "a": 1], component: "agent-0")
                == "# TYPE herd_a untyped\nherd_a{component=\"agent-0\"} 1\n"
                + "# TYPE herd_b untyped\nherd_b{component=\"agent-0\"} 2\n"
        )
    }

    @Test("records distributions for one component, or nothing without a registry")
    func recorder() {
        let registry = PrometheusRegistry()
        let recorder = MetricRecorder("n", component: "a", bounds: [1, 2], registry: registry)
        recorder.record(1)
        recorder.record(5)
        #expect(
            registry.exposition()
                == "# TYPE n histogram\nn_bucket{component=\"a\",le=\"1\"} 1\n"
                + "n_bucket{component=\"a\",le=\"2\"} 1\nn_bucket{component=\"a\",le=\"+Inf\"} 2\n"
                + "n_sum{component=\"a\"} 6\nn_count{component=\"a\"} 2\n"
        )
        MetricRecorder("n", component: "a", bounds: [], registry: nil).record(.seconds(1))
    }
}
