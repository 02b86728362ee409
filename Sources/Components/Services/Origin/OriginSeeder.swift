// SPDX-License-Identifier: Apache-2.0

import BlobStorage
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

/// An origin in the swarms of its blobs: it seeds what peers ask for and never dials.
final class OriginSeeder: Sendable {
    private let seat: DriverSeat
    private let configuration: OriginConfiguration
    private let log: Logger
    private let context: Mutex<PeerContext>

    init(
        blobs: OriginBlobs,
        configuration: OriginConfiguration,
        environment: ComponentEnvironment
    ) {
        (self.configuration, log) = (configuration, environment.log)
        let ip = configuration.peerIP ?? configuration.peerHost
        context = Mutex(
            PeerContext(
                ip: ip,
                port: configuration.peerPort,
                peerID: PeerID(hashOfAddress: ip, port: configuration.peerPort),
                zone: configuration.zone,
                cluster: configuration.clusterName,
                isOrigin: true
            )
        )
        let settings = SchedulerSettings(
            configuration.swarm,
            egress: configuration.egress,
            ingress: configuration.ingress
        )
        let host = Host(blobs: blobs, log: environment.log)
        seat = DriverSeat(settings, port: configuration.peerPort) { settings, port in
            Self.makeDriver(settings, port, host, configuration, environment)
        }
    }

    private static func makeDriver(
        _ settings: SchedulerSettings,
        _ port: Int,
        _ host: Host,
        _ configuration: OriginConfiguration,
        _ environment: ComponentEnvironment
    ) -> SwarmDriver {
        SwarmDriver(
            configuration: SwarmDriverConfiguration(
                peerID: PeerID(
                    hashOfAddress: configuration.peerIP ?? configuration.peerHost,
                    port: port
                ),
                host: configuration.peerHost,
                port: port,
                role: .origin,
                policy: settings.policy,
                limits: configuration.limits,
                egress: settings.egress,
                ingress: settings.ingress,
                seed: .random(in: .min ... .max)
            ),
            eventLoop: environment.eventLoop,
            store: host.blobs.store,
            host: host,
            events: environment.events,
            counters: environment.counters,
            log: environment.log,
            faults: environment.faults,
            security: environment.security
        )
    }

    private var driver: SwarmDriver { seat.driver }

    /// Who the origin is in the peer protocol.
    var peerContext: PeerContext { context.withLock { $0 } }

    /// Listens for peers from now on; answers at which address.
    func start() async throws -> String {
        let ip = peerContext.ip
        let factory = configuration.peerIDFactory
        let port = try await seat.start { port in
            switch factory {
            case .addressHash: return PeerID(hashOfAddress: ip, port: port)
            case .random:
                var generator = SystemRandomNumberGenerator()
                return PeerID(randomFrom: &generator)
            }
        }
        let peerID = await driver.peerID
        context.withLock { context in
            context.port = port
            context.peerID = peerID
        }
        return address
    }

    /// Where peers reach it, `ip:port`.
    var address: String {
        let context = peerContext
        return Endpoint(host: context.ip, port: context.port).description
    }

    /// Goes on by the rules of `settings`, with another driver: connections are closed, and peers come again.
    /// - Throws: `SwarmError` when it has been stopped, or can't listen any more.
    func reload(_ settings: SchedulerSettings) async throws {
        let port = try await seat.replace(by: settings)
        context.withLock { $0.port = port }
        log.notice("the scheduler's rules were replaced")
    }

    /// Sends and receives no more than this from now on; nil: no limit.
    func limit(egress: ByteRate?, ingress: ByteRate?) async {
        await driver.limit(egress: egress, ingress: ingress)
    }

    /// Ends all connections.
    func stop() async {
        await seat.close()
        await driver.stop()
    }

    /// Leaves the swarm of `digest`, whose blob is gone or cut anew.
    func leave(_ digest: Digest) async { await driver.leave(digest) }

    /// Who the origin is and the swarms, for `GET /status`.
    func snapshot() async -> SwarmDriverSnapshot { await driver.snapshot() }

    /// What the origin does for its swarms.
    private struct Host: SwarmHost {
        let blobs: OriginBlobs
        let log: Logger

        func announce(
            _ announce: SwarmAnnounce
        ) async throws -> (peers: [PeerInfo], interval: Duration) {
            // Trackers ask origins; these never announce themselves.
            ([], .hours(1))
        }

        func blobMissing(_ digest: Digest, namespace: String) async {
            do {
                if let blob = try await blobs.store.cachedBlob(digest) {
                    // It came without meta info, as from an older cache; the peer will ask again.
                    _ = try await blobs.makeMetaInfo(of: blob)
                } else {
                    let namespace = try Namespace(namespace)
                    try blobs.leases.touch(digest)
                    try await blobs.refresher.begin(digest, namespace, replicates: false)
                }
            } catch {
                log.debug(
                    "a peer asked for a blob that can't be fetched",
                    metadata: [LogKey.blobDigest: "\(digest)", LogKey.error: "\(error)"]
                )
            }
        }
    }
}
