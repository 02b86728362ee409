// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import ClusterClients
import ClusterConfiguration
import Content
import HTTPKit
import Logging
import NIOCore
import Primitives
import SwarmCore
import SwarmIO
import Synchronization
import Telemetry

/// An agent's seat in its swarms: who drives them, and who takes over when the rules change.
actor SwarmSeat {
    /// The driver of the moment.
    nonisolated var driver: SwarmDriver { current.withLock { $0 } }
    /// Where peers reach it, `ip:port`.
    nonisolated var address: String {
        Endpoint(host: host.ip, port: host.port.value).description
    }

    private let configuration: AgentConfiguration
    private let environment: ComponentEnvironment
    private let store: BlobStore
    private nonisolated let host: AgentHost
    private nonisolated let current: Mutex<SwarmDriver>
    /// The latest change of the rules; each waits for the one before.
    private var change: Task<Void, any Error>?
    private var isStopped = false

    /// How long a stop tells trackers of it.
    private static let leaveTimeout = Duration.seconds(1)

    init(
        configuration: AgentConfiguration,
        environment: ComponentEnvironment,
        store: BlobStore,
        trackers: TrackerRing
    ) {
        (self.configuration, self.environment, self.store) = (configuration, environment, store)
        host = AgentHost(
            trackers: trackers,
            ip: configuration.peerIP ?? configuration.host,
            port: PeerPort(),
            log: environment.log
        )
        current = Mutex(
            Self.makeDriver(configuration, environment, store, host, configuration.peerPort)
        )
    }

    /// Listens for peers.
    /// - Throws: ``SwarmError`` `.cannotListen`.
    func start() async throws {
        let makePeerID: (@Sendable (Int) -> PeerID)?
        switch configuration.peerIDFactory {
        case .random: makePeerID = nil
        case .addressHash: makePeerID = { [ip = host.ip] in PeerID(hashOfAddress: ip, port: $0) }
        }
        host.port.value = try await driver.start(makePeerID: makePeerID)
    }

    /// Takes up again what earlier drivers have begun to download.
    func resume() async {
        do {
            try await driver.resumeUnfinished()
        } catch {
            environment.log.warning(
                "could not look for unfinished downloads",
                metadata: [LogKey.error: "\(error)"]
            )
        }
    }

    /// Goes on by the rules of `settings`, with another driver, as Kraken's agents do: connections are closed, those who read
    /// a blob that is still on its way have to ask again, and what was fetched of it stays.
    /// - Throws: ``SwarmError`` when it has been stopped, or can't listen any more.
    func reload(_ settings: SchedulerSettings) async throws {
        let before = change
        // A task of its own: a client that leaves must not leave us without a driver.
        let task = Task {
            _ = await before?.result
            try await replace(settings)
        }
        change = task
        try await task.value
    }

    private func replace(_ settings: SchedulerSettings) async throws {
        guard !isStopped else { throw HTTPProblem.unavailable("the agent stops") }
        var configuration = configuration
        configuration.swarm = settings.policy
        (configuration.egress, configuration.ingress) = (settings.egress, settings.ingress)
        let old = driver
        let peerID = await old.peerID
        await old.stop()
        var successor = Self.makeDriver(configuration, environment, store, host, host.port.value)
        do {
            host.port.value = try await successor.start { _ in peerID }
        } catch {
            // Somebody was quick to take the port. Peers hear of another one with our next announces.
            successor = Self.makeDriver(configuration, environment, store, host, 0)
            host.port.value = try await successor.start { _ in peerID }
        }
        current.withLock { $0 = successor }
        environment.log.notice("the scheduler's rules were replaced")
        await resume()
    }

    /// Leaves all swarms.
    func stop() async {
        isStopped = true
        _ = await change?.result
        let swarms = await driver.snapshot().swarms
        let peerID = await driver.peerID
        await driver.stop()
        // Who is killed says no goodbye.
        guard !environment.faults.isKilled else { return }
        await host.leave(swarms, as: peerID, within: Self.leaveTimeout)
    }

    private static func makeDriver(
        _ configuration: AgentConfiguration,
        _ environment: ComponentEnvironment,
        _ store: BlobStore,
        _ host: AgentHost,
        _ port: Int
    ) -> SwarmDriver {
        var generator = SystemRandomNumberGenerator()
        let driver = SwarmDriverConfiguration(
            peerID: PeerID(randomFrom: &generator),
            host: configuration.host,
            port: port,
            role: .agent,
            policy: configuration.swarm,
            limits: configuration.limits,
            egress: configuration.egress,
            ingress: configuration.ingress,
            seed: generator.next()
        )
        return SwarmDriver(
            configuration: driver,
            eventLoop: environment.eventLoop,
            store: store,
            host: host,
            events: environment.events,
            counters: environment.counters,
            log: environment.log,
            faults: environment.faults,
            security: environment.security
        )
    }
}
