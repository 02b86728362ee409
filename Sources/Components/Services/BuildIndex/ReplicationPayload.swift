// SPDX-License-Identifier: Apache-2.0

import Content

/// Why a tag is replicated.
enum ReplicationCause: Hashable, Sendable {
    /// A client put it here, or asked for it.
    case client
    /// A neighbour was asked, and does it first; `path` are the clusters that the tag came through to it.
    case neighbour(path: [String])
    /// Another cluster replicated it here; `path` are the clusters that it came through.
    case remote(path: [String])

    /// The clusters that the tag came through.
    var path: [String] {
        switch self {
        case .client: []
        case .neighbour(let path), .remote(let path): path
        }
    }
}

/// What is to be replicated: what a tag has come to.
enum ReplicatedChange: Hashable, Sendable {
    /// It names that.
    case put(Digest)
    /// It was deleted; it named `replaced` until then, where that is known.
    case deletion(replaced: Digest?)

    /// What the tag names; nil: there is no such tag.
    var digest: Digest? { if case .put(let digest) = self { digest } else { nil } }
}

/// What a replication in the queue knows besides its tag and remote: `{"digest":…,"neighbours":true,"path":[…]}`, or
/// `{"deleted":true,"replaced":…,…}`.
struct ReplicationPayload: Hashable, Sendable {
    /// What the tag had come to when it was queued.
    let change: ReplicatedChange
    /// Whether a neighbour was asked.
    let isNeighbours: Bool
    /// The clusters that the tag came through.
    let path: [String]

    init(_ change: ReplicatedChange, cause: ReplicationCause) {
        self.change = change
        isNeighbours = if case .neighbour = cause { true } else { false }
        path = cause.path
    }

    /// Reads what ``text`` writes.
    /// - Throws: `ContentError`.
    init(parsing text: String) throws(ContentError) {
        let document = try JSON(parsing: Array(text.utf8))
        if document["deleted"]?.bool == true {
            var replaced: Digest?
            if let text = document["replaced"]?.string { replaced = try Digest(parsing: text) }
            change = .deletion(replaced: replaced)
        } else {
            change = .put(try Digest(parsing: document["digest"]?.string ?? ""))
        }
        isNeighbours = document["neighbours"]?.bool ?? false
        path = (document["path"]?.array ?? []).compactMap(\.string)
    }

    /// The document.
    var text: String {
        var members: [JSON.Member] = []
        switch change {
        case .put(let digest): members.append(.init("digest", .string(digest.description)))
        case .deletion(let replaced):
            members.append(.init("deleted", .bool(true)))
            if let replaced { members.append(.init("replaced", .string(replaced.description))) }
        }
        if isNeighbours { members.append(.init("neighbours", .bool(true))) }
        if !path.isEmpty { members.append(.init("path", .array(path.map(JSON.string)))) }
        return String(decoding: JSON.object(members).utf8, as: UTF8.self)
    }
}

/// The clusters that a replicated tag came through, so that clusters which replicate to each other do not send a tag back,
/// where it would undo a newer put.
///
/// A cluster is known by its origins, because that is what the next one asks it for anyway. In a header the clusters are
/// separated by commas, a cluster's origins by bars.
enum ReplicationPath {
    /// The clusters in `header`; more than a sensible number of them are cut.
    static func parse(_ header: String) -> [String] {
        header.split(separator: ",").prefix(clustersMax).map(String.init)
    }

    /// Clusters that a tag may come through.
    private static let clustersMax = 32

    /// The header's value.
    static func text(_ path: [String]) -> String { path.joined(separator: ",") }

    /// Whether the cluster that names `origin` as its origin is in `path`.
    static func contains(_ origin: String, _ path: [String]) -> Bool {
        path.contains { $0.split(separator: "|").contains { $0 == origin } }
    }
}
