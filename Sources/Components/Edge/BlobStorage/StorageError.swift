// SPDX-License-Identifier: Apache-2.0

import Content

/// Why the blob store refused something; what the disk refuses is a `FileError` of module Files.
package struct StorageError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of refusal, for callers that switch on it.
    package enum Code: Hashable, Sendable {
        /// As many uploads are under way as may be.
        case tooManyUploads
        /// The bytes hash to another digest than the one claimed for them.
        case digestMismatch
        /// The blob is not in the backend yet, so it may not go.
        case isPersisted
        /// The blob is not in the cache.
        case notCached
        /// The upload is committed, cancelled or being committed.
        case uploadEnded
        /// The download is committed, deleted or closed.
        case downloadEnded
        /// An offset, a length or a piece lies outside of what there is.
        case outOfBounds
        /// The blob is being downloaded with another piece length.
        case metaInfoDiffers
        /// Pieces are missing.
        case incomplete
    }

    /// The kind of refusal.
    package let code: Code
    /// What was attempted.
    package let what: String
    /// What stood against it.
    package let why: String
    /// What the caller can do.
    package let remedy: String

    package var description: String { "\(what): \(why); \(remedy)" }
}

extension StorageError {
    static func tooManyUploads(max: Int) -> Self {
        Self(
            code: .tooManyUploads,
            what: "start an upload",
            why: "\(max) uploads are under way",
            remedy: "try again when some of them have ended"
        )
    }

    static func digestMismatch(expected: Digest, actual: Digest, bytes: Int) -> Self {
        Self(
            code: .digestMismatch,
            what: "commit \(expected)",
            why: "the \(bytes) bytes received hash to \(actual)",
            remedy: "send them again; if it repeats, the sender hashes other bytes than it sends"
        )
    }

    static func isPersisted(_ digest: Digest) -> Self {
        Self(
            code: .isPersisted,
            what: "delete \(digest)",
            why: "it has not been written back to the storage backend",
            remedy: "wait for the write-back, or repair the backend"
        )
    }

    static func notCached(_ digest: Digest, _ what: String) -> Self {
        Self(
            code: .notCached,
            what: "\(what) \(digest)",
            why: "it is not in the cache",
            remedy: "upload or download it first"
        )
    }

    static func uploadEnded(_ id: String) -> Self {
        Self(
            code: .uploadEnded,
            what: "write to upload \(id)",
            why: "it is committed, cancelled or being committed",
            remedy: "start another upload"
        )
    }

    static func uploadBusy(_ id: String) -> Self {
        Self(
            code: .uploadEnded,
            what: "commit upload \(id)",
            why: "a chunk of it is still being written",
            remedy: "commit after the last chunk has been answered"
        )
    }

    static func outOfBounds(_ what: String, _ why: String) -> Self {
        Self(code: .outOfBounds, what: what, why: why, remedy: "send a position inside the blob")
    }

    static func downloadEnded(_ digest: Digest) -> Self {
        Self(
            code: .downloadEnded,
            what: "use the download of \(digest)",
            why: "it is committed, deleted or closed",
            remedy: "open it again"
        )
    }

    static func metaInfoDiffers(_ digest: Digest) -> Self {
        Self(
            code: .metaInfoDiffers,
            what: "download \(digest)",
            why: "it is being downloaded with another piece length",
            remedy: "give all origins the same piece_lengths, or wait for that download to end"
        )
    }

    static func incomplete(_ digest: Digest, missing: Int) -> Self {
        Self(
            code: .incomplete,
            what: "commit \(digest)",
            why: "\(missing) pieces are missing",
            remedy: "commit when all pieces are complete"
        )
    }
}
