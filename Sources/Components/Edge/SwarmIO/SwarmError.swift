// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import SwarmCore

/// Why a download, a read or the start of a driver failed.
package struct SwarmError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of failure, for callers that switch on it.
    package enum Code: Hashable, Sendable {
        /// The address to listen on can't be had.
        case cannotListen
        /// The blob was deleted while it was being downloaded.
        case removed
        /// No piece came for too long; what is there stays on disk.
        case timedOut
        /// The host stops, or has stopped.
        case stopped
        /// The pieces are right, but the whole does not hash to its digest.
        case unverifiable
        /// There are too many swarms.
        case crowdedOut
        /// The blob is in another swarm: its pieces are cut differently there.
        case metaInfoDiffers
        /// Bytes outside of the blob were asked for.
        case outOfBounds
    }

    /// The kind of failure.
    package let code: Code
    /// What was attempted.
    package let what: String
    /// What stood against it.
    package let why: String
    /// What can be done.
    package let remedy: String

    package var description: String { "\(what): \(why); \(remedy)" }

    init(_ code: Code, what: String, why: String, remedy: String) {
        (self.code, self.what, self.why, self.remedy) = (code, what, why, remedy)
    }
}

extension SwarmError {
    static func cannotListen(host: String, port: Int, _ error: any Error) -> Self {
        Self(
            .cannotListen,
            what: "listen for peers on \(host):\(port)",
            why: "\(error)",
            remedy: "choose another peer port, or end the process that has this one"
        )
    }

    /// The error of those who wait for `digest` when its swarm ends for `reason`.
    static func ended(_ digest: Digest, _ reason: ForgetReason) -> Self {
        let what = "download \(digest)"
        return switch reason {
        case .leecherTimedOut:
            Self(
                .timedOut,
                what: what,
                why: "no piece came for too long",
                remedy: "check that the origins are up; what has come is kept, so try again"
            )
        case .removed:
            Self(.removed, what: what, why: "it was deleted meanwhile", remedy: "ask again")
        case .stopped: hostStops(what)
        case .crowdedOut, .idleSeeder:
            Self(
                .crowdedOut,
                what: what,
                why: "too many swarms are in memory",
                remedy: "try again later, or raise the limit of swarms"
            )
        case .unverifiable: unverifiable(digest)
        }
    }

    /// Nothing is done any more: the host stops.
    static func hostStops(_ what: String) -> Self {
        Self(.stopped, what: what, why: "the host stops", remedy: "try again when it is up")
    }

    static func unverifiable(_ digest: Digest) -> Self {
        Self(
            .unverifiable,
            what: "download \(digest)",
            why: "its pieces have the right checksums, but the whole hashes to something else",
            remedy: "the origins' meta info is wrong: upload the blob again"
        )
    }

    static func metaInfoDiffers(_ digest: Digest) -> Self {
        Self(
            .metaInfoDiffers,
            what: "download \(digest)",
            why: "it is being downloaded with other pieces",
            remedy: "give all origins the same piece_lengths, or wait for that download to end"
        )
    }

    static func outOfBounds(_ digest: Digest, _ range: Range<Int>, bytes: Int) -> Self {
        Self(
            .outOfBounds,
            what: "read bytes \(range) of \(digest)",
            why: "it has \(bytes) bytes",
            remedy: "ask for a range inside of the blob"
        )
    }
}
