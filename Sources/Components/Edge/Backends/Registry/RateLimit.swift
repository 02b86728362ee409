// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Primitives
import Synchronization
import Telemetry

/// What a server has said of how often it may be asked: until it lets us again, it is not asked.
/// - Source: RFC 6585 §4 and RFC 9110 §10.2.3 (`429`, `Retry-After`); the drafts of "RateLimit header fields for HTTP", and
///   Docker Hub, whose `RateLimit-Remaining` has a window after the number.
final class RateLimit: Sendable {
    private let server: String
    private let refusals: Counter?
    private let remaining: Counter?
    private let state = Mutex<ContinuousClock.Instant?>(nil)

    /// How long a request waits for the server; it fails when it would be longer.
    static let patience = Duration.seconds(10)
    /// How long a server that refused without saying for how long is left alone.
    private static let pauseUnsaid = Duration.seconds(30)
    /// The longest pause that is believed.
    private static let pauseMax = Duration.hours(6)

    /// The limit of `server`, counted in `counters`.
    init(of server: String, counters: Counters?) {
        self.server = server
        refusals = counters?.counter("upstream_requests_refused")
        remaining = counters?.counter("upstream_requests_remaining")
    }

    /// How long the server is not to be asked from `now` on; nil when it may be.
    func pause(at now: ContinuousClock.Instant) -> Duration? {
        state.withLock { until in
            guard let until, until > now else { return nil }
            return until - now
        }
    }

    /// Lets a request go out at `now`.
    /// - Throws: ``BackendError`` `.rateLimited` when it is too early.
    func admit(at now: ContinuousClock.Instant) throws(BackendError) {
        guard let pause = pause(at: now) else { return }
        let seconds = Int(pause.seconds.rounded(.up))
        throw BackendError(
            .rateLimited,
            what: "ask \(server)",
            why: "it has limited the rate of requests, and may be asked again in \(seconds) s",
            remedy: "log in to it, if that raises the limit, or raise tag_cache_interval",
            retryAfter: pause
        )
    }

    /// Takes note of what an answer at `now` says.
    /// - Parameter isRefusal: whether it was refused for the rate.
    func note(_ headers: HTTPFields, isRefusal: Bool, at now: ContinuousClock.Instant) {
        let left = Self.number(headers, "ratelimit-remaining") ?? Self.member("remaining", headers)
        if let left { remaining?.set(left) }
        var pause: Duration?
        if isRefusal {
            refusals?.add()
            pause =
                Self.number(headers, "retry-after").map { .seconds($0) } ?? Self.reset(headers)
                ?? Self.pauseUnsaid
        } else if left == 0 {
            // This one was the last; without a word on when there will be more, the next one finds out.
            pause = Self.reset(headers)
        }
        guard let pause else { return }
        let until = now.advanced(by: min(pause, Self.pauseMax))
        state.withLock { $0 = max($0 ?? until, until) }
    }

    /// In how many seconds there will be more.
    private static func reset(_ headers: HTTPFields) -> Duration? {
        (number(headers, "ratelimit-reset") ?? member("reset", headers)).map { .seconds($0) }
    }

    /// The number that the header `name` begins with.
    private static func number(_ headers: HTTPFields, _ name: String) -> Int? {
        guard let text = headers[.known(name)] else { return nil }
        return Int(text.prefix { $0.isASCII && $0.isNumber })
    }

    /// The member `name` of `RateLimit: limit=100, remaining=50, reset=50`.
    private static func member(_ name: String, _ headers: HTTPFields) -> Int? {
        for part in headers[.known("ratelimit")]?.split(separator: ",") ?? [] {
            let sides = part.split(separator: "=", maxSplits: 1)
            guard sides.count == 2, sides[0].filter({ $0 != " " }) == name else { continue }
            return Int(sides[1].prefix { $0.isASCII && $0.isNumber })
        }
        return nil
    }
}
