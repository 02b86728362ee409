// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import Telemetry

/// A change of a tag: what it shall name, and what has to follow from that.
struct TagChange: Hashable, Sendable {
    /// What the tag shall name; nil: there shall be no such tag.
    var digest: Digest?
    /// When a neighbour made the change; nil: it is made now.
    var madeAt: Timestamp?
    /// When the backend shall be told; nil when it says so already.
    var writeBackAfter: Duration?
    /// Whether a neighbour took the change, which will tell the backend, too.
    var isNeighbours = false

    /// What is to be kept of a tag of which `before` was known.
    func record(after before: TagRecord?, at now: Timestamp) -> TagRecord {
        // Never before what it replaces, even when the clock was set back.
        let next = before.map { $0.putAt.unixNanoseconds + 1 } ?? .min
        let moment = madeAt ?? Timestamp(unixNanoseconds: max(now.unixNanoseconds, next))
        var record = TagRecord(digest: digest, putAt: moment)
        guard let writeBackAfter else { return record }
        var due = Timestamp(unixNanoseconds: now.unixNanoseconds + writeBackAfter.nanoseconds)
        if before?.digest == digest, let owed = before?.writeBack { due = min(due, owed.dueAt) }
        let origin = isNeighbours ? origin(replacing: before) : .client
        record.writeBack = .init(dueAt: due, origin: origin)
        return record
    }

    /// Whose the write-back of a neighbour's change is that replaces `before`.
    private func origin(replacing before: TagRecord?) -> TagRecord.Origin {
        switch before?.writeBack?.origin {
        // We owe the backend a write, so what it says now is nobody's latest word.
        case .client: .client
        // What is deleted was put before, by the neighbour or by us.
        case .neighbour where digest == nil: .neighbour(replaced: before?.digest)
        // The neighbour may not have come to write yet: the backend may still say what was there
        // before both puts.
        case .neighbour(let replaced): .neighbour(replaced: replaced)
        case nil: .neighbour(replaced: before?.digest)
        }
    }
}
