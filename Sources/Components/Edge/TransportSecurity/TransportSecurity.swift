// SPDX-License-Identifier: Apache-2.0

package import ClusterConfiguration
package import Files
package import Logging
package import NIOSSL
import Synchronization
import Telemetry

/// What closes a process's connections to others: its certificates, which are read again when their files change. Open
/// connections keep what they began with; a file that can't be used leaves what was in force.
package final class TransportSecurity: Sendable {
    /// Which files, and what is asked of clients.
    package let settings: TransportSettings
    private let pool: BlockingPool
    private let log: Logger
    private let gauges: ExpiryGauges?
    private let state: Mutex<State>

    private struct State {
        var material: TransportMaterial
        var stamps: [FileStatus?]
        var checkedAt = ContinuousClock.now
        var isChecking = false
    }

    /// How long nobody looks whether there are other files.
    private static var interval: Duration { .seconds(5) }

    private init(
        _ settings: TransportSettings,
        pool: BlockingPool,
        log: Logger,
        isMeasured: Bool,
        first: (TransportMaterial, [FileStatus?])
    ) {
        (self.settings, self.pool, self.log) = (settings, pool, log)
        gauges = isMeasured ? ExpiryGauges(settings) : nil
        state = Mutex(State(material: first.0, stamps: first.1))
        gauges?.record(first.0)
    }

    /// Reads the files that `settings` name, on `pool`; reports to `log` what goes wrong with later ones. Where `isMeasured`,
    /// metrics tell when the certificates end.
    /// - Throws: ``TransportSecurityError``.
    package static func open(
        _ settings: TransportSettings,
        pool: BlockingPool,
        log: Logger,
        isMeasured: Bool = true
    ) async throws -> TransportSecurity {
        let first = try await pool.run {
            // The stamps first: a file that is replaced in between is read again.
            let stamps = stamps(of: settings)
            return (try TransportMaterial(settings), stamps)
        }
        return TransportSecurity(
            settings,
            pool: pool,
            log: log,
            isMeasured: isMeasured,
            first: first
        )
    }

    /// What a server's connections begin with; nil where servers speak plain HTTP.
    package var serverContext: NIOSSLContext? { current.server }

    /// How other components are asked; nil where that is done over plain HTTP.
    package var clientConfiguration: TLSConfiguration? { current.client }

    /// What connections between peers begin with; nil where these speak in the open.
    package var peerContexts: PeerContexts? { current.peers }

    /// When the certificates end.
    package var expiries: CertificateExpiries { state.withLock { $0.material.expiries } }

    private var current: TransportMaterial {
        let (material, isDue) = state.withLock { state in
            let isDue = !state.isChecking && .now - state.checkedAt >= Self.interval
            if isDue { state.isChecking = true }
            return (state.material, isDue)
        }
        // Unstructured: whoever connects just now shall not wait for the disk, and what it gets is good still.
        if isDue { Task { await check(isForced: false) } }
        return material
    }

    /// Reads the files again, changed or not.
    package func reload() async { await check(isForced: true) }

    private func check(isForced: Bool) async {
        let known = state.withLock { $0.stamps }
        let settings = settings
        let fresh: (TransportMaterial, [FileStatus?])?
        do {
            fresh = try await pool.runUncancelled {
                let stamps = Self.stamps(of: settings)
                guard isForced || stamps != known else { return nil }
                return (try TransportMaterial(settings), stamps)
            }
        } catch {
            log.error(
                "certificates can't be read; those read before stay in force",
                metadata: [LogKey.error: "\(error)"]
            )
            fresh = nil
        }
        let material = state.withLock { state in
            (state.isChecking, state.checkedAt) = (false, .now)
            if let fresh { (state.material, state.stamps) = fresh }
            return state.material
        }
        gauges?.record(material)
        guard fresh != nil else { return }
        log.notice("certificates were read again", metadata: ["expiry": "\(material.expiries)"])
    }

    /// Size, time and number of each file: what changes when one is replaced.
    private static func stamps(of settings: TransportSettings) -> [FileStatus?] {
        let sides = [settings.server, settings.client].compactMap { $0 }
        let paths =
            settings.authorities
            + sides.flatMap { [$0.certificate, $0.key] + ($0.passphrase.map { [$0] } ?? []) }
        // One that can't be looked at counts as absent; reading it tells why.
        return paths.map { try? FileStatus.of($0) }
    }
}
