// SPDX-License-Identifier: Apache-2.0

import Content
import Files
import Glibc
import Synchronization
import TUI
import Telemetry

/// Network-event logs that others write, such as Kraken's components: read to their ends again and again, and made into what
/// the swarm must look like.
final class EventLogs: Sendable {
    private struct State {
        var tails: [EventLogTail]
        var replay: EventReplay
        var events: [ClusterEvent] = []
        var dropped: UInt64 = 0
        var nextSequence: UInt64 = 1
        var badLines = 0
    }

    private let state: Mutex<State>
    /// Events kept between two samples.
    private static let eventsMax = EventWindow.eventsMax

    /// The logs at `paths`.
    ///
    /// - Parameter isAlone: whether nobody else names components, so that hosts may be numbered like a herd's.
    init(_ paths: [String], isAlone: Bool) {
        let replay = EventReplay(naming: isAlone ? .numbers : .peers)
        state = Mutex(State(tails: paths.map { EventLogTail($0) }, replay: replay))
    }

    /// Reads what was written since the last time; blocks.
    /// - Throws: `FileError` when a log can't be read; the others were read all the same.
    func read() throws {
        try state.withLock { state in
            var failure: (any Error)?
            var events: [ClusterEvent] = []
            for index in state.tails.indices {
                do {
                    try state.tails[index].read { line in
                        if case .event(let event) = line { events.append(event) }
                    }
                } catch {
                    failure = failure ?? error
                }
            }
            // Each log is in order by itself.
            events.sort { $0.timestamp < $1.timestamp }
            for event in events {
                var named = state.replay.take(event)
                if event.component.isEmpty {
                    // Lines of Kraken's have no numbers, and those of several files, or lives of a file, would be alike.
                    named.sequence = state.nextSequence
                    state.nextSequence += 1
                }
                state.events.append(named)
            }
            let surplus = state.events.count - Self.eventsMax
            if surplus > 0 {
                state.events.removeFirst(surplus)
                state.dropped += UInt64(surplus)
            }
            if let failure { throw failure }
        }
    }

    /// Adds the hosts that the logs tell of to `sample`, and what happened since the last time; those that are in it already
    /// are left to speak for themselves.
    func add(to sample: inout Sample) {
        let told = Set(sample.snapshot.components.compactMap(\.peerID))
        state.withLock { state in
            let replayed = state.replay.snapshot(at: sample.snapshot.takenAt)
            sample.snapshot.components += replayed.components.filter { component in
                component.peerID.map { !told.contains($0) } ?? true
            }
            sample.events += state.events.filter { event in
                event.localPeer.map { !told.contains($0) } ?? true
            }
            sample.droppedEvents += state.dropped
            (state.events, state.dropped) = ([], 0)
        }
    }
}

/// A file that grows, and is read from where it was left; what takes its place is read from the beginning.
struct EventLogTail: Sendable {
    private struct Identity: Hashable {
        let device: UInt64
        let inode: UInt64
    }

    let path: String
    private var file: SharedFile?
    private var identity: Identity?
    private var offset = 0
    private var reader = RecordReader()
    private static let chunkBytes = 1 << 20

    /// The file at `path`, which need not be there yet.
    init(_ path: String) { self.path = path }

    /// Hands the records that have come since the last time to `take`; blocks.
    /// - Throws: `FileError` when it can't be read.
    mutating func read(_ take: (RecordLine) -> Void) throws {
        var status = stat()
        let isThere = stat(path, &status) == 0
        let current = Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
        if let file {
            // The last lines of a log that was moved away count, too.
            if try file.size() < offset { begin() }
            try drain(file, take)
            guard isThere, current != identity else { return }
            reader.finish().map(take)
        }
        file = try SharedFile.openForReading(path)
        identity = current
        begin()
        if let file { try drain(file, take) }
    }

    private mutating func begin() { (offset, reader) = (0, RecordReader()) }

    private mutating func drain(_ file: SharedFile, _ take: (RecordLine) -> Void) throws {
        var buffer = [UInt8](repeating: 0, count: Self.chunkBytes)
        while true {
            let count = try buffer.withUnsafeMutableBytes { try file.read(into: $0, at: offset) }
            guard count > 0 else { return }
            offset += count
            for line in reader.read(buffer[..<count]) { take(line) }
        }
    }
}
