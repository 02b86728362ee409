// SPDX-License-Identifier: Apache-2.0

/// Every bound in the system, in one table; ``validated()`` is where they must agree with one another.
///
/// Each comment says what happens at the limit. Durations and policies are configuration, not limits.
package struct Limits: Sendable, Hashable {
    // Peer protocol and swarm.
    /// Open and pending connections of one swarm; further ones are refused.
    package var connectionsPerSwarmMax = 10
    /// Pieces asked of one agent at a time; further ones wait for an answer.
    package var requestsPerAgentMax = 3
    /// Pieces asked of one origin at a time; further ones wait for an answer.
    package var requestsPerOriginMax = 5
    /// Pieces a peer may have asked of us that are not yet sent; a peer that asks for more is disconnected.
    package var requestsFromPeerMax = 64
    /// Bytes of one piece; meta info with longer pieces is refused.
    package var pieceBytesMax = 64 << 20
    /// Pieces of one blob; meta info with more is refused.
    package var piecesPerBlobMax = 245_760
    /// Bytes of one protobuf message; the sender of a longer one is disconnected (Kraken's limit).
    package var frameBytesMax = 32 << 10
    /// Messages that change nothing (announces of what is known, cancels, requests for what is not here) which one peer may
    /// send on one connection, besides four for each piece of the blob; one that sends more is disconnected.
    package var idleMessagesMax = 4096
    /// Connections that have not finished their handshake; the oldest of the address with the most makes room.
    package var handshakesPendingMax = 256
    /// Connections on one peer port over all swarms; further ones are closed at once.
    package var peerConnectionsMax = 4096
    /// Connections on one peer port from one address, which many hosts may share; further ones are closed at once.
    package var connectionsPerAddressMax = 2048
    /// Addresses remembered because of what their peers did; the one that is let in again first makes room.
    package var addressesMax = 4096
    /// Handshakes for blobs that are not here whose host has still to be told; further ones it does not hear of.
    package var missingBlobsMax = 256
    /// Swarms in memory on one host; the longest idle seeding one is dropped, else the newcomer is refused.
    package var swarmsMax = 4096
    /// Peers remembered as banned by one swarm; the ban that ends first makes room.
    package var bansPerSwarmMax = 1024
    /// Peers taken from one handout; the rest is ignored.
    package var handoutPeersMax = 256
    /// Announces on their way at one time; further ones wait in the announce queue.
    package var announcesInFlightMax = 64
    /// Bytes written to one peer's socket and not yet taken by the kernel before sending pauses.
    package var peerWriteBufferBytesMax = 8 << 20

    // HTTP.
    /// Bytes of one request head; a longer one gets 431.
    package var requestHeadBytesMax = 16 << 10
    /// Bytes of one manifest; a longer one gets 413 `MANIFEST_INVALID`.
    package var manifestBytesMax = 4 << 20
    /// Bytes of manifests that a proxy or build-index keeps in memory; the one longest not asked for makes room.
    package var manifestCacheBytesMax = 16 << 20
    /// Tags read to answer one list of tags or repositories; a longer list gets 503.
    package var listedTagsMax = 1_000_000
    /// Bytes of lists that one build-index keeps for the next who asks; at the limit it forgets them all.
    package var listCacheBytesMax = 16 << 20
    /// Names in lists that one registry keeps to compare with; at the limit it forgets them all.
    package var listedNamesKeptMax = 200_000
    /// Bytes of one JSON request body; a longer one gets 413.
    package var jsonBodyBytesMax = 1 << 20
    /// SHA-512s that a registry remembers to have checked; at the limit it forgets them all.
    package var confirmedAliasesMax = 10_000
    /// Bytes of one meta info document; a longer one is refused.
    package var metaInfoBytesMax = 16 << 20
    /// Levels of nesting in a JSON document; a deeper one is malformed.
    package var jsonDepthMax = 64
    /// Open HTTP connections of one server; those that wait for a request make room for further ones, which wait in the kernel's
    /// backlog where there are none.
    package var httpConnectionsMax = 8192
    /// Requests of one server in work at a time; further ones get 503 with Retry-After.
    package var httpRequestsMax = 4096
    /// Connections waiting to be accepted by one listener; the kernel drops further ones.
    package var listenBacklog = 1024
    /// Unfinished uploads of one proxy or origin; a further one gets 429 with Retry-After.
    package var uploadSessionsMax = 1024
    /// Bytes that one chunk of an upload to a proxy should have at least, which clients are told; shorter ones are taken.
    package var uploadChunkBytesMin = 64 << 10
    /// Threads of one proxy that check passwords; further checks wait.
    package var passwordThreads = 2
    /// Passwords of one proxy that are being checked or wait for it; a further one gets 429 with Retry-After.
    package var passwordChecksMax = 64
    /// Right passwords that one proxy remembers for a while, 200 B each; those that are due, else all, are forgotten.
    package var passwordsRememberedMax = 1024
    /// Bytes read into memory at a time while a body streams.
    package var streamChunkBytes = 256 << 10

    // Storage.
    /// Background downloads from backends at a time; further ones wait in a queue.
    package var backendDownloadsMax = 64
    /// Downloads in that queue; a further one gets 503 with Retry-After.
    package var backendDownloadsWaitingMax = 4096
    /// Tasks in the queues of one component, on disk, some 400 B each; a further one is refused: 503 with Retry-After.
    package var retryTasksMax = 1_000_000
    /// Tasks on one page of a list of tasks; a request for more gets 400.
    package var queuePageTasksMax = 1000
    /// Bytes of a backend's object that are asked for at a time where it is fetched in parts.
    package var backendPartBytes = 4 << 20
    /// Such parts of one backend in memory, over all its transfers; a further transfer waits, and one that runs gets
    /// no more at a time than are free.
    package var backendPartsMax = 16
    /// Bytes of a backend's answer that is no object: a list, a token; a longer one is refused.
    package var backendAnswerBytesMax = 64 << 20
    /// Tags a build-index holds, some 500 B each; one that is in its backend makes room, else a new one gets 503.
    package var tagsMax = 200_000
    /// Tags, known or not, of which a build-index remembers for a moment what its backend said, some 150 B each; all are
    /// forgotten, and asked for again.
    package var tagChecksMax = 65_536
    /// Referrers of one manifest that are listed; more get 503.
    package var referrersMax = 10_000
    /// Bytes of one page of referrers; the first one that does not fit begins the next page.
    package var referrersPageBytesMax = 1 << 20
    /// Names on one page of a list when the client names no limit.
    package var listPageNamesMax = 250

    /// Blobs of which an origin remembers when they were asked for last, some 100 B each; when there are more, a collection
    /// can't remove anything there until it has a grace period's worth again.
    package var blobTouchesMax = 1_000_000

    // Tracker.
    /// Swarms a tracker remembers; the one longest without an announce is forgotten.
    package var trackedSwarmsMax = 100_000
    /// Peers a tracker remembers for one swarm; the one longest without an announce is forgotten.
    package var trackedPeersPerSwarmMax = 20_000
    /// Peers a tracker remembers over all swarms, some 150 B each; the swarm longest without an announce is forgotten.
    package var trackedPeersMax = 4_000_000
    /// Meta info documents a tracker caches; the oldest is dropped.
    package var metaInfoCacheMax = 1024
    /// Bytes of these documents together; the oldest are dropped.
    package var metaInfoCacheBytesMax = 64 << 20
    /// Look-ups at origins on their way at one time; a further request is answered as if they had timed out.
    package var originLookupsMax = 1024

    // Observation.
    /// Events kept by one component, up to 700 B each; the oldest is dropped and counted.
    package var eventsMax = 4096
    /// Events kept by all components of one process together; each keeps its share, down to 256.
    package var eventsPerProcessMax = 32_768
    /// Readers of one component's event stream; a further one gets 503.
    package var eventReadersMax = 64

    /// The defaults.
    package init() {}

    /// The table itself, once its entries agree with one another.
    /// - Throws: ``LimitsError`` naming the entries that do not.
    package func validated() throws(LimitsError) -> Limits {
        // A handshake carries our bitfield (one word per 64 pieces, a word for the length) and 64 B a neighbour.
        let handshakeBytes =
            8 + (piecesPerBlobMax + 63) / 64 * 8 + 256 + connectionsPerSwarmMax * 64
        try require(
            frameBytesMax,
            atLeast: handshakeBytes,
            "frameBytesMax against piecesPerBlobMax"
        )
        try require(requestsFromPeerMax, atLeast: requestsPerOriginMax, "requestsFromPeerMax")
        try require(peerConnectionsMax, atLeast: connectionsPerSwarmMax, "peerConnectionsMax")
        try require(
            peerConnectionsMax,
            atLeast: connectionsPerAddressMax,
            "peerConnectionsMax against connectionsPerAddressMax"
        )
        try require(handoutPeersMax, atLeast: connectionsPerSwarmMax, "handoutPeersMax")
        try require(jsonBodyBytesMax, atLeast: 4096, "jsonBodyBytesMax")
        return self
    }

    /// The limits of one of `count` components that share a process.
    package func shared(among count: Int) -> Limits {
        var limits = self
        limits.eventsMax = min(eventsMax, max(256, eventsPerProcessMax / max(1, count)))
        return limits
    }

    private func require(_ value: Int, atLeast minimum: Int, _ name: String) throws(LimitsError) {
        guard value >= minimum else {
            throw LimitsError(name: name, value: value, minimum: minimum)
        }
    }
}

/// Two limits that contradict each other.
package struct LimitsError: Error, Hashable, CustomStringConvertible {
    /// The limit that is too small, or the pair that disagrees.
    package let name: String
    /// What it is.
    package let value: Int
    /// What it has to be at least.
    package let minimum: Int

    package var description: String { "limit \(name) is \(value), but must be at least \(minimum)" }
}
