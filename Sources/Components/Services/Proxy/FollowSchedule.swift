// SPDX-License-Identifier: Apache-2.0

/// What of an upload is sent on while it still comes in, and when: in chunks, one at a time.
struct FollowSchedule: Hashable {
    /// What to do next.
    enum Step: Hashable {
        /// Send these bytes.
        case send(Range<Int>)
        /// Wait for more of them.
        case wait
        /// Send no more: all bytes are in, and who commits the upload sends the rest; or it was given up.
        case stop
    }

    private enum Phase: Hashable { case receiving, sealed, givenUp }

    /// Bytes sent at a time, and those that must have come in before an upload is followed at all: enough that a chunk's request
    /// costs little beside its bytes, few enough that little is left to be sent at the end.
    static let chunkBytes = 8 << 20

    private var phase = Phase.receiving
    private var receivedBytes = 0
    /// Where the bytes end that the other side has.
    private(set) var sentBytes = 0

    /// Notes that `bytes` bytes are in, all told; whether there is something to be done now.
    mutating func receive(upTo bytes: Int) -> Bool {
        let wasDue = next() != .wait
        receivedBytes = max(receivedBytes, bytes)
        return !wasDue && next() != .wait
    }

    /// Notes that no bytes follow.
    mutating func seal() { if phase == .receiving { phase = .sealed } }

    /// Notes that nobody wants the bytes any more.
    mutating func giveUp() { phase = .givenUp }

    /// Notes that the other side has the bytes before `end`.
    mutating func sent(upTo end: Int) { sentBytes = end }

    /// What to do next.
    func next() -> Step {
        guard phase == .receiving else { return .stop }
        let end = sentBytes + Self.chunkBytes
        return end <= receivedBytes ? .send(sentBytes..<end) : .wait
    }
}

/// Whether an upload is worth following.
///
/// Who owns a blob is known with its digest only, after the last byte. An origin followed before is one of its owners as often as
/// an origin owns a blob at all; where that is less than every second time, more bytes would be sent twice than early.
struct FollowPolicy {
    /// Every origin that was an owner of something: a list of hosts may be one name for all of them.
    private var origins: Set<String> = []
    /// Origins that are remembered at most.
    private static let originsMax = 1024

    /// Notes that `owners` are the owners of some digest.
    mutating func note(_ owners: [String]) {
        for owner in owners where origins.count < Self.originsMax { origins.insert(owner) }
    }

    /// Whether an origin is likely to own a blob, as many as `owners` do, of `hostCount` in the list.
    func isWorthIt(owners: [String], hostCount: Int) -> Bool {
        2 * owners.count >= max(hostCount, origins.count)
    }
}
