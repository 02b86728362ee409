// SPDX-License-Identifier: Apache-2.0

package import ClusterConfiguration
package import Content
import Primitives
import Synchronization

/// A host's seat in its swarms: who drives them, and who takes over when the rules change.
package actor DriverSeat {
    /// Makes a driver that goes by `settings` and listens on `port`.
    package typealias Make = @Sendable (_ settings: SchedulerSettings, _ port: Int) -> SwarmDriver

    /// The driver of the moment.
    package nonisolated var driver: SwarmDriver { current.withLock { $0 } }

    private let make: Make
    private nonisolated let current: Mutex<SwarmDriver>
    private var port: Int
    /// The latest change of the rules; each waits for the one before.
    private var change: Task<Int, any Error>?
    private var isStopped = false

    /// A seat whose first driver goes by `settings` and listens on `port`; 0 picks a free one.
    package init(_ settings: SchedulerSettings, port: Int, make: @escaping Make) {
        (self.make, self.port) = (make, port)
        current = Mutex(make(settings, port))
    }

    /// Listens for peers; answers the port. `makePeerID` makes the peer id from it; nil: the driver has one.
    /// - Throws: ``SwarmError`` `.cannotListen`.
    package func start(makePeerID: (@Sendable (Int) -> PeerID)?) async throws -> Int {
        port = try await driver.start(makePeerID: makePeerID)
        return port
    }

    /// Goes on by the rules of `settings`, with another driver, as Kraken does: connections are closed, those who read a blob
    /// that is still on its way have to ask again, and what was fetched of it stays. Answers the port.
    /// - Throws: ``SwarmError`` `.stopped` when it has been stopped, `.cannotListen` when it can't listen any more.
    package func replace(by settings: SchedulerSettings) async throws -> Int {
        let before = change
        // A task of its own: a client that leaves must not leave us without a driver.
        let task = Task {
            _ = await before?.result
            return try await succeed(by: settings)
        }
        change = task
        return try await task.value
    }

    private func succeed(by settings: SchedulerSettings) async throws -> Int {
        guard !isStopped else { throw SwarmError.hostStops("replace the rules of the swarms") }
        let old = driver
        let peerID = await old.peerID
        await old.stop()
        var successor = make(settings, port)
        do {
            port = try await successor.start { _ in peerID }
        } catch {
            // Somebody was quick to take the port. Peers hear of another one in time.
            successor = make(settings, 0)
            port = try await successor.start { _ in peerID }
        }
        current.withLock { $0 = successor }
        return port
    }

    /// Lets no rules follow any more; returns when the last ones have.
    package func close() async {
        isStopped = true
        _ = await change?.result
    }
}
