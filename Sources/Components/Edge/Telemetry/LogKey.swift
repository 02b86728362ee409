// SPDX-License-Identifier: Apache-2.0

/// The keys of log metadata; a message is a constant phrase, its data goes under these.
package enum LogKey {
    package static let blobDigest = "blob.digest"
    package static let blobBytes = "blob.bytes"
    package static let infoHash = "swarm.info_hash"
    package static let peerID = "peer.id"
    package static let peerAddress = "peer.address"
    package static let pieceIndex = "piece.index"
    package static let requestID = "request.id"
    package static let requestMethod = "request.method"
    package static let requestPath = "request.path"
    package static let responseStatus = "response.status"
    package static let ringMember = "ring.member"
    package static let backendName = "backend.name"
    package static let namespace = "namespace"
    package static let tag = "tag"
    package static let retryAttempt = "retry.attempt"
    package static let component = "component"
    package static let address = "address"
    package static let path = "path"
    package static let count = "count"
    package static let duration = "duration"
    package static let error = "error"
    package static let reason = "reason"
}
