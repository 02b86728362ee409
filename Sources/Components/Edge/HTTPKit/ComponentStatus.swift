// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
package import Hummingbird
package import Primitives
import Synchronization
package import Telemetry
import TransportSecurity

/// What every component says of itself: what it is, since when it runs, and where it listens.
package final class ComponentStatus: Sendable {
    private let kind: ComponentKind
    private let environment: ComponentEnvironment
    private let listenerCount: Int
    private let start = ContinuousClock.now
    private let addresses = Mutex<[String: String]>([:])
    private let settings: Mutex<[SettingStatus]>

    /// The status of the component of `kind` in `environment`, which serves once `listeners` of them are bound.
    ///
    /// - Parameter settings: its effective configuration, without secrets.
    package init(
        _ kind: ComponentKind,
        _ environment: ComponentEnvironment,
        listeners: Int = 1,
        settings: [SettingStatus] = []
    ) {
        (self.kind, self.environment, listenerCount) = (kind, environment, listeners)
        self.settings = Mutex(settings)
    }

    /// The component's configuration was replaced: `settings` are in force now.
    package func reconfigure(_ settings: [SettingStatus]) {
        self.settings.withLock { $0 = settings }
    }

    /// Where the listener for `purpose` is bound; nil before it is.
    package func address(_ purpose: String = "http") -> String? {
        addresses.withLock { $0[purpose] }
    }

    /// Notes that the listener for `purpose` is bound to `address`. With the last one the component is ready, and says so.
    package func serve(_ address: String, as purpose: String) {
        let ready = addresses.withLock { addresses -> [String: String]? in
            let isNew = addresses.updateValue(address, forKey: purpose) == nil
            return isNew && addresses.count == listenerCount ? addresses : nil
        }
        if let ready { environment.onReady(ready) }
    }

    /// The component's state now, as far as all components have the same.
    package func snapshot() -> ComponentSnapshot {
        let addresses = addresses.withLock { $0 }
        var snapshot = ComponentSnapshot(
            kind: kind,
            id: environment.id,
            health: addresses.count < listenerCount ? .starting : .ok,
            addresses: addresses,
            uptimeSeconds: start.duration(to: .now).seconds,
            counters: environment.counters.all()
        )
        snapshot.eventSequence = environment.events.lastSequence
        snapshot.faults = environment.faults.words
        let settings =
            settings.withLock { $0 } + (environment.security?.settings.settings ?? [])
        snapshot.settings = settings.isEmpty ? nil : settings
        return snapshot
    }

    /// The component's HTTP listener for `purpose`.
    ///
    /// - Parameters:
    ///   - name: what it is called in logs; nil: the component's kind.
    ///   - onBound: called with its address before anybody else hears of it.
    package func listener(
        _ name: String? = nil,
        as purpose: String = "http",
        at address: (host: String, port: Int),
        _ router: Router<ServerContext>,
        limits: Limits,
        drainTimeout: Duration,
        onBound: @escaping @Sendable (String) -> Void = { _ in }
    ) -> HTTPServer {
        var options = ServerOptions(environment, limits: limits)
        options.drainTimeout = drainTimeout
        let host = address.host.contains(":") ? "[\(address.host)]" : address.host
        return HTTPServer(
            name: name ?? kind.rawValue,
            address: address,
            router: router,
            options: options
        ) { [self] port in
            onBound("\(host):\(port)")
            serve("\(host):\(port)", as: purpose)
        }
    }
}
