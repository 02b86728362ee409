// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import CoreMetrics
import Files
import FoundationEssentials
import HTTPKit
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Telemetry
import Tracing
import TransportSecurity

/// What everything in one process shares: event loops, threads for blocking calls, the HTTP client, logs and metrics.
struct ProcessResources: Sendable {
    /// Threads for blocking calls on a machine of few cores: most of them wait for the disk, which does together what is asked of it
    /// at once (docs/decisions/0040).
    private static let blockingThreadsMin = 8

    /// Where sockets live.
    let eventLoopGroup: MultiThreadedEventLoopGroup
    /// Deals its loops out to components.
    private let loops: LoopDealer
    /// Where blocking calls run.
    let pool: BlockingPool
    /// How components ask each other.
    private(set) var client: HTTPClient
    /// What closes its connections to others; nil: nothing does.
    private(set) var security: TransportSecurity?
    /// The process's metrics.
    let metrics: PrometheusRegistry
    /// What records spans, once somebody wants them.
    let tracer: SpanTracer
    /// Where lines for people go.
    let lines: LineSink
    /// How much is logged.
    let threshold: LogThreshold

    /// Sets the process up. Call it once: logs and metrics can be bootstrapped once only.
    static func start(_ options: LogOptions, default level: Logger.Level) -> ProcessResources {
        options.apply()
        return start(logLevel: options.level(default: level))
    }

    /// Sets the process up to log from `logLevel` on.
    static func start(logLevel: Logger.Level) -> ProcessResources {
        OpenFiles.raiseLimit()
        OpenFiles.growTable()
        let lines = LineSink()
        let threshold = LogThreshold(logLevel)
        LoggingSystem.bootstrap(
            { label, provider in
                var handler = LineLogHandler(label: label, threshold: threshold, sink: lines)
                handler.metadataProvider = provider
                return handler
            },
            metadataProvider: .surroundings
        )
        let metrics = PrometheusRegistry()
        MetricsSystem.bootstrap(metrics)
        // Before the first HTTP client, which keeps the tracer of its time.
        let tracer = SpanTracer()
        InstrumentationSystem.bootstrap(tracer)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: EventLoops.count)
        let pool = BlockingPool(threadCount: max(Self.blockingThreadsMin, System.coreCount))
        return ProcessResources(
            eventLoopGroup: group,
            loops: LoopDealer(group),
            pool: pool,
            client: HTTPClient(eventLoopGroup: group, pool: pool),
            metrics: metrics,
            tracer: tracer,
            lines: lines,
            threshold: threshold
        )
    }

    /// The same, with connections closed to others as `settings` say; with `isForAll` also those over HTTPS to servers that are
    /// no members of the cluster. It is shut down instead of this one.
    /// - Throws: ``Failure`` when a file can't be used; then this one is shut down.
    func secured(
        by settings: TransportSettings,
        isForAll: Bool = false
    ) async throws -> ProcessResources {
        guard settings.isUsed else { return self }
        do {
            let security = try await TransportSecurity.open(
                settings,
                pool: pool,
                log: logger("tls")
            )
            var resources = self
            resources.security = security
            if settings.isClientSecure {
                resources.client = client.secured(by: security, isForAll: isForAll)
            }
            return resources
        } catch {
            await shutdown()
            throw Failure("cannot speak TLS", why: "\(error)")
        }
    }

    /// What tells the collector that the environment names, until its task is cancelled: spans, and metrics with what
    /// `snapshots` say; nil where it names none.
    /// - Throws: ``Failure`` for variables that can't be meant.
    func export(
        _ snapshots: @escaping @Sendable () async -> [ComponentSnapshot]
    ) throws(Failure) -> (@Sendable () async -> Void)? {
        let parts = [try spanRecording(), try metricReports(snapshots)].compactMap { $0 }
        guard !parts.isEmpty else { return nil }
        return {
            await withDiscardingTaskGroup { group in
                for part in parts { group.addTask { await part() } }
            }
        }
    }

    private func metricReports(
        _ snapshots: @escaping @Sendable () async -> [ComponentSnapshot]
    ) throws(Failure) -> (@Sendable () async -> Void)? {
        guard let settings = try MetricSettings(ProcessInfo.processInfo.environment) else {
            return nil
        }
        let http = HTTPClient(eventLoopGroup: eventLoopGroup, pool: pool, isTraced: false)
        let exporter = MetricExporter(
            settings: settings,
            http: http,
            registry: metrics,
            snapshots: snapshots,
            eventLoop: eventLoopGroup.next(),
            log: logger("metrics")
        )
        return {
            await exporter.run()
            // As below.
            try? await http.shutdown()
        }
    }

    private func spanRecording() throws(Failure) -> (@Sendable () async -> Void)? {
        guard let settings = try TraceSettings(ProcessInfo.processInfo.environment) else {
            return nil
        }
        let http = HTTPClient(eventLoopGroup: eventLoopGroup, pool: pool, isTraced: false)
        let exporter = TraceExporter(
            settings,
            http: http,
            eventLoop: eventLoopGroup.next(),
            log: logger("tracing")
        )
        tracer.record(into: exporter, sampling: settings.sampler)
        return { [tracer] in
            await exporter.run()
            tracer.record(into: nil)
            // The process ends; what is left of its connections ends with it.
            try? await http.shutdown()
        }
    }

    /// A logger named `label` that writes to ``lines``.
    func logger(_ label: String) -> Logger { Logger(label: label) }

    /// The surroundings of the component `id`, with `events`, `counters` and `faults` that outlive a restart of it. Where not
    /// `isSecured`, its servers speak plain HTTP.
    func environment(
        id: String,
        events: EventLog,
        counters: Counters,
        snapshots: SnapshotSource = SnapshotSource(),
        faults: FaultSwitch? = nil,
        isSecured: Bool = true,
        onReady: @escaping @Sendable ([String: String]) -> Void
    ) -> ComponentEnvironment {
        ComponentEnvironment(
            id: id,
            eventLoopGroup: eventLoopGroup,
            eventLoop: loops.next(),
            pool: pool,
            httpClient: client,
            log: logger(id),
            events: events,
            counters: counters,
            metrics: metrics,
            snapshots: snapshots,
            faults: faults,
            security: isSecured ? security : nil,
            onReady: onReady
        )
    }

    /// Closes connections and ends the threads, as far as they still run.
    func shutdown() async {
        let log = logger("herd")
        do {
            try await client.shutdown()
            await pool.shutdown()
            try await eventLoopGroup.shutdownGracefully()
        } catch {
            // The process ends anyway and takes with it what did not end by itself.
            log.warning("shared resources did not shut down", metadata: [LogKey.error: "\(error)"])
        }
        lines.flush()
    }
}

/// Deals the loops of a group out in turn.
///
/// The group's own `next()` does so too, but every accepted connection takes its turn there, so that the swarms of a
/// process could all land on one loop.
private final class LoopDealer: Sendable {
    private let loops: [any EventLoop]
    private let count = Atomic(0)

    init(_ group: MultiThreadedEventLoopGroup) { loops = Array(group.makeIterator()) }

    func next() -> any EventLoop {
        loops[count.wrappingAdd(1, ordering: .relaxed).oldValue % loops.count]
    }
}

extension Logger.MetadataProvider {
    /// The request and the trace that the current work belongs to.
    static var surroundings: Logger.MetadataProvider {
        Logger.MetadataProvider {
            guard let context = ServiceContext.current else { return [:] }
            var metadata: Logger.Metadata = [:]
            if let request = context.requestID { metadata[LogKey.requestID] = .string(request) }
            if let trace = context.trace { metadata[LogKey.traceID] = .string(trace.traceID) }
            return metadata
        }
    }
}
