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
import Telemetry

/// An agent's seat in its swarms: who drives them, and who hears of it.
actor SwarmSeat {
    /// The driver of the moment.
    nonisolated var driver: SwarmDriver { seat.driver }
    /// Where peers reach it, `ip:port`.
    nonisolated var address: String {
        Endpoint(host: host.ip, port: host.local.port).description
    }

    private let configuration: AgentConfiguration
    private let environment: ComponentEnvironment
    /// What drivers ask for; it outlives them.
    nonisolated let host: AgentHost
    private nonisolated let seat: DriverSeat

    /// How long a stop tells trackers of it.
    private static let leaveTimeout = Duration.seconds(1)

    init(
        configuration: AgentConfiguration,
        environment: ComponentEnvironment,
        store: BlobStore,
        trackers: TrackerRing
    ) {
        (self.configuration, self.environment) = (configuration, environment)
        let host = AgentHost(
            trackers: trackers,
            joins: JoinDesk(
                trackers: trackers,
                eventLoop: environment.eventLoop,
                limits: configuration.limits
            ),
            ip: configuration.peerIP ?? configuration.host,
            local: LocalPeer(),
            log: environment.log
        )
        self.host = host
        let settings = SchedulerSettings(
            configuration.swarm,
            egress: configuration.egress,
            ingress: configuration.ingress
        )
        seat = DriverSeat(settings, port: configuration.peerPort) { settings, port in
            Self.makeDriver(settings, port, configuration, environment, store, host)
        }
    }

    /// Listens for peers.
    /// - Throws: ``SwarmError`` `.cannotListen`.
    func start() async throws {
        let makePeerID: (@Sendable (Int) -> PeerID)?
        switch configuration.peerIDFactory {
        case .random: makePeerID = nil
        case .addressHash: makePeerID = { [ip = host.ip] in PeerID(hashOfAddress: ip, port: $0) }
        }
        let port = try await seat.start(makePeerID: makePeerID)
        host.local.bound(to: port, as: await driver.peerID)
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

    /// Goes on by the rules of `settings`, with another driver; what had begun is taken up again.
    /// - Throws: 503 when it has been stopped, ``SwarmError`` when it can't listen any more.
    func reload(_ settings: SchedulerSettings) async throws {
        do {
            let port = try await seat.replace(by: settings)
            host.local.bound(to: port, as: await driver.peerID)
        } catch let error as SwarmError where error.code == .stopped {
            throw HTTPProblem.unavailable("the agent stops")
        }
        environment.log.notice("the scheduler's rules were replaced")
        await resume()
    }

    /// Leaves all swarms.
    func stop() async {
        await seat.close()
        let swarms = await driver.snapshot().swarms
        let peerID = await driver.peerID
        await driver.stop()
        // Who is killed says no goodbye.
        guard !environment.faults.isKilled else { return }
        await host.leave(swarms, as: peerID, within: Self.leaveTimeout)
    }

    private static func makeDriver(
        _ settings: SchedulerSettings,
        _ port: Int,
        _ configuration: AgentConfiguration,
        _ environment: ComponentEnvironment,
        _ store: BlobStore,
        _ host: AgentHost
    ) -> SwarmDriver {
        var generator = SystemRandomNumberGenerator()
        let driver = SwarmDriverConfiguration(
            peerID: PeerID(randomFrom: &generator),
            host: configuration.host,
            port: port,
            role: .agent,
            policy: settings.policy,
            limits: configuration.limits,
            egress: settings.egress,
            ingress: settings.ingress,
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
