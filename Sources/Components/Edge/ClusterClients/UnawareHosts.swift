// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Which hosts do not know a request of Herd's own, as Kraken's; they are tried again after a while, since they may be replaced.
final class UnawareHosts: Sendable {
    private let unawareUntil = Mutex<[String: ContinuousClock.Instant]>([:])
    private static let pause = Duration.seconds(300)

    /// Whether the host at `address` may know the request.
    func mayKnow(_ address: String) -> Bool {
        unawareUntil.withLock { unaware in
            guard let end = unaware[address] else { return true }
            guard end <= ContinuousClock.now else { return false }
            unaware[address] = nil
            return true
        }
    }

    /// The host at `address` has just said that it does not know it.
    func note(_ address: String) {
        unawareUntil.withLock { $0[address] = ContinuousClock.now.advanced(by: Self.pause) }
    }
}
