// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import HTTPKit
import HTTPTypes
import NIOCore
import Primitives
import Telemetry

/// How a backend asks its server: each attempt is made anew, because signatures and tokens age; repeats come out of a
/// budget; errors are said in the backend's words.
struct BackendTransport: Sendable {
    /// The backend's name, for errors.
    let backend: String
    let context: BackendContext
    let settings: TransportSettings
    /// What to do when the server cannot be reached.
    let remedy: String
    /// What to do with answers that are only steps on the way.
    let hops: TransportHops
    /// What its server has said of how often it may be asked; nil where that is not kept.
    let rate: RateLimit?
    private let budget = RetryBudget()

    /// A way to the server of `backend`.
    init(
        backend: String,
        _ context: BackendContext,
        _ settings: TransportSettings,
        remedy: String,
        hops: TransportHops = .none,
        rate: RateLimit? = nil
    ) {
        (self.backend, self.context, self.settings) = (backend, context, settings)
        (self.remedy, self.hops, self.rate) = (remedy, hops, rate)
    }

    /// The same server, asked once only: for what can't be said twice.
    var once: BackendTransport {
        var settings = settings
        settings.retry.attemptsMax = 1
        return BackendTransport(
            backend: backend,
            context,
            settings,
            remedy: remedy,
            hops: hops,
            rate: rate
        )
    }

    /// Asks, again where that may help, and answers with the first accepted response.
    /// - Parameter make: The request; called for each attempt.
    /// - Throws: ``BackendError``, `CancellationError`, or what `make` throws.
    func send(
        _ what: String,
        _ make: () async throws -> ClientRequest
    ) async throws -> ClientResponse {
        var attempt = 1
        while true {
            var request = try await make()
            // Repeated here, where it can be made anew.
            request.retry = .never
            do {
                let response = try await follow(request)
                budget.deposit()
                return response
            } catch let error as HTTPClientError {
                guard try await pauses(before: attempt + 1, error) else {
                    throw failure(error, what)
                }
                attempt += 1
            } catch let error as BodySourceFailure {
                throw error.base
            }
        }
    }

    /// Sends `request`, and what its answers ask for, until one is accepted.
    private func follow(_ request: ClientRequest) async throws -> ClientResponse {
        guard let rate else { return try await followed(request) }
        try rate.admit(at: .now)
        do {
            let response = try await followed(request)
            rate.note(response.headers, isRefusal: false, at: .now)
            return response
        } catch let error as HTTPClientError {
            if case .status(let status, let headers, _) = error {
                let isRefusal = status == 429 || (status == 503 && headers[.retryAfter] != nil)
                rate.note(headers, isRefusal: isRefusal, at: .now)
            }
            throw error
        }
    }

    private func followed(_ request: ClientRequest) async throws -> ClientResponse {
        guard !hops.statuses.isEmpty else { return try await sent(request) }
        var current = request
        var refusal: HTTPClientError?
        for _ in 0..<TransportHops.countMax {
            current.acceptedStatuses = request.acceptedStatuses.union(hops.statuses)
            current.retry = .never
            let response = try await sent(current)
            let status = response.status.code
            if request.acceptedStatuses.contains(status) { return response }
            guard let next = try await hops.next(current, response) else {
                throw HTTPClientError.status(
                    status,
                    headers: response.headers,
                    body: try await whole(response, current, upTo: 1 << 20).excerpt
                )
            }
            let body = try await whole(response, current, upTo: 1 << 20)
            if status == 401 {
                refusal = .status(status, headers: response.headers, body: body.excerpt)
            }
            current = next
        }
        throw refusal ?? .network("\(request.url) leads in circles")
    }

    private func sent(_ request: ClientRequest) async throws -> ClientResponse {
        guard let trust = context.trust else { return try await context.http.send(request) }
        var request = request
        request.tls = try await trust.configuration(for: request.url)
        return try await context.http.send(request)
    }

    private func whole(
        _ response: ClientResponse,
        _ request: ClientRequest,
        upTo bytesMax: Int
    ) async throws -> ByteBuffer {
        guard request.method == .head else { return try await response.collect(upTo: bytesMax) }
        // Its Content-Length is that of a body which does not come.
        for try await _ in response.body {}
        return ByteBuffer()
    }

    /// The same with the whole body of the answer, which is no object of the backend.
    func collect(
        _ what: String,
        upTo bytesMax: Int? = nil,
        _ make: () async throws -> ClientRequest
    ) async throws -> (response: ClientResponse, body: ByteBuffer) {
        let bytesMax = bytesMax ?? context.limits.backendAnswerBytesMax
        var attempt = 1
        while true {
            var request = try await make()
            request.retry = .never
            do {
                let response = try await follow(request)
                let body = try await whole(response, request, upTo: bytesMax)
                budget.deposit()
                return (response, body)
            } catch let error as HTTPClientError {
                guard try await pauses(before: attempt + 1, error) else {
                    throw failure(error, what)
                }
                attempt += 1
            } catch let error as BodySourceFailure {
                throw error.base
            }
        }
    }

    /// Passes an object's bytes to `write`; when the connection breaks, goes on where it broke.
    /// - Parameter make: The request for the bytes from `offset` on of the version with the headers that came first.
    /// - Parameter resumesByRange: Whether only 206 is an answer to the question for the rest.
    /// - Returns: the number of bytes, and the headers of the first answer.
    @discardableResult
    func download(
        _ what: String,
        resumesByRange: Bool = true,
        _ make: (_ offset: Int, _ first: HTTPFields?) async throws -> ClientRequest,
        into write: (ByteBuffer) async throws -> Void
    ) async throws -> (bytes: Int, headers: HTTPFields) {
        var offset = 0
        var first: HTTPFields?
        var failures = 0
        while true {
            let (start, known) = (offset, first)
            let response = try await send(what) { try await make(start, known) }
            if resumesByRange, start > 0, response.status.code != 206 {
                throw BackendError(
                    .unavailable,
                    what: "\(what) in \(backend)",
                    why: "the connection broke at byte \(start), and the rest cannot be had alone"
                )
            }
            if response.status.code == 416 {
                // Asked for the first bytes of an object that has none.
                for try await _ in response.body {}
                return (0, response.headers)
            }
            let expected = response.contentLength.map { start + $0 }
            first = first ?? response.headers
            var parts = response.body.makeAsyncIterator()
            do {
                while let part = try await Self.next(&parts) {
                    try await write(part)
                    offset += part.readableBytes
                }
                guard let expected, expected != offset else {
                    return (offset, first ?? response.headers)
                }
                throw BodyFailure(.network("\(offset) of \(expected) bytes came"))
            } catch let error as BodyFailure {
                failures = offset > start ? 1 : failures + 1
                guard try await pauses(before: failures + 1, error.base) else {
                    throw failure(error.base, what)
                }
            }
        }
    }

    /// The next bytes; failures are marked as the body's, so that those of whoever takes the bytes are told apart.
    private static func next(_ parts: inout ClientBody.AsyncIterator) async throws -> ByteBuffer? {
        do { return try await parts.next() } catch let error as HTTPClientError {
            throw BodyFailure(error)
        }
    }

    private struct BodyFailure: Error {
        let base: HTTPClientError

        init(_ base: HTTPClientError) { self.base = base }
    }

    /// Whether `attempt` may follow after `error`; returns when it is time.
    private func pauses(before attempt: Int, _ error: HTTPClientError) async throws -> Bool {
        let policy = settings.retry
        let isCovered =
            switch error {
            case .timeout: true
            default: policy.covers(error)
            }
        guard isCovered, attempt <= policy.attemptsMax else { return false }
        var pause = policy.pause(before: attempt, random: Int.random(in: 0..<1024))
        if let rest = rate?.pause(at: .now) {
            // Who asked would be gone by then; the next one learns at once that it is too early.
            guard rest <= RateLimit.patience else { return false }
            pause = max(pause, rest)
        }
        guard budget.withdraw() else { return false }
        // Back-off: nobody tells us when the server is well again.
        try await Task.sleep(for: pause)
        return true
    }

    /// `error` in the backend's words.
    func failure(_ error: HTTPClientError, _ what: String) -> BackendError {
        let place = "\(what) in \(backend)"
        if error.statusCode == 429 || error.statusCode == 503, let pause = rate?.pause(at: .now) {
            return BackendError(
                .rateLimited,
                what: place,
                why: error.description,
                remedy: "log in to it, if that raises the limit, or come back later",
                retryAfter: pause
            )
        }
        switch error.statusCode {
        case 404: return BackendError(.notFound, what: place, why: error.description)
        case 401, 403:
            var remedy = "check the credentials and what they allow"
            if case .status(_, let headers, _) = error,
                let clock = ServerClock.remedy(headers, now: .now)
            {
                remedy = clock
            }
            return BackendError(.failed, what: place, why: error.description, remedy: remedy)
        case 405, 501:
            return BackendError(
                .unsupported,
                what: place,
                why: error.description,
                remedy: "the server does not do this; do it where the object is stored"
            )
        default:
            return BackendError(
                error.isTransient ? .unavailable : .failed,
                what: place,
                why: error.description,
                remedy: remedy
            )
        }
    }
}

/// Answers that are no results: redirects, challenges.
struct TransportHops: Sendable {
    /// Steps on the way to one answer; with more, it leads in circles.
    static let countMax = 6

    /// The statuses of such answers.
    let statuses: Set<Int>
    /// What to ask next, or nil when the answer is an error after all.
    let next: @Sendable (ClientRequest, ClientResponse) async throws -> ClientRequest?

    /// Every answer is a result.
    static let none = TransportHops(statuses: []) { _, _ in nil }

    /// Redirects are followed; credentials stay with the server they were for.
    static let redirects = TransportHops(statuses: redirectStatuses, next: redirect)

    static let redirectStatuses: Set<Int> = [301, 302, 303, 307, 308]

    /// The request that a redirect asks for; nil when it is none.
    static let redirect: @Sendable (ClientRequest, ClientResponse) async throws -> ClientRequest? =
        {
            request,
            response in
            guard redirectStatuses.contains(response.status.code),
                let location = response.headers[.location],
                let url = absolute(location, from: request.url)
            else { return nil }
            var next = request
            next.url = url
            if authority(of: url) != authority(of: request.url) {
                next.headers[.authorization] = nil
            }
            return next
        }

    /// `https://host:port`, of a URL.
    static func authority(of url: String) -> String {
        guard let range = url.firstRange(of: "://") else { return "" }
        let rest = url[range.upperBound...].prefix { $0 != "/" && $0 != "?" }
        return String(url[..<rest.endIndex])
    }

    /// `location` as it is meant in an answer to a request for `url`.
    static func absolute(_ location: String, from url: String) -> String? {
        if location.hasPrefix("http://") || location.hasPrefix("https://") { return location }
        return location.hasPrefix("/") ? authority(of: url) + location : nil
    }
}

extension ByteBuffer {
    /// The first bytes as text, for an error.
    var excerpt: String { String(decoding: readableBytesView.prefix(512), as: UTF8.self) }
}

/// `Content-Range: bytes 0-9/1234`.
enum ContentRange {
    /// The whole object's length, of an answer with a part of it.
    static func total(_ headers: HTTPFields) -> Int? {
        guard let range = headers[.contentRange], let slash = range.lastIndex(of: "/") else {
            return nil
        }
        return Int(range[range.index(after: slash)...])
    }
}

extension BackendError {
    /// `backend` does not `what` at all.
    static func unsupported(_ what: String, _ backend: String, remedy: String) -> BackendError {
        BackendError(
            .unsupported,
            what: "\(what) in \(backend)",
            why: "this kind of backend does not do that",
            remedy: remedy
        )
    }
}
