// SPDX-License-Identifier: Apache-2.0

import Content
import HTTPKit
import Logging
import NIOCore
import Primitives
import Telemetry

/// Where and how often the process sends its metrics, as OpenTelemetry's variables say.
struct MetricSettings: Hashable, Sendable {
    /// Who takes them.
    let collector: CollectorSettings
    /// The time from one report to the next.
    let interval: Duration
    /// How long a report may take.
    let timeout: Duration

    /// What `environment` says; nil where it names no collector, or switches all off.
    /// - Throws: ``Failure`` for what can't be meant.
    init?(_ environment: [String: String]) throws(Failure) {
        guard let collector = try CollectorSettings(.metrics, environment) else { return nil }
        self.collector = collector
        interval = try Self.duration("OTEL_METRIC_EXPORT_INTERVAL", environment) ?? .seconds(60)
        timeout = try Self.duration("OTEL_METRIC_EXPORT_TIMEOUT", environment) ?? .seconds(30)
    }

    private static func duration(
        _ key: String,
        _ environment: [String: String]
    ) throws(Failure) -> Duration? {
        guard let text = CollectorSettings.value(key, environment) else { return nil }
        guard let count = Int64(text), (1...86_400_000).contains(count) else {
            throw Failure(
                "cannot send metrics",
                why: "\(key) is \(text)",
                remedy: "give milliseconds, up to a day of them"
            )
        }
        return .milliseconds(count)
    }
}

/// Sends metrics to a collector, by OTLP over HTTP in JSON: all that `/metrics` tells, at each interval and once at the end. What
/// the collector does not take is not sent again, since the next report says more.
/// - Source: OpenTelemetry protocol 1.9, "OTLP/HTTP"; opentelemetry-proto's JSON mapping.
struct MetricExporter: Sendable {
    let settings: MetricSettings
    let http: HTTPClient
    let registry: PrometheusRegistry
    /// What the components of the process say of themselves.
    let snapshots: @Sendable () async -> [ComponentSnapshot]
    let eventLoop: any EventLoop
    let log: Logger

    /// How long the end of the process waits for the last report.
    private static let lastTimeout = Duration.seconds(2)

    /// Reports until its task is cancelled, then once more.
    func run() async {
        let start = Timestamp.now
        let (signals, signal) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let interval = TimeAmount.nanoseconds(settings.interval.nanoseconds)
        let timer = eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            signal.yield()
        }
        var isComplaining = false
        for await _ in signals {
            isComplaining = await report(since: start, settings.timeout, isComplaining)
        }
        timer.cancel()
        // Unstructured: the task is cancelled, and this report shall go out all the same.
        await Task { [isComplaining] in
            _ = await report(since: start, Self.lastTimeout, isComplaining)
        }.value
    }

    /// Sends one report; answers whether that has failed, which the log is told once.
    private func report(
        since start: Timestamp,
        _ timeout: Duration,
        _ isComplaining: Bool
    ) async -> Bool {
        let points = registry.points() + (await snapshots()).flatMap(MetricPoint.points)
        guard !points.isEmpty else { return isComplaining }
        let document = MetricDocument(settings.collector, from: start, to: .now).json(points)
        do {
            try await settings.collector.post(document, by: http, within: timeout)
            return false
        } catch {
            if !isComplaining {
                log.warning(
                    "the collector takes no metrics; they are sent anew at each interval",
                    metadata: [
                        LogKey.error: "\(error)", LogKey.address: "\(settings.collector.url)",
                    ]
                )
            }
            return true
        }
    }
}

/// Metrics in the JSON mapping of OTLP's `ExportMetricsServiceRequest`.
struct MetricDocument {
    private let settings: CollectorSettings
    private let times: [JSON.Member]

    /// A document of what has come together from `start` to `end`.
    init(_ settings: CollectorSettings, from start: Timestamp, to end: Timestamp) {
        self.settings = settings
        // 64-bit numbers are strings in this mapping.
        times = [
            .init("startTimeUnixNano", .string("\(start.unixNanoseconds)")),
            .init("timeUnixNano", .string("\(end.unixNanoseconds)")),
        ]
    }

    /// The document of `points`, those of each component under its own resource.
    func json(_ points: [MetricPoint]) -> JSON {
        let groups = Dictionary(grouping: points, by: \.component)
            .sorted { ($0.key ?? "") < ($1.key ?? "") }
        let resources = groups.map { component, points in
            JSON.object([
                .init("resource", settings.resource(component)),
                .init(
                    "scopeMetrics",
                    .array([
                        .object([CollectorSettings.scope, .init("metrics", metrics(points))])
                    ])
                ),
            ])
        }
        return .object([.init("resourceMetrics", .array(resources))])
    }

    private func metrics(_ points: [MetricPoint]) -> JSON {
        let groups = Dictionary(grouping: points, by: \.name).sorted { $0.key < $1.key }
        return .array(
            groups.compactMap { name, points in
                guard let first = points.first else { return nil }
                // A metric is of one type.
                let alike = points.filter { $0.value.typeName == first.value.typeName }
                var data: [JSON.Member] = [.init("dataPoints", .array(alike.map(json)))]
                if first.value.typeName != "gauge" {
                    // Cumulative: since the start of the process.
                    data.append(.init("aggregationTemporality", .integer(2)))
                }
                if first.value.typeName == "sum" { data.append(.init("isMonotonic", .bool(true))) }
                return .object([
                    .init("name", .string(name)), .init(first.value.typeName, .object(data)),
                ])
            }
        )
    }

    private func json(_ point: MetricPoint) -> JSON {
        let attributes = point.labels.map { CollectorSettings.attribute($0.name, $0.value) }
        var members = times
        if !attributes.isEmpty { members.append(.init("attributes", .array(attributes))) }
        switch point.value {
        case .count(let value), .level(let value):
            members.append(.init("asDouble", Self.number(value)))
        case .distribution(let bounds, let counts, let sum):
            members += [
                .init("count", .string("\(counts.reduce(0, +))")),
                .init("sum", Self.number(sum)),
                .init("bucketCounts", .array(counts.map { .string("\($0)") })),
                .init("explicitBounds", .array(bounds.map(Self.number))),
            ]
        }
        return .object(members)
    }

    /// Protobuf's mapping of what is no finite number is a text.
    private static func number(_ value: Double) -> JSON {
        if value.isFinite { return .number(value) }
        return .string(value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity")
    }
}

extension MetricPoint.Value {
    /// What OTLP calls its type.
    fileprivate var typeName: String {
        switch self {
        case .count: "sum"
        case .level: "gauge"
        case .distribution: "histogram"
        }
    }
}
