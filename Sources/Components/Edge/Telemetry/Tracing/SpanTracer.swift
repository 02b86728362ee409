// SPDX-License-Identifier: Apache-2.0

import Synchronization
package import Tracing

/// Passes traces on, and records spans where somebody wants them.
///
/// Bootstrapped once in a process, before its HTTP clients are made: these carry `traceparent`, `tracestate` and
/// `X-Request-Id` from then on. Without a ``sink`` nothing is recorded and a trace is passed on as it came.
package final class SpanTracer: Tracer {
    /// Which traces are recorded.
    package enum Sampler: Hashable, Sendable {
        /// Those that whoever began them wants recorded; of those that begin here, this share.
        case parentBased(Double)
        /// This share, whatever others want.
        case ratio(Double)
    }

    private struct State {
        var sink: (any SpanSink)?
        var sampler = Sampler.parentBased(1)
    }
    private let state = Mutex(State())
    private let isRecording = Atomic(false)

    /// A tracer that records nothing.
    package init() {}

    /// Gives `sink` the spans that `sampler` chooses from now on; nil: nobody.
    package func record(into sink: (any SpanSink)?, sampling sampler: Sampler = .parentBased(1)) {
        state.withLock { ($0.sink, $0.sampler) = (sink, sampler) }
        isRecording.store(sink != nil, ordering: .relaxed)
    }

    /// A span below that of `context`, or one that begins a trace.
    package func startSpan<Instant: TracerInstant>(
        _ operationName: String,
        context: @autoclosure () -> ServiceContext,
        ofKind kind: SpanKind,
        at instant: @autoclosure () -> Instant,
        function: String,
        file fileID: String,
        line: UInt
    ) -> RecordedSpan {
        var context = context()
        guard isRecording.load(ordering: .relaxed) else {
            return RecordedSpan(operationName, context: context, kind: kind)
        }
        let (sink, sampler) = state.withLock { ($0.sink, $0.sampler) }
        let parent = context.trace
        let isSampled = Self.samples(parent, sampler)
        let own = parent?.child() ?? Self.root(isSampled, sampler)
        context.trace = own
        guard own.isSampled || isSampled, let sink else {
            return RecordedSpan(operationName, context: context, kind: kind)
        }
        return RecordedSpan(
            operationName,
            context: context,
            kind: kind,
            parent: parent?.spanID,
            start: instant().nanosecondsSinceEpoch,
            sink: sink
        )
    }

    private static func samples(_ parent: TraceContext?, _ sampler: Sampler) -> Bool {
        switch (sampler, parent) {
        case (.parentBased, let parent?): parent.isSampled
        // A trace that begins here is drawn by its own id.
        case (.parentBased, nil): false
        case (.ratio(let share), let parent?): parent.draw < share
        case (.ratio, nil): false
        }
    }

    private static func root(_ isSampled: Bool, _ sampler: Sampler) -> TraceContext {
        let share =
            switch sampler {
            case .parentBased(let share), .ratio(let share): share
            }
        let trace = TraceContext.root(isSampled: true)
        return trace.draw < share ? trace : .root(isSampled: false)
    }

    /// Nothing waits here: spans go to the sink as they end.
    package func forceFlush() {}

    // MARK: - Headers

    private static let (parentKey, stateKey) = ("traceparent", "tracestate")
    private static let requestKey = "x-request-id"

    /// Puts into `context` what the headers of a request say.
    package func extract<Carrier, Extract: Extractor>(
        _ carrier: Carrier,
        into context: inout ServiceContext,
        using extractor: Extract
    ) where Extract.Carrier == Carrier {
        guard let parent = extractor.extract(key: Self.parentKey, from: carrier) else { return }
        let state = extractor.extract(key: Self.stateKey, from: carrier)
        context.trace = TraceContext(parent: parent, state: state)
    }

    /// Puts into the headers of a request what `context` says.
    package func inject<Carrier, Inject: Injector>(
        _ context: ServiceContext,
        into carrier: inout Carrier,
        using injector: Inject
    ) where Inject.Carrier == Carrier {
        if let trace = context.trace {
            injector.inject(trace.parent, forKey: Self.parentKey, into: &carrier)
            if !trace.state.isEmpty {
                injector.inject(trace.state, forKey: Self.stateKey, into: &carrier)
            }
        }
        if let request = context.requestID {
            injector.inject(request, forKey: Self.requestKey, into: &carrier)
        }
    }
}

/// Takes spans that have ended.
package protocol SpanSink: Sendable {
    /// Takes `span`; must not wait.
    func take(_ span: FinishedSpan)
}

/// A span that has ended.
package struct FinishedSpan: Sendable {
    /// What was done: `GET /v2/{name}/blobs/{digest}`.
    package var name: String
    /// Its place in the trace.
    package let trace: TraceContext
    /// The span above it; nil for the first one.
    package let parent: String?
    /// Who asks, who answers.
    package let kind: SpanKind
    /// The component that did it.
    package let component: String
    /// When it began, in nanoseconds since 1970.
    package let start: UInt64
    /// When it ended.
    package var end: UInt64
    /// What else there is to know.
    package var attributes = SpanAttributes()
    /// Whether it failed, and why; nil: it did not say.
    package var status: SpanStatus?
}

/// A span while it lasts; where nobody records it, only a name for its place in the trace.
package final class RecordedSpan: Tracing.Span {
    /// The span's place in the trace, for what is done below it.
    package let context: ServiceContext
    private let sink: (any SpanSink)?
    private let state: Mutex<FinishedSpan?>
    private let silentName: String

    /// A span that nobody records.
    init(_ name: String, context: ServiceContext, kind: SpanKind) {
        (self.context, sink, silentName) = (context, nil, name)
        state = Mutex(nil)
    }

    /// A span for `sink`.
    init(
        _ name: String,
        context: ServiceContext,
        kind: SpanKind,
        parent: String?,
        start: UInt64,
        sink: any SpanSink
    ) {
        (self.context, self.sink, silentName) = (context, sink, name)
        state = Mutex(
            context.trace.map {
                FinishedSpan(
                    name: name,
                    trace: $0,
                    parent: parent,
                    kind: kind,
                    component: context.component ?? "herd",
                    start: start,
                    end: start
                )
            }
        )
    }

    /// Whether anybody wants it.
    package var isRecording: Bool { sink != nil }

    /// What is done.
    package var operationName: String {
        get { state.withLock { $0?.name } ?? silentName }
        set { state.withLock { $0?.name = newValue } }
    }

    /// What else there is to know; kept only while somebody records.
    package var attributes: SpanAttributes {
        get { state.withLock { $0?.attributes } ?? SpanAttributes() }
        set { state.withLock { $0?.attributes = newValue } }
    }

    /// Says how it went.
    package func setStatus(_ status: SpanStatus) { state.withLock { $0?.status = status } }

    /// Says that it failed with `error`.
    package func recordError<Instant: TracerInstant>(
        _ error: any Error,
        attributes: SpanAttributes,
        at instant: @autoclosure () -> Instant
    ) {
        setStatus(SpanStatus(code: .error, message: "\(error)"))
    }

    // Events and links say nothing that Herd's own events don't.
    /// Has no effect.
    package func addEvent(_ event: SpanEvent) {}
    /// Has no effect.
    package func addLink(_ link: SpanLink) {}

    /// Ends it; only the first end counts.
    package func end<Instant: TracerInstant>(at instant: @autoclosure () -> Instant) {
        guard let sink else { return }
        let end = instant().nanosecondsSinceEpoch
        // Only the first end counts.
        let span = state.withLock { state in
            defer { state = nil }
            state?.end = end
            return state
        }
        if let span { sink.take(span) }
    }
}
