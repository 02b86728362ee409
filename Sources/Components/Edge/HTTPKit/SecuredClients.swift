// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import ClusterConfiguration
import NIOCore
import NIOSSL
import Tracing
import TransportSecurity

/// The clients that ask the members of a cluster over TLS: their own, because a certificate of this cluster is for no one else
/// to see, and a name that all members share is compared on every connection.
struct SecuredClients: Sendable {
    let control: LoopClients
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
        func checked(
            _ configuration: AsyncHTTPClient.HTTPClient.Configuration
        ) -> AsyncHTTPClient.HTTPClient.Configuration {
            guard let name else { return configuration }
            var configuration = configuration
            let next = configuration.http1_1ConnectionDebugInitializer
            configuration.http1_1ConnectionDebugInitializer = { channel in
                Self.check(name, on: channel).flatMap {
                    next?(channel) ?? channel.eventLoop.makeSucceededVoidFuture()
                }
            }
            return configuration
        }
        control = LoopClients(on: eventLoopGroup, checked(configurations.control))
        bulk = AsyncHTTPClient.HTTPClient(
            eventLoopGroupProvider: .shared(eventLoopGroup),
            configuration: checked(configurations.bulk)
        )
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

/// How connections are made and kept: those for small requests, and those over which long bodies come.
struct ClientConfigurations: Sendable {
    let control: AsyncHTTPClient.HTTPClient.Configuration
    let bulk: AsyncHTTPClient.HTTPClient.Configuration
    /// What records spans of requests; nil: nothing does.
    let tracer: (any Tracer)?

    init(
        connectTimeout: Duration,
        bulkReadTimeout: Duration,
        addresses: [String: String],
        isTraced: Bool
    ) {
        var configuration = AsyncHTTPClient.HTTPClient.Configuration()
        tracer = isTraced ? configuration.tracing.tracer : nil
        // We do that ourselves, see `traced(by:_:)`.
        configuration.tracing.tracer = nil
        configuration.dnsOverride = addresses
        configuration.redirectConfiguration = .disallow
        configuration.httpVersion = .http1Only
        configuration.timeout.connect = TimeAmount(connectTimeout)
        configuration.connectionPool.idleTimeout = .seconds(30)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
        // One failed attempt is reported at once: whoever asks knows further hosts, or repeats.
        configuration.connectionPool.retryConnectionEstablishment = false
        control = configuration
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
