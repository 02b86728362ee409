// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import HTTPKit
import Logging
import ServiceLifecycle
import Telemetry
import TransportSecurity

/// What the files and flags of a component say later than at its start.
struct ReadAgain: Sendable {
    /// What it is to do.
    let configuration: any Sendable
    /// How much it is to log.
    let logs: LogSettings
    /// The files.
    let document: ConfigurationNode
}

/// One component by itself in this process, until a signal stops it.
enum StandaloneComponent {
    /// Runs the component of `kind` that `make` makes; `read` reads what it was made from, `document`, again.
    /// - Throws: what ended it, unless that was a signal.
    static func run(
        _ kind: ComponentKind,
        _ options: ComponentOptions,
        _ transport: TransportSettings,
        _ logs: LogSettings,
        _ document: ConfigurationNode,
        read: @escaping @Sendable () throws -> ReadAgain,
        make: @escaping @Sendable (ComponentEnvironment) -> any Service
    ) async throws {
        let signals = await StopSignals {}
        let plain = ProcessResources.start(options.logging, default: logs.loggerLevel)
        let resources = try await plain.secured(by: transport)
        // The flag wins over the file.
        let threshold = options.logging.logLevel == nil ? resources.threshold : nil
        let lines = resources.lines
        let environment = resources.environment(
            id: kind.rawValue,
            events: EventLog(component: kind.rawValue),
            counters: Counters(kind: kind)
        ) { addresses in
            let list = addresses.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
            lines.tell("\(kind.rawValue) is ready: \(list.joined(separator: ", "))")
        }
        let recording = try resources.export { [snapshots = environment.snapshots] in
            [await snapshots.snapshot()].compactMap { $0 }
        }
        let group = Self.group(of: make(environment), resources.logger(kind.rawValue))
        let outcome = await withTaskGroup(of: Result<Void, any Error>?.self) { tasks in
            tasks.addTask {
                await signals.watch(onHangUp: {
                    await resources.security?.reload()
                    await reload(read, since: document, environment, threshold)
                }) { signal in
                    lines.tell("\(signal): stopping")
                    await group.triggerGracefulShutdown()
                }
                return nil
            }
            tasks.addTask {
                // Of what has ended nothing is told.
                defer { environment.snapshots.withdraw() }
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

    private static func group(of service: any Service, _ log: Logger) -> ServiceGroup {
        ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [
                    .init(
                        service: service,
                        successTerminationBehavior: .gracefullyShutdownGroup
                    )
                ],
                logger: log
            )
        )
    }

    /// Reads the configuration again, and says what came of it. What can't be read or taken changes nothing.
    private static func reload(
        _ read: @Sendable () throws -> ReadAgain,
        since start: ConfigurationNode,
        _ environment: ComponentEnvironment,
        _ threshold: LogThreshold?
    ) async {
        let wanted: ReadAgain
        let report: LiveReload.Report
        do {
            wanted = try read()
            guard let taken = try await environment.reloads.reload(wanted.configuration) else {
                return
            }
            report = taken
        } catch {
            environment.log.error(
                "the configuration can't be taken; what was in force stays",
                metadata: [LogKey.error: "\(error)"]
            )
            return
        }
        var applied = Set(report.applied)
        if let threshold, threshold.level != wanted.logs.loggerLevel {
            threshold.level = wanted.logs.loggerLevel
            applied.insert(levelKey)
        }
        // What is not among the settings, like credentials, is found in the files.
        let pending = wanted.document.changedKeys(since: start)
            .filter { !report.isLive($0) && $0 != levelKey }
            .union(report.pending)
        environment.log.log(
            level: pending.isEmpty ? .notice : .warning,
            "the configuration was read again",
            metadata: [
                "applied": .string(applied.sorted().joined(separator: " ")),
                "needs_restart": .string(pending.sorted().joined(separator: " ")),
            ]
        )
    }

    /// The key of the level of the log, which is no component's own.
    private static let levelKey = "zap.level"
}
