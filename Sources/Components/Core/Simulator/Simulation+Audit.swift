// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import SwarmCore

/// What must hold in every run.
package enum Invariant: String, CaseIterable, Sendable {
    /// Time goes forward.
    case noEventInThePast = "no_event_in_the_past"
    /// Schedulers count exactly the pieces that disks hold, and only such are sent and committed.
    case verifiedPiecesOnly = "verified_pieces_only"
    /// No bound of `Limits` or of the policy is exceeded.
    case withinLimits = "within_limits"
    /// No piece is asked of two peers outside endgame, nor of three in it.
    case singleRequests = "single_requests"
    /// A connection that one side counts as active, the other does, too.
    case symmetricSlots = "symmetric_slots"
    /// The books of a scheduler agree with one another.
    case schedulerBooks = "scheduler_books"
    /// A timer that fires moves on.
    case timersAdvance = "timers_advance"
    /// Every live agent with a path to all pieces gets its blobs.
    case everyPeerCompletes = "every_peer_completes"
    /// Nothing of a finished swarm stays in memory.
    case memoryReleased = "memory_released"
    /// The activities of each uplink add up to its time.
    case ledgerAddsUp = "ledger_adds_up"
}

/// An invariant that did not hold.
package struct InvariantViolation: Sendable, Hashable {
    /// Which.
    package let invariant: Invariant
    /// What was seen.
    package let text: String
}

/// Looks after the invariants: says when to look, and keeps what was found.
struct Auditor: Sendable {
    /// The first violations.
    private(set) var violations: [InvariantViolation] = []
    /// Violations of each invariant, in the order of their cases.
    private(set) var counts = Array(repeating: 0, count: Invariant.allCases.count)
    private(set) var audits = 0
    private let interval: Int
    private var left: Int
    private static let violationsMax = 20

    init(interval: Int) { (self.interval, left) = (interval, interval) }

    /// Whether the scheduler at work is to be audited: every so many events one is.
    mutating func isDue() -> Bool {
        left -= 1
        guard left <= 0 else { return false }
        left = interval
        audits += 1
        return true
    }

    /// Whether this audit compares every count.
    var isThorough: Bool { audits % 16 == 0 }

    mutating func report(_ invariant: Invariant, _ text: String) {
        counts[Invariant.allCases.firstIndex(of: invariant) ?? 0] += 1
        if violations.count < Self.violationsMax {
            violations.append(InvariantViolation(invariant: invariant, text: text))
        }
    }
}

extension Simulation {
    /// Compares the books of one scheduler with each other and with the truth.
    mutating func audit(_ host: Int) {
        let scheduler = hosts[host].scheduler
        for rule in scheduler.checkInvariants(isThorough: auditor.isThorough) {
            auditor.report(.schedulerBooks, "host \(host) at \(now) ns: \(rule)")
        }
        if scheduler.connectionCount > plan.policy.slowConnectionsMax * blobs.count {
            auditor.report(.withinLimits, "host \(host) has too many connections")
        }
        for blob in blobs.indices {
            let hash = blobs[blob].hash
            guard let swarm = scheduler.snapshot(of: hash, at: Instant(nanoseconds: now)) else {
                continue
            }
            audit(swarm, blob, host)
        }
        let known = hosts[host].ends.count {
            ends[Int($0)].phase == .active || ends[Int($0)].phase == .dialling
        }
        if scheduler.connectionCount != known {
            auditor.report(
                .symmetricSlots,
                "host \(host) counts \(scheduler.connectionCount) connections, there are \(known)"
            )
        }
    }

    private mutating func audit(_ swarm: SwarmSnapshot, _ blob: Int, _ host: Int) {
        // Word by word: the scheduler's bits are those of the disk.
        let disk = words(host, blob).map { bits[$0] }
        if swarm.held.words != disk {
            auditor.report(
                .verifiedPiecesOnly,
                "host \(host) counts \(swarm.held.heldCount) pieces of blob \(blob), "
                    + "its disk \(disk.reduce(0) { $0 + $1.nonzeroBitCount })"
            )
        }
        let asked = swarm.peers.flatMap { $0.requestedPieces.map(\.value) }.sorted()
        let isEndgame = swarm.held.missingCount <= plan.policy.endgamePieces
        for (index, piece) in asked.enumerated() {
            let copies = isEndgame ? 2 : 1
            if index >= copies, asked[index - copies] == piece {
                auditor.report(
                    .singleRequests,
                    "host \(host) asks \(copies + 1) peers for piece \(piece) at \(now) ns"
                )
            }
        }
        for peer in swarm.peers where peer.sendingPieces.count > plan.limits.requestsFromPeerMax {
            auditor.report(.withinLimits, "host \(host) owes \(peer.sendingPieces.count) pieces")
        }
    }

    /// At the end of the time that downloads have.
    mutating func auditCompletion() {
        for host in plan.origins..<plan.hostCount
        where hosts[host].isAlive && hosts[host].missingBlobs > 0 {
            for blob in blobs.indices where !seats[seat(host, blob)].isCommitted {
                guard isWithinReach(blob), trackers.contains(where: \.isUp) else { continue }
                let held = seats[seat(host, blob)].heldCount
                auditor.report(
                    .everyPeerCompletes,
                    "host \(host) has \(held) of \(blobs[blob].pieceCount) pieces of blob \(blob) "
                        + "after \(now / 1_000_000_000) s"
                )
            }
        }
    }

    /// Whether the live, honest hosts together have the whole blob.
    private func isWithinReach(_ blob: Int) -> Bool {
        var missing = Bitfield.full(pieceCount: blobs[blob].pieceCount).words
        for host in hosts.indices where hosts[host].isAlive && hosts[host].isHonest {
            for (index, position) in words(host, blob).enumerated() {
                missing[index] &= ~bits[position]
            }
        }
        return missing.allSatisfy { $0 == 0 }
    }

    /// After everybody was done and idle for long enough.
    mutating func auditRelease() {
        for host in hosts.indices where hosts[host].isAlive {
            let scheduler = hosts[host].scheduler
            let swarms = scheduler.infoHashes.count
            if swarms > 0 || scheduler.connectionCount > 0 {
                auditor.report(
                    .memoryReleased,
                    "host \(host) keeps \(swarms) swarms and \(scheduler.connectionCount) connections"
                )
            }
        }
        let open = ends.count { $0.phase == .active }
        if open > 0 { auditor.report(.symmetricSlots, "\(open) ends of connections are left") }
    }
}
