// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import CoreMetrics
import Files
import HTTPKit
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Telemetry
import TransportSecurity

/// What everything in one process shares: event loops, threads for blocking calls, the HTTP client, logs and metrics.
struct ProcessResources: Sendable {
    /// Where sockets live: ``loopsPerCore`` loops for each core.
    let eventLoopGroup: MultiThreadedEventLoopGroup
    /// A loop waits when the disk is slower than the network and the system holds up whoever writes; another one then has the
    /// core.
    private static let loopsPerCore = 2
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
    /// Where lines for people go.
    let lines: LineSink
    /// How much is logged.
    let logLevel: Logger.Level

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
        LoggingSystem.bootstrap { LineLogHandler(label: $0, level: logLevel, sink: lines) }
        let metrics = PrometheusRegistry()
        MetricsSystem.bootstrap(metrics)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: loopsPerCore * System.coreCount)
        let pool = BlockingPool(threadCount: max(4, System.coreCount))
        return ProcessResources(
            eventLoopGroup: group,
            loops: LoopDealer(group),
            pool: pool,
            client: HTTPClient(eventLoopGroup: group, pool: pool),
            metrics: metrics,
            lines: lines,
            logLevel: logLevel
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
