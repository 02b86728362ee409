// SPDX-License-Identifier: Apache-2.0

/// The keys of log metadata; a message is a constant phrase, its data goes under these.
package enum LogKey {
    /// The blob, `sha256:…`.
    package static let blobDigest = "blob.digest"
    /// The blob's size.
    package static let blobBytes = "blob.bytes"
    /// The swarm, 40 hexadecimal digits.
    package static let infoHash = "swarm.info_hash"
    /// The other peer, 40 hexadecimal digits.
    package static let peerID = "peer.id"
    /// The other peer's `host:port`.
    package static let peerAddress = "peer.address"
    /// The position of a piece, from zero.
    package static let pieceIndex = "piece.index"
    /// The HTTP request, as `X-Request-Id` has it.
    package static let requestID = "request.id"
    /// The trace, 32 hexadecimal digits.
    package static let traceID = "trace.id"
    /// The HTTP method.
    package static let requestMethod = "request.method"
    /// The path of a request, still percent-encoded.
    package static let requestPath = "request.path"
    /// The HTTP status of an answer.
    package static let responseStatus = "response.status"
    /// The label of a ring's member.
    package static let ringMember = "ring.member"
    /// A storage backend.
    package static let backendName = "backend.name"
    /// Kraken's routing scope for backends.
    package static let namespace = "namespace"
    /// `repository:tag`.
    package static let tag = "tag"
    /// Which attempt it was, from one.
    package static let retryAttempt = "retry.attempt"
    /// A component's name: `agent-0`.
    package static let component = "component"
    /// A `host:port`.
    package static let address = "address"
    /// A file or directory.
    package static let path = "path"
    /// How many.
    package static let count = "count"
    /// How long it took.
    package static let duration = "duration"
    /// What went wrong.
    package static let error = "error"
    /// Why it was decided so.
    package static let reason = "reason"
}
