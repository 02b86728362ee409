// SPDX-License-Identifier: Apache-2.0

package import Files
package import Logging
package import NIOCore
package import Telemetry
package import TransportSecurity

/// What a component gets from the process it lives in; nothing in it tells whether it shares that process.
package struct ComponentEnvironment: Sendable {
    /// The component's name in the cluster: `agent-0`.
    package let id: String
    /// Where its sockets live.
    package let eventLoopGroup: any EventLoopGroup
    /// One of those loops, for what the component does on one loop only. A process spreads its components over its loops.
    package let eventLoop: any EventLoop
    /// Where its blocking calls run.
    package let pool: BlockingPool
    /// How it asks others.
    package let httpClient: HTTPClient
    /// Where it reports.
    package let log: Logger
    /// Called once, when every listener is bound and the component serves: the keys and `host:port` of DESIGN §5.
    package let onReady: @Sendable (_ addresses: [String: String]) -> Void
    /// What happened in it.
    package let events: EventLog
    /// What it counts.
    package let counters: Counters
    /// What goes wrong in it on purpose.
    package let faults: FaultSwitch
    /// The process's metrics, for `/metrics`; nil where none are collected.
    package let metrics: PrometheusRegistry?
    /// Where it leaves how to look at it, for whoever runs it.
    package let snapshots: SnapshotSource
    /// Where it says what it can take of a changed configuration.
    package let reloads = LiveReload()
    /// What closes its connections to others; nil: nothing does.
    package let security: TransportSecurity?

    /// The surroundings of the component `id`; without `faults`, none can be switched on from outside.
    package init(
        id: String,
        eventLoopGroup: any EventLoopGroup,
        eventLoop: (any EventLoop)? = nil,
        pool: BlockingPool,
        httpClient: HTTPClient,
        log: Logger,
        events: EventLog,
        counters: Counters,
        metrics: PrometheusRegistry? = nil,
        snapshots: SnapshotSource = SnapshotSource(),
        faults: FaultSwitch? = nil,
        security: TransportSecurity? = nil,
        onReady: @escaping @Sendable (_ addresses: [String: String]) -> Void = { _ in }
    ) {
        self.id = id
        self.eventLoopGroup = eventLoopGroup
        self.eventLoop = eventLoop ?? eventLoopGroup.next()
        self.pool = pool
        let faults = faults ?? FaultSwitch(events: events)
        self.faults = faults
        self.httpClient = httpClient.heeding(faults)
        self.log = log
        self.onReady = onReady
        self.events = events
        self.counters = counters
        self.metrics = metrics
        self.snapshots = snapshots
        self.security = security
    }
}
