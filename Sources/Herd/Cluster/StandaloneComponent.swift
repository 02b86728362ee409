// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import HTTPKit
import Logging
import ServiceLifecycle
import Telemetry
import TransportSecurity

/// One component by itself in this process, until a signal stops it.
enum StandaloneComponent {
    /// Runs the component of `kind` that `make` makes.
    /// - Throws: what ended it, unless that was a signal.
    static func run(
        _ kind: ComponentKind,
        _ options: ComponentOptions,
        _ transport: TransportSettings,
        make: @escaping @Sendable (ComponentEnvironment) -> any Service
    ) async throws {
        let signals = await StopSignals {}
        let plain = ProcessResources.start(options.logging, default: .info)
        let resources = try await plain.secured(by: transport)
        let lines = resources.lines
        let environment = resources.environment(
            id: kind.rawValue,
            events: EventLog(component: kind.rawValue),
            counters: Counters(kind: kind)
        ) { addresses in
            let list = addresses.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
            lines.tell("\(kind.rawValue) is ready: \(list.joined(separator: ", "))")
        }
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [
                    .init(
                        service: make(environment),
                        successTerminationBehavior: .gracefullyShutdownGroup
                    )
                ],
                logger: resources.logger(kind.rawValue)
            )
        )
        let outcome = await withTaskGroup(of: Result<Void, any Error>?.self) { tasks in
            tasks.addTask {
                await signals.watch(onHangUp: { await resources.security?.reload() }) { signal in
                    lines.tell("\(signal): stopping")
                    await group.triggerGracefulShutdown()
                }
                return nil
            }
            tasks.addTask {
                do {
                    try await group.run()
                    return .success(())
                } catch {
                    return .failure(error)
                }
            }
            var outcome: Result<Void, any Error>?
            while outcome == nil, let next = await tasks.next() { outcome = next }
            tasks.cancelAll()
            return outcome
        }
        await resources.shutdown()
        if case .failure(let error) = outcome {
            throw Failure("the \(kind.rawValue) failed", why: "\(error)")
        }
    }
}
