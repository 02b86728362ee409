// SPDX-License-Identifier: Apache-2.0

import BlobStorage
package import Content
import Logging
import NIOCore
import NIOPosix
import Primitives
import SwarmCore
import Telemetry

/// Starting and stopping.
extension SwarmDriver {
    /// Who this host is to its peers.
    package var peerID: PeerID { scheduler.localPeer }

    /// Listens for peers; answers the port.
    /// - Parameter makePeerID: makes the peer id from the port, for ids that are a hash of the address.
    /// - Throws: ``SwarmError`` `.cannotListen`.
    package func start(makePeerID: (@Sendable (Int) -> PeerID)? = nil) async throws -> Int {
        let channel: any Channel
        do {
            channel = try await bind()
        } catch {
            throw SwarmError.cannotListen(
                host: configuration.host,
                port: configuration.port,
                error
            )
        }
        let port = channel.localAddress?.port ?? configuration.port
        if let makePeerID {
            scheduler = SwarmScheduler(
                localPeer: makePeerID(port),
                role: configuration.role,
                policy: configuration.policy,
                limits: configuration.limits,
                seed: configuration.seed
            )
        }
        listener = channel
        heedFaults()
        // Accepting begins only now that the id in our handshakes is settled.
        try await channel.setOption(.autoRead, value: true).get()
        return port
    }

    private nonisolated func bind() async throws -> any Channel {
        try await ServerBootstrap(group: eventLoop)
            .serverChannelOption(.backlog, value: CInt(configuration.limits.listenBacklog))
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.autoRead, value: false)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    try self.assumeIsolated { try $0.welcome(channel) }
                }
            }
            .bind(host: configuration.host, port: configuration.port)
            .get()
    }

    /// Takes up again what earlier runs of the process have begun to download.
    /// - Throws: `FileError`; what can't be resumed on its own account is logged and left.
    package func resumeUnfinished() async throws {
        for (metaInfo, namespace) in try await store.unfinishedDownloads() {
            do {
                let namespace = namespace ?? .proxyUploads
                try await open(metaInfo, namespace: namespace, isLocalRequest: false)
            } catch {
                log.warning(
                    "could not resume a download",
                    metadata: [
                        LogKey.blobDigest: "\(metaInfo.digest)", LogKey.error: "\(error)",
                    ]
                )
            }
        }
    }

    /// Ends everything: connections are closed, those who wait are told, partial data stays on disk. Returns when it is
    /// done, after `bound` at the latest.
    package func stop(within bound: Duration = .seconds(5)) async {
        guard !isStopping else { return }
        isStopping = true
        listener?.close(promise: nil)
        listener = nil
        ignoreFaults()
        // Without a goodbye where the host is killed.
        if faults.isKilled { for connection in connections.keys { cut(connection) } }
        turn {
            deliver(.stopping)
            dials.removeAll()
            handshakes.removeAll()
            paceCheck = nil
            for connection in connections.keys { closeConnection(connection) }
        }
        for task in tasks.values { task.cancel() }
        guard !tasks.isEmpty else { return }
        let alarm = eventLoop.scheduleTask(in: .nanoseconds(bound.nanoseconds)) { [self] in
            assumeIsolated { $0.idleWaiter.take()?.resume() }
        }
        await withCheckedContinuation { idleWaiter = $0 }
        alarm.cancel()
    }

    /// Returns when the loop has come round: the driver is alive.
    package func probe() async {}
}
