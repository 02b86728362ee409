// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import ClusterConfiguration
import NIOCore
import NIOSSL
import TransportSecurity

/// The clients that ask the members of a cluster over TLS: their own, because a certificate of this cluster is for no one else
/// to see, and a name that all members share is compared on every connection.
struct SecuredClients: Sendable {
    let control: AsyncHTTPClient.HTTPClient
    let bulk: AsyncHTTPClient.HTTPClient
    let isForAll: Bool
    private let security: TransportSecurity

    init(
        _ security: TransportSecurity,
        isForAll: Bool,
        eventLoopGroup: any EventLoopGroup,
        configurations: ClientConfigurations
    ) {
        (self.security, self.isForAll) = (security, isForAll)
        let name = security.settings.name.map(ServerName.init)
        func client(
            _ configuration: AsyncHTTPClient.HTTPClient.Configuration
        ) -> AsyncHTTPClient.HTTPClient {
            var configuration = configuration
            if let name {
                let next = configuration.http1_1ConnectionDebugInitializer
                configuration.http1_1ConnectionDebugInitializer = { channel in
                    Self.check(name, on: channel).flatMap {
                        next?(channel) ?? channel.eventLoop.makeSucceededVoidFuture()
                    }
                }
            }
            return AsyncHTTPClient.HTTPClient(
                eventLoopGroupProvider: .shared(eventLoopGroup),
                configuration: configuration
            )
        }
        (control, bulk) = (client(configurations.control), client(configurations.bulk))
    }

    /// What connections begin with that are made now.
    var configuration: TLSConfiguration? { security.clientConfiguration }

    func shutdown() async throws {
        try await bulk.shutdown()
        try await control.shutdown()
    }

    /// Fails, and ends the connection, unless the server at the other end of `channel` has `name`.
    private static func check(_ name: ServerName, on channel: any Channel) -> EventLoopFuture<Void>
    {
        channel.eventLoop.submit {
            let handler = try channel.pipeline.syncOperations.handler(
                type: NIOSSLClientHandler.self
            )
            do {
                try name.check(handler.peerCertificate)
            } catch {
                channel.close(promise: nil)
                throw error
            }
        }
    }
}

/// How connections are made and kept: those for small requests, those over which long bodies come, and those over which parts of
/// files go.
struct ClientConfigurations: Sendable {
    let control: AsyncHTTPClient.HTTPClient.Configuration
    let bulk: AsyncHTTPClient.HTTPClient.Configuration
    /// Not traced by the client, which would begin a trace of its own for each request of this kind; see ``FileUpload``.
    let files: AsyncHTTPClient.HTTPClient.Configuration

    init(
        connectTimeout: Duration,
        bulkReadTimeout: Duration,
        addresses: [String: String],
        isTraced: Bool
    ) {
        var configuration = AsyncHTTPClient.HTTPClient.Configuration()
        if !isTraced { configuration.tracing.tracer = nil }
        configuration.dnsOverride = addresses
        configuration.redirectConfiguration = .disallow
        configuration.httpVersion = .http1Only
        configuration.timeout.connect = TimeAmount(connectTimeout)
        configuration.connectionPool.idleTimeout = .seconds(30)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
        // One failed attempt is reported at once: whoever asks knows further hosts, or repeats.
        configuration.connectionPool.retryConnectionEstablishment = false
        control = configuration
        var untraced = configuration
        untraced.tracing.tracer = nil
        files = untraced
        configuration.timeout.read = TimeAmount(bulkReadTimeout)
        configuration.connectionPool.idleTimeout = .seconds(5)
        configuration.http1_1ConnectionDebugInitializer = { channel in
            channel.setOption(
                .recvAllocator,
                value: FixedSizeRecvByteBufferAllocator(capacity: 1 << 20)
            ).flatMap { channel.setOption(.maxMessagesPerRead, value: 1) }
        }
        bulk = configuration
    }
}
