// SPDX-License-Identifier: Apache-2.0

/// Why a call to another component failed.
package struct ClusterError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of failure, for callers that switch on it.
    package enum Code: Hashable, Sendable {
        /// 404: the other side does not have it.
        case notFound
        /// 202: the other side has begun to fetch it; ask again.
        case accepted
        /// Any other status that was not expected.
        case status(Int)
        /// No answer: not reachable, disconnected or too slow.
        case network
        /// The host list is empty.
        case noHosts
        /// An answer that is not what the protocol says.
        case unreadableAnswer
        /// The source of an upload failed, or can't be read a second time for the next host.
        case source
    }

    /// The kind of failure.
    package let code: Code
    /// What was attempted, and on which host.
    package let what: String
    /// What went wrong.
    package let why: String
    /// What to do about it.
    package let remedy: String
    /// When the other side says to ask again.
    package let retryAfter: Duration?

    /// A failure of kind `code`.
    package init(
        _ code: Code,
        what: String,
        why: String,
        remedy: String = "",
        retryAfter: Duration? = nil
    ) {
        (self.code, self.what, self.why, self.remedy) = (code, what, why, remedy)
        self.retryAfter = retryAfter
    }

    /// Whether the host may be at fault, so that another one may do: a network failure, 429, 502,
    /// 503, 504 or 507.
    /// - Source: uber/kraken utils/httputil/httputil.go, `IsRetryable`, which lacks the 507 of a full disk.
    package var mayPassElsewhere: Bool {
        switch code {
        case .network, .status(429), .status(502), .status(503), .status(504), .status(507): true
        case .notFound, .accepted, .status, .noHosts, .unreadableAnswer, .source: false
        }
    }

    /// Whether the host may not know the request at all, as Kraken's do not know Herd's own: 404 or 405.
    package var isUnknownRequest: Bool { code == .notFound || code == .status(405) }

    /// Whether the host gave no answer at all, which counts against its health.
    package var isNetworkFailure: Bool { code == .network }

    package var description: String {
        remedy.isEmpty ? "\(what): \(why)" : "\(what): \(why); \(remedy)"
    }

    /// There is no host to ask for `what`.
    static func noHosts(_ what: String) -> ClusterError {
        ClusterError(
            .noHosts,
            what: what,
            why: "the host list is empty",
            remedy: "configure at least one host"
        )
    }

    /// The answer to `what` is not what the protocol says.
    static func unreadable(_ what: String, _ why: some CustomStringConvertible) -> ClusterError {
        ClusterError(
            .unreadableAnswer,
            what: what,
            why: "unreadable answer: \(why)",
            remedy: "check that the address belongs to the right component"
        )
    }
}
