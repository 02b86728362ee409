// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import HTTPKit
import Logging
import ServiceLifecycle
import Telemetry
import TransportSecurity

/// One component by itself in this process, until a signal stops it.
enum StandaloneComponent {
    /// Runs the component of `kind` that `make` makes; `configuration` reads what it was made from again.
    /// - Throws: what ended it, unless that was a signal.
    static func run(
        _ kind: ComponentKind,
        _ options: ComponentOptions,
        _ transport: TransportSettings,
        _ logs: LogSettings,
        configuration: @escaping @Sendable () throws -> (any Sendable, LogSettings),
        make: @escaping @Sendable (ComponentEnvironment) -> any Service
    ) async throws {
        let signals = await StopSignals {}
        let plain = ProcessResources.start(options.logging, default: logs.loggerLevel)
        let resources = try await plain.secured(by: transport)
        // The flag wins over the file.
        let threshold = options.logging.logLevel == nil ? resources.threshold : nil
        let recording = try resources.spanRecording()
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
                await signals.watch(onHangUp: {
                    await reload(configuration, environment, resources.security, threshold)
                }) { signal in
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
            if let recording {
                tasks.addTask {
                    await recording()
                    return nil
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

    /// Reads certificates and configuration again, and says what came of it. What can't be read changes nothing.
    private static func reload(
        _ configuration: @Sendable () throws -> (any Sendable, LogSettings),
        _ environment: ComponentEnvironment,
        _ security: TransportSecurity?,
        _ threshold: LogThreshold?
    ) async {
        await security?.reload()
        do {
            let (wanted, logs) = try configuration()
            guard var report = try await environment.reloads.reload(wanted) else { return }
            if let threshold, threshold.level != logs.loggerLevel {
                threshold.level = logs.loggerLevel
                report.applied.append("zap.level")
            }
            environment.log.notice(
                "the configuration was read again",
                metadata: [
                    "applied": .string(report.applied.sorted().joined(separator: " ")),
                    "needs_restart": .string(report.pending.sorted().joined(separator: " ")),
                ]
            )
        } catch {
            environment.log.error(
                "the configuration can't be read; what was in force stays",
                metadata: [LogKey.error: "\(error)"]
            )
        }
    }
}
