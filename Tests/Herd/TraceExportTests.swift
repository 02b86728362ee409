// SPDX-License-Identifier: Apache-2.0

import Content
import Telemetry
import Testing

@testable import Herd

@Suite("Where spans go") struct TraceExportTests {
    private func settings(_ variables: [String: String]) throws -> TraceSettings? {
        try TraceSettings(variables)
    }

    @Test("nowhere unless a collector is named")
    func nowhere() throws {
        #expect(try settings([:]) == nil)
        #expect(try settings(["OTEL_EXPORTER_OTLP_ENDPOINT": ""]) == nil)
        let endpoint = ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"]
        for (key, value) in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")] {
            #expect(try settings(endpoint.merging([key: value]) { $1 }) == nil)
        }
    }

    @Test("to the collector that the variables name, with what they add")
    func collector() throws {
        let found = try #require(
            try settings([
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/",
                "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20x, tenant=7",
                "OTEL_SERVICE_NAME": "registry", "OTEL_RESOURCE_ATTRIBUTES": "zone=a",
                "OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.5",
            ])
        )
        #expect(found.collector.url == "http://c:4318/v1/traces")
        #expect(found.collector.headers == ["authorization": "Bearer x", "tenant": "7"])
        #expect(
            found.collector.serviceName == "registry" && found.collector.attributes == ["zone": "a"]
        )
        #expect(found.sampler == .parentBased(0.5))
        let exact = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://c/x"]
        #expect(try settings(exact)?.collector.url == "https://c/x")
    }

    @Test(
        "not where the variables can't be meant",
        arguments: [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "c:4317"), ("OTEL_TRACES_SAMPLER", "sometimes"),
            ("OTEL_TRACES_SAMPLER_ARG", "2"), ("OTEL_TRACES_SAMPLER_ARG", "half"),
        ]
    )
    func refused(key: String, value: String) {
        let variables = ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"].merging([key: value]) {
            $1
        }
        #expect(throws: Failure.self) { try settings(variables) }
    }

    @Test("metrics go to the same collector, at their own interval, or not")
    func metrics() throws {
        let endpoint = ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"]
        let usual = try #require(try MetricSettings(endpoint))
        #expect(usual.collector.url == "http://c:4318/v1/metrics" && usual.interval == .seconds(60))
        let often = endpoint.merging(["OTEL_METRIC_EXPORT_INTERVAL": "250"]) { $1 }
        #expect(try MetricSettings(often)?.interval == .milliseconds(250))
        let none = endpoint.merging(["OTEL_METRICS_EXPORTER": "none"]) { $1 }
        #expect(try MetricSettings(none) == nil)
        #expect(throws: Failure.self) {
            try MetricSettings(endpoint.merging(["OTEL_METRIC_EXPORT_INTERVAL": "soon"]) { $1 })
        }
    }
}
