// SPDX-License-Identifier: Apache-2.0

package import Content
package import Primitives

/// When a collection began at an origin, by that origin's clock, which means nothing after a restart of it.
package struct CollectionStart: Hashable, Sendable {
    /// Which run of the origin's process it is.
    package let epoch: UInt64
    /// The time there.
    package let at: Instant

    /// A collection that began at `at` in the process `epoch`.
    package init(epoch: UInt64, at: Instant) { (self.epoch, self.at) = (epoch, at) }

    /// `{"epoch":"<hex>","at_ns":N}`.
    package var json: JSON {
        .object([
            .init("epoch", .string(String(epoch, radix: 16))),
            .init("at_ns", .integer(Int(at.nanoseconds))),
        ])
    }

    /// Reads what ``json`` writes.
    package init(json: JSON) throws(ContentError) {
        epoch = try json.number(under: "epoch")
        at = Instant(nanoseconds: Int64(try json.integer(under: "at_ns")))
    }
}

/// Which blobs an origin is to condemn.
package struct CondemnOrder: Hashable, Sendable {
    /// Which collection wants it.
    package let run: UInt64
    /// When it began there.
    package let start: CollectionStart
    /// How long before that a blob was last used, at least.
    package let grace: Duration
    /// How long they stay condemned by themselves.
    package let duration: Duration
    /// Whether only to tell which ones it would refuse.
    package let isDryRun: Bool
    /// The blobs.
    package let digests: [Digest]

    /// An order of the collection `run`.
    package init(
        run: UInt64,
        start: CollectionStart,
        grace: Duration,
        duration: Duration,
        isDryRun: Bool,
        digests: [Digest]
    ) {
        (self.run, self.start, self.grace) = (run, start, grace)
        (self.duration, self.isDryRun, self.digests) = (duration, isDryRun, digests)
    }

    /// `{"run":"<hex>","start":{…},"grace_ns":N,"duration_ns":N,"dry_run":B,"digests":["sha256:…"]}`.
    package var json: JSON {
        .object([
            .init("run", .string(String(run, radix: 16))), .init("start", start.json),
            .init("grace_ns", .integer(Int(grace.nanoseconds))),
            .init("duration_ns", .integer(Int(duration.nanoseconds))),
            .init("dry_run", .bool(isDryRun)), .init("digests", JSON(digests)),
        ])
    }

    /// Reads what ``json`` writes.
    package init(json: JSON) throws(ContentError) {
        run = try json.number(under: "run")
        start = try CollectionStart(json: json["start"] ?? .null)
        grace = .nanoseconds(Int64(max(0, try json.integer(under: "grace_ns"))))
        duration = .nanoseconds(Int64(max(0, try json.integer(under: "duration_ns"))))
        isDryRun = json["dry_run"]?.bool ?? false
        digests = try json.digests(under: "digests")
    }
}

/// Which condemned blobs an origin is to remove or release.
package struct RemoveOrder: Hashable, Sendable {
    /// Which collection has condemned them.
    package let run: UInt64
    /// The blobs.
    package let digests: [Digest]

    /// An order of the collection `run`.
    package init(run: UInt64, digests: [Digest]) { (self.run, self.digests) = (run, digests) }

    /// `{"run":"<hex>","digests":["sha256:…"]}`.
    package var json: JSON {
        .object([
            .init("run", .string(String(run, radix: 16))), .init("digests", JSON(digests)),
        ])
    }

    /// Reads what ``json`` writes.
    package init(json: JSON) throws(ContentError) {
        (run, digests) = (try json.number(under: "run"), try json.digests(under: "digests"))
    }
}

/// What an origin did, and what it did not do and why.
package struct CollectionAnswer: Hashable, Sendable {
    /// What is gone that was there, with its bytes.
    package var removed: [Digest: Int]
    /// What stays, with the reason.
    package var refused: [Digest: String]

    /// An answer with that content.
    package init(removed: [Digest: Int] = [:], refused: [Digest: String] = [:]) {
        (self.removed, self.refused) = (removed, refused)
    }

    /// `{"removed":[{"digest":…,"bytes":N}],"refused":[{"digest":…,"why":"…"}]}`.
    package var json: JSON {
        let removed = removed.sorted { $0.key < $1.key }.map {
            JSON.object([.digest($0.key), .init("bytes", .integer($0.value))])
        }
        let refused = refused.sorted { $0.key < $1.key }.map {
            JSON.object([.digest($0.key), .init("why", .string($0.value))])
        }
        return .object([.init("removed", .array(removed)), .init("refused", .array(refused))])
    }

    /// Reads what ``json`` writes.
    package init(json: JSON) throws(ContentError) {
        self.init()
        for row in json["removed"]?.array ?? [] {
            removed[try row.digest()] = try row.integer(under: "bytes")
        }
        for row in json["refused"]?.array ?? [] {
            refused[try row.digest()] = row["why"]?.string ?? "no reason given"
        }
    }
}

/// Some of the blobs on an origin's disk.
package struct StoredPage: Hashable, Sendable {
    /// A blob.
    package struct Blob: Hashable, Sendable {
        /// Its name.
        package let digest: Digest
        /// Its size.
        package let bytes: Int

        /// A blob of `bytes` bytes.
        package init(digest: Digest, bytes: Int) { (self.digest, self.bytes) = (digest, bytes) }
    }

    /// The blobs.
    package let blobs: [Blob]
    /// What to ask for the next page with; nil on the last one.
    package let next: String?

    /// A page of `blobs`.
    package init(blobs: [Blob], next: String?) { (self.blobs, self.next) = (blobs, next) }

    /// `{"blobs":[{"digest":…,"bytes":N}],"next":"…"}`.
    package var json: JSON {
        let rows = blobs.map {
            JSON.object([.digest($0.digest), .init("bytes", .integer($0.bytes))])
        }
        return .object(
            [.init("blobs", .array(rows))]
                + [next.map { .init("next", .string($0)) }].compactMap(\.self)
        )
    }

    /// Reads what ``json`` writes.
    package init(json: JSON) throws(ContentError) {
        var blobs: [Blob] = []
        for row in json["blobs"]?.array ?? [] {
            blobs.append(Blob(digest: try row.digest(), bytes: try row.integer(under: "bytes")))
        }
        (self.blobs, next) = (blobs, json["next"]?.string)
    }
}

/// Some of the blobs in one of an origin's backends.
package struct BackendPage: Hashable, Sendable {
    /// What the backend is called.
    package let name: String
    /// The blobs.
    package let digests: [Digest]
    /// Where in the backend the next page begins; nil: at its start.
    package let nextToken: String?
    /// In which backend it is; nil on the last page of the last one.
    package let nextIndex: Int?

    /// A page of `digests`.
    package init(name: String, digests: [Digest], nextToken: String?, nextIndex: Int?) {
        (self.name, self.digests) = (name, digests)
        (self.nextToken, self.nextIndex) = (nextToken, nextIndex)
    }

    /// `{"name":"…","digests":[…],"next_token":"…","next_index":N}`.
    package var json: JSON {
        var members: [JSON.Member] = [
            .init("name", .string(name)), .init("digests", JSON(digests)),
        ]
        if let nextToken { members.append(.init("next_token", .string(nextToken))) }
        if let nextIndex { members.append(.init("next_index", .integer(nextIndex))) }
        return .object(members)
    }

    /// Reads what ``json`` writes.
    package init(json: JSON) throws(ContentError) {
        (name, digests) = (json["name"]?.string ?? "", try json.digests(under: "digests"))
        (nextToken, nextIndex) = (json["next_token"]?.string, json["next_index"]?.integer)
    }
}

extension JSON {
    /// A list of `digests`, which ``digests(under:)`` reads.
    package init(_ digests: [Digest]) { self = .array(digests.map { .string($0.description) }) }

    fileprivate func integer(under key: String) throws(ContentError) -> Int {
        guard let value = self[key]?.integer else {
            throw ContentError(.invalidJSON, what: "collection", why: "\(key) is no integer")
        }
        return value
    }

    fileprivate func number(under key: String) throws(ContentError) -> UInt64 {
        guard let value = self[key]?.string.flatMap({ UInt64($0, radix: 16) }) else {
            throw ContentError(.invalidJSON, what: "collection", why: "\(key) is no number")
        }
        return value
    }

    fileprivate func digest() throws(ContentError) -> Digest {
        try Digest(parsing: self["digest"]?.string ?? "")
    }

    /// The digests in the list `key`; none when there is no such list.
    /// - Throws: `ContentError` when something in it is no digest.
    package func digests(under key: String) throws(ContentError) -> [Digest] {
        var digests: [Digest] = []
        for value in self[key]?.array ?? [] {
            digests.append(try Digest(parsing: value.string ?? ""))
        }
        return digests
    }
}

extension JSON.Member {
    fileprivate static func digest(_ digest: Digest) -> Self {
        Self("digest", .string(digest.description))
    }
}
