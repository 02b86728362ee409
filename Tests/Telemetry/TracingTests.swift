// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Telemetry
import Testing
import Tracing

@Suite("Trace context") struct TracingTests {
    private static let (trace, span) = (
        "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    )
    private static let parent = "00-\(trace)-\(span)-01"

    @Test("is read and written as W3C has it")
    func roundTrip() throws {
        let context = try #require(TraceContext(parent: Self.parent, state: "vendor=1"))
        #expect(context.traceID == Self.trace && context.spanID == Self.span)
        #expect(context.isSampled && context.state == "vendor=1")
        #expect(context.parent == Self.parent)
        let silent = try #require(TraceContext(parent: "00-\(Self.trace)-\(Self.span)-00"))
        #expect(!silent.isSampled)
        // A later version may say more; what this one knows holds.
        #expect(TraceContext(parent: "01-\(Self.trace)-\(Self.span)-01-more") != nil)
        let long = String(repeating: "x", count: 600)
        #expect(TraceContext(parent: Self.parent, state: long)?.state == "")
    }

    @Test(
        "malformed begins a new trace",
        arguments: [
            "", "00", "ff-\(trace)-\(span)-01", "00-\(trace)-\(span)", "00-\(trace)-\(span)-01-x",
            "00-\(trace.uppercased())-\(span)-01", "00-\(trace)0-\(span)-01",
            "00-\(trace)-\(span)-1",
            "00-00000000000000000000000000000000-\(span)-01", "00-\(trace)-0000000000000000-01",
            "0g-\(trace)-\(span)-01", "00_\(trace)_\(span)_01",
        ]
    )
    func malformed(_ text: String) { #expect(TraceContext(parent: text) == nil) }

    /// Keeps spans.
    private final class Box: SpanSink {
        let spans = Mutex<[FinishedSpan]>([])
        func take(_ span: FinishedSpan) { spans.withLock { $0.append(span) } }
    }

    private struct Headers: Extractor, Injector {
        func extract(key: String, from carrier: [String: String]) -> String? { carrier[key] }
        func inject(_ value: String, forKey key: String, into carrier: inout [String: String]) {
            carrier[key] = value
        }
    }

    @Test("spans are recorded below who asked, and what goes out names them")
    func spans() throws {
        let (tracer, box) = (SpanTracer(), Box())
        tracer.record(into: box)
        var context = ServiceContext.topLevel
        (context.component, context.requestID) = ("origin-1", "r-1")
        tracer.extract(
            ["traceparent": Self.parent, "tracestate": "a=b"],
            into: &context,
            using: Headers()
        )
        let server = tracer.startSpan("GET", context: context, ofKind: .server)
        let client = tracer.startSpan("POST", context: server.context, ofKind: .client)
        var carrier: [String: String] = [:]
        tracer.inject(client.context, into: &carrier, using: Headers())
        client.attributes["a"] = 1
        client.end()
        client.end()
        server.operationName = "GET /x"
        server.end()
        let spans = box.spans.withLock { $0 }
        #expect(spans.map(\.name) == ["POST", "GET /x"])
        #expect(spans.allSatisfy { $0.trace.traceID == Self.trace && $0.component == "origin-1" })
        #expect(spans[1].parent == Self.span && spans[0].parent == spans[1].trace.spanID)
        #expect(spans.allSatisfy { $0.end >= $0.start })
        #expect(carrier["traceparent"] == "00-\(Self.trace)-\(spans[0].trace.spanID)-01")
        #expect(carrier["tracestate"] == "a=b" && carrier["x-request-id"] == "r-1")
    }

    @Test("without a sink a trace goes on as it came, and none begins")
    func silent() {
        let tracer = SpanTracer()
        var context = ServiceContext.topLevel
        #expect(tracer.startSpan("x", context: context).context.trace == nil)
        tracer.extract(["traceparent": Self.parent], into: &context, using: Headers())
        let span = tracer.startSpan("x", context: context)
        #expect(!span.isRecording && span.context.trace?.parent == Self.parent)
        span.end()
    }

    @Test("a share of the traces is recorded, the same ones everywhere")
    func sampling() {
        let box = Box()
        let tracer = SpanTracer()
        tracer.record(into: box, sampling: .parentBased(0.25))
        for _ in 0..<2000 {
            let root = tracer.startSpan("root", context: .topLevel)
            tracer.startSpan("child", context: root.context).end()
            root.end()
        }
        let spans = box.spans.withLock { $0 }
        let roots = spans.filter { $0.name == "root" }
        // 500 are expected; 350 to 650 is more than seven standard deviations.
        #expect((350...650).contains(roots.count))
        #expect(spans.count == 2 * roots.count)
        tracer.record(into: box, sampling: .parentBased(0))
        let asked = TraceContext(parent: Self.parent)
        var context = ServiceContext.topLevel
        context.trace = asked
        #expect(tracer.startSpan("x", context: context).isRecording)
        #expect(!tracer.startSpan("x", context: .topLevel).isRecording)
    }
}
