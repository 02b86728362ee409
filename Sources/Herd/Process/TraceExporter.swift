// SPDX-License-Identifier: Apache-2.0

import Content
import CoreMetrics
import HTTPKit
import Logging
import NIOCore
import Primitives
import Synchronization
import Telemetry
import Tracing

/// Sends spans to a collector, by OTLP over HTTP in JSON: in batches, a second after they ended at the latest. While the
/// collector is away or slow, spans are dropped and counted; nothing waits for it.
/// - Source: OpenTelemetry protocol 1.9, "OTLP/HTTP"; opentelemetry-proto's JSON mapping.
final class TraceExporter: SpanSink {
    private struct State {
        var spans: [FinishedSpan] = []
        var dropped = 0
        var isComplaining = false
    }
    private let settings: TraceSettings
    private let http: HTTPClient
    private let log: Logger
    private let state = Mutex(State())
    private let droppedSpans = Counter(label: "herd_spans_dropped")
    private let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation
    private let eventLoop: any EventLoop

    /// Spans that wait at most: some MiB.
    private static let waitingMax = 8192
    /// Spans sent at a time.
    private static let batchMax = 512
    private static let interval = TimeAmount.seconds(1)
    private static let timeout = Duration.seconds(10)
    /// How long the end of the process waits for the last batch.
    private static let lastTimeout = Duration.seconds(2)

    /// An exporter for `settings`; it asks by `http`, whose requests must not make spans themselves.
    init(
        _ settings: TraceSettings,
        http: HTTPClient,
        eventLoop: any EventLoop,
        log: Logger
    ) {
        (self.settings, self.http, self.eventLoop, self.log) = (settings, http, eventLoop, log)
        (signals, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    func take(_ span: FinishedSpan) {
        let (isDropped, isFull) = state.withLock { state in
            guard state.spans.count < Self.waitingMax else { return (true, false) }
            state.spans.append(span)
            return (false, state.spans.count == Self.batchMax)
        }
        if isDropped { droppedSpans.increment() }
        if isFull { signal.yield() }
    }

    /// Sends until its task is cancelled, then what is left.
    func run() async {
        let timer = eventLoop.scheduleRepeatedTask(
            initialDelay: Self.interval,
            delay: Self.interval
        ) { [signal] _ in signal.yield() }
        for await _ in signals { while await sendBatch(within: Self.timeout) {} }
        timer.cancel()
        // Unstructured: the task is cancelled, and these spans shall go out all the same.
        await Task { while await sendBatch(within: Self.lastTimeout) {} }.value
    }

    /// Sends one batch; answers whether there is a full one more.
    private func sendBatch(within timeout: Duration) async -> Bool {
        let (batch, hasMore) = state.withLock { state in
            let batch = Array(state.spans.prefix(Self.batchMax))
            state.spans.removeFirst(batch.count)
            return (batch, state.spans.count >= Self.batchMax)
        }
        guard !batch.isEmpty else { return false }
        let document = SpanDocument(settings.collector).json(batch)
        do {
            try await settings.collector.post(document, by: http, within: timeout)
            state.withLock { $0.isComplaining = false }
        } catch {
            droppedSpans.increment(by: batch.count)
            let isNews = state.withLock { state in
                defer { state.isComplaining = true }
                return !state.isComplaining
            }
            if isNews {
                log.warning(
                    "the collector takes no spans; they are dropped until it does",
                    metadata: [
                        LogKey.error: "\(error)", LogKey.address: "\(settings.collector.url)",
                    ]
                )
            }
        }
        return hasMore
    }
}

/// Spans in the JSON mapping of OTLP's `ExportTraceServiceRequest`.
struct SpanDocument {
    private let settings: CollectorSettings

    init(_ settings: CollectorSettings) { self.settings = settings }

    /// The document of `spans`, those of each component under its own resource.
    func json(_ spans: [FinishedSpan]) -> JSON {
        let groups = Dictionary(grouping: spans, by: \.component).sorted { $0.key < $1.key }
        return .object([
            .init(
                "resourceSpans",
                .array(
                    groups.map { component, spans in
                        .object([
                            .init("resource", settings.resource(component)),
                            .init("scopeSpans", .array([scope(spans)])),
                        ])
                    }
                )
            )
        ])
    }

    private func scope(_ spans: [FinishedSpan]) -> JSON {
        .object([
            CollectorSettings.scope,
            .init("spans", .array(spans.map(Self.json))),
        ])
    }

    private static func json(_ span: FinishedSpan) -> JSON {
        var members: [JSON.Member] = [
            .init("traceId", .string(span.trace.traceID)),
            .init("spanId", .string(span.trace.spanID)),
            .init("name", .string(span.name)),
            .init("kind", .integer(number(span.kind))),
            // 64-bit numbers are strings in this mapping.
            .init("startTimeUnixNano", .string("\(span.start)")),
            .init("endTimeUnixNano", .string("\(span.end)")),
        ]
        if let parent = span.parent { members.append(.init("parentSpanId", .string(parent))) }
        if !span.trace.state.isEmpty {
            members.append(.init("traceState", .string(span.trace.state)))
        }
        var attributes: [JSON] = []
        span.attributes.forEach { key, value in
            attributes.append(CollectorSettings.attribute(key, json(value)))
        }
        if !attributes.isEmpty { members.append(.init("attributes", .array(attributes))) }
        if let status = span.status {
            let code = status.code == .error ? 2 : 1
            let message = status.message.map { [JSON.Member("message", .string($0))] } ?? []
            members.append(.init("status", .object([.init("code", .integer(code))] + message)))
        }
        return .object(members)
    }

    private static func number(_ kind: SpanKind) -> Int {
        switch kind {
        case .internal: 1
        case .server: 2
        case .client: 3
        case .producer: 4
        case .consumer: 5
        }
    }

    private static func json(_ value: SpanAttribute) -> JSON {
        switch value {
        case .int32(let number): .object([.init("intValue", .string("\(number)"))])
        case .int64(let number): .object([.init("intValue", .string("\(number)"))])
        case .bool(let flag): .object([.init("boolValue", .bool(flag))])
        case .string(let text): .object([.init("stringValue", .string(text))])
        case .stringConvertible(let thing): .object([.init("stringValue", .string("\(thing)"))])
        default: .object([.init("stringValue", .string("\(value)"))])
        }
    }
}
