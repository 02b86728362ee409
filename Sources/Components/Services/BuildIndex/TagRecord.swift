// SPDX-License-Identifier: Apache-2.0

import Content
import Telemetry

/// What a build-index knows of one tag.
struct TagRecord: Hashable, Sendable {
    /// What the tag names; nil once it was deleted.
    var digest: Digest?
    /// When that was so first; of two changes of a tag the one made later stands, wherever they were made.
    var putAt: Timestamp
    /// What has yet to be done so that the backend says the same; nil when it does.
    var writeBack: WriteBack?

    /// A put that is not in the backend yet.
    struct WriteBack: Hashable, Sendable {
        /// When to write.
        var dueAt: Timestamp
        /// For a neighbour's put, which the neighbour itself writes first: what the tag named here
        /// before. The backend is written only if it still says that or nothing, so that a put that
        /// went elsewhere meanwhile is not undone.
        var origin: Origin
    }

    /// Who was asked to put the tag.
    enum Origin: Hashable, Sendable {
        /// We were: the backend gets our value whatever it says.
        case client
        /// A neighbour was.
        case neighbour(replaced: Digest?)
    }

    /// How long after `now` the backend is to be told; nil when it says the same. No longer than was meant at first, should the
    /// clock have been set back meanwhile.
    func writeBackDelay(at now: Timestamp) -> Duration? {
        guard let due = writeBack?.dueAt.unixNanoseconds else { return nil }
        let meant = max(0, due - putAt.unixNanoseconds)
        return .nanoseconds(min(max(0, due - now.unixNanoseconds), meant))
    }

    /// Whether a change at `moment` to `digest` comes after this one. Of two at the same moment, which only clocks of two
    /// members can bring about, all take the same one.
    func precedes(_ digest: Digest?, madeAt moment: Timestamp) -> Bool {
        if putAt != moment { return putAt < moment }
        guard let digest else { return self.digest != nil }
        return self.digest.map { $0 < digest } ?? false
    }
}

// MARK: - On disk

extension TagRecord {
    private static let version = 1

    /// The document on disk: one JSON object.
    var fileBytes: [UInt8] {
        var members: [JSON.Member] = [
            .init("version", .integer(Self.version)),
            digest.map { .init("digest", .string($0.description)) }
                ?? .init("deleted", .bool(true)),
            .init("put_at_ns", .integer(Int(putAt.unixNanoseconds))),
        ]
        if let writeBack {
            var pending: [JSON.Member] = [
                .init("due_at_ns", .integer(Int(writeBack.dueAt.unixNanoseconds)))
            ]
            if case .neighbour(let replaced) = writeBack.origin {
                pending.append(.init("neighbours", .bool(true)))
                if let replaced { pending.append(.init("replaced", .string(replaced.description))) }
            }
            members.append(.init("write_back", .object(pending)))
        }
        return JSON.object(members).utf8 + [UInt8(ascii: "\n")]
    }

    /// Reads the document that ``fileBytes`` writes.
    /// - Throws: `.invalidJSON`, `.invalidDigest` with what is wrong.
    init(fileBytes: [UInt8]) throws(ContentError) {
        let document = try JSON(parsing: fileBytes)
        guard document["version"]?.integer == Self.version,
            let putAt = document["put_at_ns"]?.integer
        else {
            throw ContentError(.invalidJSON, what: "read tag record", why: "not of version 1")
        }
        if document["deleted"]?.bool != true {
            digest = try Digest(parsing: document["digest"]?.string ?? "")
        }
        self.putAt = Timestamp(unixNanoseconds: Int64(putAt))
        guard let pending = document["write_back"] else { return }
        let due = Timestamp(unixNanoseconds: Int64(pending["due_at_ns"]?.integer ?? 0))
        guard pending["neighbours"]?.bool == true else {
            writeBack = WriteBack(dueAt: due, origin: .client)
            return
        }
        var replaced: Digest?
        if let text = pending["replaced"]?.string { replaced = try Digest(parsing: text) }
        writeBack = WriteBack(dueAt: due, origin: .neighbour(replaced: replaced))
    }
}
