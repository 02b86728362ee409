// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import NIOCore
import NIOPosix

/// A client for each event loop: a task that runs on a loop is answered on it, and no other thread has to be woken on the way.
///
/// One client for all loops takes a connection where there is one; a request over a connection of another loop wakes a thread some
/// five times, which is much of what a small one costs. Asked for a connection of a certain loop, it closes that after each answer.
struct LoopClients: Sendable {
    private let clients: [ObjectIdentifier: AsyncHTTPClient.HTTPClient]
    private let others: AsyncHTTPClient.HTTPClient

    /// Connections to a host that a loop has at least, before requests wait for one.
    private static let connectionsMin = 8

    /// Clients with `configuration` for all loops of `eventLoopGroup`.
    init(
        on eventLoopGroup: any EventLoopGroup,
        _ configuration: AsyncHTTPClient.HTTPClient.Configuration
    ) {
        let loops = Array(eventLoopGroup.makeIterator())
        // All loops together may have as many as one client would.
        var share = configuration
        share.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = max(
            Self.connectionsMin,
            configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit
                / max(1, loops.count)
        )
        var clients: [ObjectIdentifier: AsyncHTTPClient.HTTPClient] = [:]
        for loop in loops {
            clients[ObjectIdentifier(loop)] = AsyncHTTPClient.HTTPClient(
                eventLoopGroupProvider: .shared(loop),
                configuration: share
            )
        }
        self.clients = clients
        others = AsyncHTTPClient.HTTPClient(
            eventLoopGroupProvider: .shared(eventLoopGroup),
            configuration: configuration
        )
    }

    /// The client of the loop that the caller runs on; for all others, one whose connections are on any loop.
    var current: AsyncHTTPClient.HTTPClient {
        MultiThreadedEventLoopGroup.currentEventLoop.flatMap { clients[ObjectIdentifier($0)] }
            ?? others
    }

    func shutdown() async throws {
        for client in clients.values { try await client.shutdown() }
        try await others.shutdown()
    }
}
