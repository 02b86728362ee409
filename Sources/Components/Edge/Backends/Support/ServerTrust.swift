// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Files
import Logging
import NIOSSL
import Synchronization
import TransportSecurity

/// Whose word is taken for the certificate of a backend's server besides that of the system's authorities, and what that server is
/// shown of ours. The files are read at the first request, and again when they change.
final class ServerTrust: Sendable {
    private let settings: ClusterConfiguration.TransportSettings
    /// Whether a URL is of the server itself, not of one that it leads to.
    private let isOwn: @Sendable (_ url: String) -> Bool
    private let pool: BlockingPool
    private let log: Logger
    /// The reading of the files; nil before, and when it has failed.
    private let reading = Mutex<Task<TransportSecurity, any Error>?>(nil)

    /// What `settings` say of how the servers whose URLs are `isOwn` are asked.
    init(
        _ settings: ClusterConfiguration.TransportSettings,
        pool: BlockingPool,
        log: Logger,
        isOwn: @escaping @Sendable (_ url: String) -> Bool
    ) {
        (self.settings, self.pool, self.log, self.isOwn) = (settings, pool, log, isOwn)
    }

    /// How a connection for `url` begins. Servers that the own one leads to need not know our certificate.
    /// - Throws: ``BackendError`` `.unavailable` when the files can't be used: they may be there the next time.
    func configuration(for url: String) async throws -> TLSConfiguration? {
        guard url.hasPrefix("https://") else { return nil }
        let task = reading.withLock { reading in
            let task =
                reading
                ?? Task { [settings, pool, log] in
                    try await TransportSecurity.open(
                        settings,
                        pool: pool,
                        log: log,
                        isMeasured: false
                    )
                }
            reading = task
            return task
        }
        do {
            guard var configuration = try await task.value.clientConfiguration else { return nil }
            if !isOwn(url) {
                (configuration.certificateChain, configuration.privateKey) = ([], nil)
            }
            return configuration
        } catch {
            reading.withLock { if $0 == task { $0 = nil } }
            throw BackendError(
                .unavailable,
                what: "ask \(url.prefix { $0 != "?" })",
                why: "\(error)",
                remedy: "check the files under security.tls"
            )
        }
    }
}
