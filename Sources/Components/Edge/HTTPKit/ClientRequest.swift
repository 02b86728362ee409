// SPDX-License-Identifier: Apache-2.0

package import Files
package import HTTPTypes
package import NIOCore
package import NIOSSL
package import Primitives

/// One request to another server.
package struct ClientRequest: Sendable {
    /// What goes up with it.
    package enum Body: Sendable {
        /// Nothing.
        case none
        /// These bytes.
        case bytes(ByteBuffer)
        /// These bytes of a file, sent as the other end takes them, by the kernel where the connection is a plain one; can be sent
        /// again.
        case file(SharedFile, Range<Int>)
        /// A stream that can be read once, so such a request is never sent again; chunked when the length is unknown.
        case stream(length: Int?, any AsyncSequence<ByteBuffer, any Error> & Sendable)
    }

    /// What a URL begins with that is of a member of the cluster: `http://`, or `https://` where the client is secured.
    package static let memberScheme = "member://"

    /// The method.
    package var method: HTTPRequest.Method
    /// `http://host:port/path?query`, percent-encoded; see ``memberScheme``.
    package var url: String
    /// Headers besides `Host`, `Content-Length` and `Transfer-Encoding`.
    package var headers: HTTPFields
    /// What goes up with it.
    package var body: Body
    /// For the whole exchange, reading the body included.
    package var timeout: Duration
    /// Statuses that are no error; any other throws ``HTTPClientError/status(_:headers:body:)``.
    package var acceptedStatuses: Set<Int>
    /// Whether, when and how often to send it again.
    package var retry: RetryPolicy
    /// Whether a long body comes down: it is received in large reads over connections of their own.
    package var isBulk: Bool
    /// How its connection begins where it goes over HTTPS; nil: as all do that go to no member of the cluster.
    package var tls: TLSConfiguration?

    /// A request with Kraken's defaults: 60 s, only 200 accepted, idempotent methods sent up to three times.
    package init(
        _ method: HTTPRequest.Method,
        _ url: String,
        headers: HTTPFields = [:],
        body: Body = .none,
        timeout: Duration = .seconds(60),
        acceptedStatuses: Set<Int> = [200],
        retry: RetryPolicy? = nil,
        isBulk: Bool = false
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.timeout = timeout
        self.acceptedStatuses = acceptedStatuses
        let isIdempotent = [.get, .head, .put, .delete, .options].contains(method)
        self.retry = retry ?? (isIdempotent ? .idempotent : .never)
        self.isBulk = isBulk
    }

    /// Whether the body can be sent a second time.
    package var isRepeatable: Bool { if case .stream = body { false } else { true } }
}

/// Whether, when and how often a request is sent again.
package struct RetryPolicy: Hashable, Sendable {
    /// How often it is sent at most; 1 never repeats.
    package var attemptsMax: Int
    /// The pause after the first failure; doubled after each further one.
    package var pause: Duration
    /// The longest pause.
    package var pauseMax: Duration
    /// The share of a pause that is drawn at random, so that clients do not come back in step.
    package var jitter: Ratio
    /// Statuses after which it is sent again.
    package var statuses: Set<Int>
    /// Whether it is sent again when the connection failed, at whatever point.
    package var retriesNetworkErrors: Bool

    /// A policy.
    package init(
        attemptsMax: Int,
        pause: Duration,
        pauseMax: Duration = .seconds(5),
        jitter: Ratio = Ratio(1, in: 2),
        statuses: Set<Int> = [429, 502, 503, 504],
        retriesNetworkErrors: Bool = true
    ) {
        self.attemptsMax = attemptsMax
        self.pause = pause
        self.pauseMax = pauseMax
        self.jitter = jitter
        self.statuses = statuses
        self.retriesNetworkErrors = retriesNetworkErrors
    }

    /// Sent once.
    package static let never = RetryPolicy(attemptsMax: 1, pause: .zero)
    /// Up to three times, 250 ms apart at first, on network errors, 429, 502, 503 and 504.
    package static let idempotent = RetryPolicy(attemptsMax: 3, pause: .milliseconds(250))

    /// The pause before attempt `attempt` (2 is the first repeat), with `random` in 0 ..< 1024 as the draw.
    package func pause(before attempt: Int, random: Int) -> Duration {
        let doublings = min(max(0, attempt - 2), 20)
        let full = min(pauseMax.nanoseconds, pause.nanoseconds << Int64(doublings))
        let drawn = full / Int64(jitter.denominator) * Int64(jitter.numerator)
        return .nanoseconds(full - drawn + drawn / 1024 * Int64(random))
    }
}

/// Where a streamed body came from failed, so the exchange says nothing about the server; thrown by such streams, and
/// by whoever sends them.
package struct BodySourceFailure: Error {
    /// What went wrong there.
    package let base: any Error

    /// A failure because of `base`.
    package init(_ base: any Error) { self.base = base }
}

/// Why an exchange failed.
package enum HTTPClientError: Error, Sendable, CustomStringConvertible {
    /// The server answered with a status that was not accepted; `body` is the beginning of its body.
    case status(Int, headers: HTTPFields, body: String)
    /// The connection could not be made or broke.
    case network(String)
    /// It took too long.
    case timeout(String)
    /// The body is longer than the caller takes.
    case bodyTooLarge(bytesMax: Int)
    /// The URL is none.
    case invalidURL(String)

    /// The status that the server answered with, if it did.
    package var statusCode: Int? { if case .status(let code, _, _) = self { code } else { nil } }

    /// Whether another server, or the same one later, may do better: network errors, time-outs, 429 and 5xx.
    package var isTransient: Bool {
        switch self {
        case .network, .timeout: true
        case .status(let code, _, _): code == 429 || code >= 500
        case .bodyTooLarge, .invalidURL: false
        }
    }

    package var description: String {
        switch self {
        case .status(let code, _, let body): "status \(code)\(body.isEmpty ? "" : ": \(body)")"
        case .network(let why): "network error: \(why)"
        case .timeout(let what): "timed out: \(what)"
        case .bodyTooLarge(let bytesMax): "the body is longer than \(bytesMax) bytes"
        case .invalidURL(let url): "not a URL: \(url)"
        }
    }
}
