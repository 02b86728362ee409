// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization

/// The open connections of one server: those that wait for a request make room for new ones, and all can be closed when a
/// drain takes too long.
final class ConnectionTable: Sendable {
    private let crowd: Int
    private let roomAtOnce: Int
    private let entries = Mutex<[ObjectIdentifier: Entry]>([:])

    private struct Entry {
        let channel: any Channel
        let rest: ConnectionRest
        /// Whether it was chosen to make room, and is on its way out.
        var isLeaving = false
    }

    /// The part of all connections that makes room at once, so that a look at all of them is worth it.
    private static let partThatLeaves = 16

    /// A table of a server that has at most `connectionsMax` connections.
    init(connectionsMax: Int) {
        // A server of a handful of connections has none to spare.
        roomAtOnce = connectionsMax / Self.partThatLeaves
        crowd = connectionsMax - roomAtOnce
    }

    /// Remembers `channel` until it closes, and has others make room when there are nearly too many.
    func add(_ channel: any Channel, _ rest: ConnectionRest) {
        let id = ObjectIdentifier(channel)
        let isCrowded = entries.withLock { entries in
            entries[id] = Entry(channel: channel, rest: rest)
            return roomAtOnce > 0 && entries.count > crowd
        }
        channel.closeFuture.whenComplete { _ in
            self.entries.withLock { $0[id] = nil }
        }
        if isCrowded { makeRoom(to: crowd) }
    }

    /// The connections that are open.
    var count: Int { entries.withLock { $0.count } }

    /// Closes some connections, those that have waited the longest for a request; they cost a client that still lives no
    /// more than another connection. Connections with a request in work stay.
    func makeRoom() { makeRoom(to: 0) }

    private func makeRoom(to crowd: Int) {
        let leaving = entries.withLock { entries in
            guard entries.count(where: { !$0.value.isLeaving }) > crowd else { return [Entry]() }
            // Read once: they may begin to work while they are sorted.
            let resting = entries.values.compactMap { entry in
                entry.isLeaving ? nil : entry.rest.since.map { (entry, since: $0) }
            }
            // Those that came last are about to ask for something; there is room for as many above the crowd.
            let longest = resting.sorted { $0.since < $1.since }.dropLast(roomAtOnce)
                .prefix(roomAtOnce)
            return longest.map { entry, _ in
                entries[ObjectIdentifier(entry.channel)]?.isLeaving = true
                return entry
            }
        }
        for entry in leaving {
            entry.channel.eventLoop.execute {
                // A request may just have come.
                guard entry.rest.since != nil else { return self.stay(entry.channel) }
                entry.channel.close(promise: nil)
            }
        }
    }

    private func stay(_ channel: any Channel) {
        entries.withLock { $0[ObjectIdentifier(channel)]?.isLeaving = false }
    }

    /// Closes all of them at once.
    func closeAll() {
        let open = entries.withLock { $0.values.map(\.channel) }
        for channel in open { channel.close(promise: nil) }
    }
}

/// Since when a connection has had nothing to do; written on its event loop, read anywhere.
final class ConnectionRest: Sendable {
    /// Uptime in nanoseconds; 0: it is at work.
    private let uptime = Atomic<UInt64>(NIODeadline.now().uptimeNanoseconds)

    /// When its last request was done; nil while one is in work.
    var since: NIODeadline? {
        let nanoseconds = uptime.load(ordering: .relaxed)
        return nanoseconds == 0 ? nil : .uptimeNanoseconds(nanoseconds)
    }

    /// Notes whether the connection has nothing to do now.
    func note(isResting: Bool) {
        guard isResting != (uptime.load(ordering: .relaxed) != 0) else { return }
        let now = isResting ? NIODeadline.now().uptimeNanoseconds : 0
        uptime.store(now, ordering: .relaxed)
    }
}
