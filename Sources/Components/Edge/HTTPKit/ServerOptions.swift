// SPDX-License-Identifier: Apache-2.0

package import Logging
package import NIOCore
package import Primitives
package import Telemetry
package import TransportSecurity

/// How one server treats its connections.
package struct ServerOptions: Sendable {
    /// Where connections live; shared by everything in the process.
    package var eventLoopGroup: any EventLoopGroup
    /// Where the server reports; each request gets a copy with its id.
    package var log: Logger
    /// Bounds: `requestHeadBytesMax`, `httpConnectionsMax`, `httpRequestsMax`, `listenBacklog`.
    package var limits: Limits
    /// How long a connection may wait for the next request, or take to send its head (slow-loris), before it is closed.
    package var idleTimeout: Duration
    /// How long a request's body may pause while we are ready to read it, before the connection is closed.
    package var bodyTimeout: Duration
    /// How long a client may take none of what waits for it, before the connection is closed.
    package var writeTimeout: Duration
    /// How long requests in work may go on after a stop was asked for, before they are cut off.
    package var drainTimeout: Duration
    /// What goes wrong on purpose; nil: nothing can.
    package var faults: FaultSwitch?
    /// Whose requests are measured, and where; nil: nobody's.
    package var measures: (component: String, registry: PrometheusRegistry)?
    /// What closes its connections to others; nil, or one without a server's certificate: plain HTTP.
    package var security: TransportSecurity?

    /// Defaults that suit a server inside a cluster.
    package init(
        eventLoopGroup: any EventLoopGroup,
        log: Logger,
        limits: Limits = Limits(),
        idleTimeout: Duration = .seconds(75),
        bodyTimeout: Duration = .seconds(60),
        writeTimeout: Duration = .seconds(120),
        drainTimeout: Duration = .seconds(5)
    ) {
        self.eventLoopGroup = eventLoopGroup
        self.log = log
        self.limits = limits
        self.idleTimeout = idleTimeout
        self.bodyTimeout = bodyTimeout
        self.writeTimeout = writeTimeout
        self.drainTimeout = drainTimeout
    }

    /// The options of a server of the component that lives in `environment`.
    package init(_ environment: ComponentEnvironment, limits: Limits = Limits()) {
        self.init(
            eventLoopGroup: environment.eventLoopGroup,
            log: environment.log,
            limits: limits
        )
        faults = environment.faults
        security = environment.security
        measures = environment.metrics.map { (environment.id, $0) }
    }
}
