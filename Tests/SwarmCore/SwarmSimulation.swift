// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import SwarmCore

/// A whole swarm in virtual time: real schedulers, a made-up network, one seed.
///
/// Links keep the order of what is sent, as TCP does; uplinks send one piece at a time at their rate. Faults: lost
/// control messages, slow peers, peers that die with or without a word, peers that send wrong bytes.
struct SwarmSimulation {
    /// What goes wrong.
    struct Faults {
        /// The share of control messages that vanish.
        var loss = Ratio(0, in: 1)
        /// Hosts whose uplink has a tenth of the rate.
        var slowHosts: Set<Int> = []
        /// Hosts whose pieces are wrong.
        var corruptHosts: Set<Int> = []
        /// The share of pieces that disks refuse.
        var diskFaults = Ratio(0, in: 1)
        /// The share of payloads that can't be read, and are answered by an error.
        var unreadable = Ratio(0, in: 1)
        /// The share of announces that no tracker ever answers.
        var unanswered = Ratio(0, in: 1)
        /// Hosts that end at an instant, and whether their connections are seen to close.
        var deaths: [(host: Int, at: Instant, isSeen: Bool)] = []
    }

    struct Host {
        var scheduler: SwarmScheduler
        let info: PeerInfo
        var isAlive = true
        var bytesPerSecond: Int
        var stored: Set<PieceIndex> = []
        var isCommitted = false
        var isUplinkBusy = false
        var sends: [Send] = []
        var receiving: [ConnectionID: PieceIndex] = [:]
        var nextIncoming: UInt64 = 2
        var alarm: Instant?
        /// Alarms in a row that were due when they were set.
        var spins = 0
        var forgotten: ForgetReason?
        var payloadsReceived = 0
        var payloadsRejected = 0
        var payloadsSent = 0
    }

    struct Send: Equatable {
        let connection: ConnectionID
        let piece: PieceIndex
    }

    /// One connection as its two ends know it.
    struct Link {
        let opener: (host: Int, connection: ConnectionID)
        var acceptor: (host: Int, connection: ConnectionID)
        var isOpen = false
        var isClosed = false
        var lastDelivery: [Instant] = [.origin, .origin]
    }

    private struct Entry {
        let at: Instant
        let sequence: Int
        let action: (inout SwarmSimulation) -> Void
    }

    let metaInfo: MetaInfo
    let originCount: Int
    let faults: Faults
    let latency = Duration.milliseconds(2)
    var hosts: [Host] = []
    private(set) var now = Instant.origin
    /// A sum over everything that every scheduler did, in order; kept when ``isTraced``.
    private(set) var trace: UInt64 = 0xcbf2_9ce4_8422_2325
    var isTraced = false
    /// Broken rules, in words; a correct run has none.
    var violations: [String] = []
    var links: [Link] = []
    var linkOf: [Int: [ConnectionID: Int]] = [:]
    private var queue: [Entry] = []
    private var sequence = 0
    var generator: Generator
    var announced: [Int] = []
    private var checks = 0
    let policy: SwarmPolicy

    init(
        seed: UInt64,
        leechers: Int,
        origins: Int = 1,
        pieces: Int,
        faults: Faults = Faults(),
        policy: SwarmPolicy = SwarmPolicy(),
        bytesPerSecond: Int = 100 << 20
    ) throws {
        generator = Generator(seed: seed)
        (originCount, self.faults, self.policy) = (origins, faults, policy)
        let layout = try Unwrap.value(PieceLayout(blobBytes: pieces << 20, pieceBytes: 1 << 20))
        let digest = try Unwrap.value(Digest(bytes: [UInt8](repeating: 7, count: 32)))
        let sums = (0..<pieces).map { UInt32($0) }
        metaInfo = try MetaInfo(digest: digest, layout: layout, pieceSums: sums)
        for index in 0..<origins + leechers {
            let isOrigin = index < origins
            let info = PeerInfo(
                peerID: PeerID(randomFrom: &generator),
                ip: "10.0.0.\(index)",
                port: 1000 + index,
                isOrigin: isOrigin,
                isComplete: isOrigin
            )
            let scheduler = SwarmScheduler(
                localPeer: info.peerID,
                role: isOrigin ? .origin : .agent,
                policy: policy,
                limits: Limits(),
                seed: generator.next()
            )
            let rate = faults.slowHosts.contains(index) ? bytesPerSecond / 10 : bytesPerSecond
            hosts.append(Host(scheduler: scheduler, info: info, bytesPerSecond: rate))
        }
        for death in faults.deaths {
            schedule(at: death.at) { $0.kill(death.host, isSeen: death.isSeen) }
        }
        for index in origins..<hosts.count {
            let start = Instant.origin.advanced(by: .milliseconds(generator.below(20)))
            schedule(at: start) { $0.open(index) }
        }
    }

    /// The leechers that are alive.
    var survivors: [Int] { (originCount..<hosts.count).filter { hosts[$0].isAlive } }

    // MARK: - Running

    /// Runs until `isDone`, or until nothing is left to do or `deadline` has passed; answers whether it is done.
    mutating func run(until deadline: Instant, isDone: (SwarmSimulation) -> Bool) -> Bool {
        while let entry = pop(before: deadline) {
            if entry.at < now { violations.append("an event in the past") }
            now = max(now, entry.at)
            entry.action(&self)
            if isDone(self) { return true }
        }
        return isDone(self)
    }

    /// Pieces of a hundred that came from leechers.
    var percentFromLeechers: Int {
        let sent = (0..<originCount).reduce(0) { $0 + hosts[$1].payloadsSent }
        let received = hosts.reduce(0) { $0 + $1.payloadsReceived }
        return received == 0 ? 0 : 100 - 100 * sent / received
    }

    /// Runs until every leecher alive has the blob.
    mutating func complete(within limit: Duration) -> Bool {
        run(until: .origin.advanced(by: limit)) { world in
            world.survivors.allSatisfy { world.hosts[$0].isCommitted }
        }
    }

    private mutating func pop(before deadline: Instant) -> Entry? {
        guard let first = queue.first, first.at <= deadline else { return nil }
        let last = queue.removeLast()
        if !queue.isEmpty {
            queue[0] = last
            siftDown()
        }
        return first
    }

    mutating func schedule(
        at instant: Instant,
        _ action: @escaping (inout SwarmSimulation) -> Void
    ) {
        sequence += 1
        queue.append(Entry(at: instant, sequence: sequence, action: action))
        var child = queue.count - 1
        while child > 0, precedes(queue[child], queue[(child - 1) / 2]) {
            queue.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    private func precedes(_ left: Entry, _ right: Entry) -> Bool {
        (left.at, left.sequence) < (right.at, right.sequence)
    }

    private mutating func siftDown() {
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < queue.count {
                if precedes(queue[child], queue[least]) { least = child }
            }
            if least == parent { return }
            queue.swapAt(parent, least)
            parent = least
        }
    }

    // MARK: - Hosts

    /// Lets a leecher want the blob, with what it stored before.
    mutating func open(_ host: Int) {
        var held = Bitfield(pieceCount: metaInfo.layout.pieceCount)
        for piece in hosts[host].stored { held.insert(piece) }
        let description = SwarmDescription(
            metaInfo: metaInfo,
            namespace: "ns",
            held: held,
            isCommitted: false,
            isLocalRequest: true
        )
        deliver(.opened(description), to: host)
    }

    /// Deletes the blob at a leecher.
    mutating func remove(_ host: Int) {
        hosts[host].stored = []
        hosts[host].isCommitted = false
        deliver(.removed(metaInfo.infoHash), to: host)
    }

    /// Puts pieces on a leecher's disk.
    mutating func setStored(_ host: Int, _ pieces: Set<PieceIndex>) { hosts[host].stored = pieces }

    private mutating func kill(_ host: Int, isSeen: Bool) {
        hosts[host].isAlive = false
        for index in links.indices where !links[index].isClosed {
            let link = links[index]
            guard link.opener.host == host || link.acceptor.host == host else { continue }
            links[index].isClosed = true
            let other = link.opener.host == host ? link.acceptor : link.opener
            guard isSeen else { continue }
            schedule(at: now.advanced(by: latency)) { world in
                world.hosts[other.host].receiving[other.connection] = nil
                world.deliver(.closed(other.connection, reason: "reset"), to: other.host)
            }
        }
    }

    mutating func deliver(_ event: SwarmScheduler.Event, to host: Int) {
        guard hosts[host].isAlive else { return }
        var effects: [SwarmScheduler.Effect] = []
        hosts[host].scheduler.handle(event, at: now, into: &effects)
        check(host)
        for effect in effects {
            if isTraced { record(host, effect) }
            perform(effect, of: host)
        }
        guard let deadline = hosts[host].scheduler.nextDeadline, deadline != hosts[host].alarm
        else {
            return
        }
        hosts[host].spins = deadline <= now ? hosts[host].spins + 1 : 0
        guard hosts[host].spins < 1000 else {
            violations.append("the timer of host \(host) spins")
            return
        }
        hosts[host].alarm = deadline
        schedule(at: max(deadline, now)) { world in
            guard world.hosts[host].alarm == deadline else { return }
            world.hosts[host].alarm = nil
            world.deliver(.timePassed, to: host)
        }
    }

    private mutating func check(_ host: Int) {
        checks += 1
        // Every piece at every event would take most of the time.
        let isThorough = checks % 64 == 0
        for rule in hosts[host].scheduler.checkInvariants(isThorough: isThorough) {
            violations.append("host \(host) at \(now): \(rule)")
        }
        guard host >= originCount,
            let snapshot = hosts[host].scheduler.snapshot(of: metaInfo.infoHash, at: now)
        else { return }
        // Whatever it counts as held was checked by its disk.
        if snapshot.held.heldCount != hosts[host].stored.count {
            violations.append("host \(host) holds what was not checked")
        }
    }

    private mutating func record(_ host: Int, _ effect: SwarmScheduler.Effect) {
        for byte in "\(now.nanoseconds) \(host) \(effect)".utf8 {
            trace = (trace ^ UInt64(byte)) &* 0x100_0000_01b3
        }
    }
}

/// Turns an absent value into an error, for test set-up.
enum Unwrap {
    struct Missing: Error {}
    static func value<Value>(_ value: Value?) throws -> Value {
        guard let value else { throw Missing() }
        return value
    }
}
