// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
package import Files
import HTTPTypes
import Logging
package import NIOCore
import NIOHTTP1
import NIOSSL
package import Primitives
import Synchronization
package import Telemetry
package import TransportSecurity

/// The process's way to ask other servers: pooled keep-alive connections, time-outs, retries, typed errors.
///
/// One per process, shared by all its components. Long bodies come down over connections of their own, which read a
/// MiB at a time: such a buffer belongs to its connection, so connections for small requests must not have one.
package struct HTTPClient: Sendable {
    private let control: LoopClients
    private let bulk: AsyncHTTPClient.HTTPClient
    private let eventLoopGroup: any EventLoopGroup
    private let configurations: ClientConfigurations
    private let pool: BlockingPool
    private let chunkBytes: Int
    private let draws: JitterSource
    private var faults: FaultSwitch?
    private var secured: SecuredClients?

    /// A client whose connections live on `eventLoopGroup` and which reads files on `pool`. Hosts in `addresses` are
    /// found there, as by a line of /etc/hosts. Where not `isTraced`, its requests belong to no trace.
    package init(
        eventLoopGroup: any EventLoopGroup,
        pool: BlockingPool,
        limits: Limits = Limits(),
        seed: UInt64 = .random(in: .min ... .max),
        connectTimeout: Duration = .seconds(5),
        bulkReadTimeout: Duration = .seconds(60),
        addresses: [String: String] = [:],
        isTraced: Bool = true
    ) {
        let configurations = ClientConfigurations(
            connectTimeout: connectTimeout,
            bulkReadTimeout: bulkReadTimeout,
            addresses: addresses,
            isTraced: isTraced
        )
        control = LoopClients(on: eventLoopGroup, configurations.control)
        bulk = AsyncHTTPClient.HTTPClient(
            eventLoopGroupProvider: .shared(eventLoopGroup),
            configuration: configurations.bulk
        )
        (self.eventLoopGroup, self.configurations) = (eventLoopGroup, configurations)
        self.pool = pool
        chunkBytes = limits.streamChunkBytes
        draws = JitterSource(seed: seed)
    }

    /// The same client as a component uses it that `faults` may cut off from others.
    package func heeding(_ faults: FaultSwitch) -> HTTPClient {
        var client = self
        client.faults = faults
        return client
    }

    /// The same client, asking members of the cluster by `security`; with `isForAll` also everybody else over HTTPS. It is
    /// shut down instead of this one.
    package func secured(by security: TransportSecurity, isForAll: Bool = false) -> HTTPClient {
        var client = self
        client.secured = SecuredClients(
            security,
            isForAll: isForAll,
            eventLoopGroup: eventLoopGroup,
            configurations: configurations
        )
        return client
    }

    /// Closes every connection; requests in work fail.
    package func shutdown() async throws {
        try await secured?.shutdown()
        try await bulk.shutdown()
        try await control.shutdown()
    }

    /// Sends `request`, again where its policy says so, and answers with the first accepted response.
    ///
    /// The response's body must be read to its end or dropped; reading it is never repeated.
    /// - Throws: ``HTTPClientError``, or `CancellationError` when the task was cancelled.
    package func send(_ request: ClientRequest) async throws -> ClientResponse {
        try await repeating(request) { deadline in
            try await sendOnce(request, deadline: deadline)
        }
    }

    /// Sends `request`, again where its policy says so, and reads the whole body, which may have `bytesMax` bytes. A body that breaks
    /// off counts as a connection that does.
    /// - Throws: as ``send(_:)``, and ``HTTPClientError/bodyTooLarge(bytesMax:)``.
    package func collect(
        _ request: ClientRequest,
        upTo bytesMax: Int
    ) async throws -> (
        response: ClientResponse, body: ByteBuffer
    ) {
        let response = try await repeating(request) { deadline in
            try await sendOnce(request, deadline: deadline, gathering: bytesMax)
        }
        // The Content-Length of an answer to HEAD is that of a body which does not come.
        if let body = response.gathered { return (response, body) }
        return (response, try await response.collect(upTo: bytesMax))
    }

    /// What `attempt` returns, made again where the policy of `request` says so.
    private func repeating(
        _ request: ClientRequest,
        _ attempt: (_ deadline: ContinuousClock.Instant) async throws -> ClientResponse
    ) async throws -> ClientResponse {
        let deadline = ContinuousClock.now.advanced(by: request.timeout)
        var number = 1
        while true {
            do {
                return try await attempt(deadline)
            } catch let error as HTTPClientError {
                number += 1
                guard number <= request.retry.attemptsMax, request.isRepeatable,
                    request.retry.covers(error)
                else { throw error }
                let pause = max(
                    request.retry.pause(before: number, random: draws.below(1024)),
                    error.retryAfter ?? .zero
                )
                guard ContinuousClock.now.advanced(by: pause) < deadline else { throw error }
                // Back-off: nobody tells us when the server is well again.
                try await Task.sleep(for: pause)
            }
        }
    }

    /// Sends `request` once. With `bytesMax` the answer has its whole body, of at most so many bytes, where that can be had.
    private func sendOnce(
        _ request: ClientRequest,
        deadline: ContinuousClock.Instant,
        gathering bytesMax: Int? = nil
    ) async throws -> ClientResponse {
        let (url, route) = route(of: request)
        if let faults, faults.isActive, faults.refuses(address: Self.authority(of: url)) {
            throw HTTPClientError.network("\(url): cut off by a fault")
        }
        var outgoing = HTTPClientRequest(url: url)
        outgoing.method = HTTPMethod(rawValue: request.method.rawValue)
        for field in request.headers {
            outgoing.headers.add(name: field.name.rawName, value: field.value)
        }
        outgoing.tlsConfiguration = route.tls
        do {
            let response = try await outgoing.traced(by: configurations.tracer) { outgoing in
                try await exchange(
                    outgoing,
                    body: request,
                    by: route.client,
                    gathering: bytesMax,
                    deadline: deadline
                )
            }
            guard !request.acceptedStatuses.contains(response.status.code) else { return response }
            throw HTTPClientError.status(
                response.status.code,
                headers: response.headers,
                body: await response.excerpt()
            )
        } catch {
            throw HTTPClientError.wrapping(error, url: url)
        }
    }

    /// Bytes of the answer to a file that are read; whoever sends one expects a few words.
    private static let fileAnswerBytesMax = 1 << 20

    /// Sends `outgoing` with the body of `request`, gathered or as a stream.
    private func exchange(
        _ outgoing: HTTPClientRequest,
        body request: ClientRequest,
        by client: AsyncHTTPClient.HTTPClient,
        gathering bytesMax: Int?,
        deadline: ContinuousClock.Instant
    ) async throws -> ClientResponse {
        let timeout = TimeAmount(deadline - ContinuousClock.now)
        let upload: GatheredExchange.Body? =
            switch request.body {
            case .none where bytesMax != nil: .bytes(nil)
            case .bytes(let buffer) where bytesMax != nil: .bytes(buffer)
            case .file(let file, let range)
            where outgoing.url.hasPrefix("http://") && !range.isEmpty:
                .file(file, range)
            default: nil
            }
        guard let upload else {
            var outgoing = outgoing
            outgoing.body = body(of: request)
            let response = try await client.execute(outgoing, timeout: timeout)
            return ClientResponse(response, deadline: deadline)
        }
        let answer = try await GatheredExchange.send(
            outgoing,
            upload,
            by: client,
            upTo: bytesMax ?? Self.fileAnswerBytesMax,
            acceptedStatuses: request.acceptedStatuses,
            timeout: timeout
        )
        return ClientResponse(answer, deadline: deadline)
    }

    /// Where `request` goes, and by which client.
    private func route(
        of request: ClientRequest
    ) -> (
        url: String, (client: AsyncHTTPClient.HTTPClient, tls: TLSConfiguration?)
    ) {
        if let tls = request.tls {
            return (request.url, (request.isBulk ? bulk : control.current, tls))
        }
        let isMember = request.url.hasPrefix(ClientRequest.memberScheme)
        let rest = isMember ? request.url.dropFirst(ClientRequest.memberScheme.count) : ""
        if let secured, let tls = secured.configuration,
            isMember || (secured.isForAll && request.url.hasPrefix("https://"))
        {
            let client = request.isBulk ? secured.bulk : secured.control.current
            return (isMember ? "https://" + rest : request.url, (client, tls))
        }
        let url = isMember ? "http://" + rest : request.url
        return (url, (request.isBulk ? bulk : control.current, nil))
    }

    /// The `host:port` in `url`.
    private static func authority(of url: String) -> String {
        let rest = url.firstRange(of: "://").map { url[$0.upperBound...] } ?? url[...]
        return String(rest.prefix { $0 != "/" && $0 != "?" })
    }

    private func body(of request: ClientRequest) -> HTTPClientRequest.Body? {
        switch request.body {
        case .none: nil
        case .bytes(let buffer): .bytes(buffer)
        case .file(let file, let range):
            .stream(
                FileChunks(file: file, range: range, chunkBytes: chunkBytes, pool: pool),
                length: .known(Int64(range.count))
            )
        case .stream(let length, let sequence): stream(sequence, length: length)
        }
    }

    private func stream<S: AsyncSequence & Sendable>(
        _ sequence: S,
        length: Int?
    ) -> HTTPClientRequest.Body where S.Element == ByteBuffer {
        .stream(sequence, length: length.map { .known(Int64($0)) } ?? .unknown)
    }
}

/// Random draws for pauses between attempts.
private final class JitterSource: Sendable {
    private let generator: Mutex<Generator>

    init(seed: UInt64) { generator = Mutex(Generator(seed: seed)) }

    func below(_ bound: Int) -> Int { generator.withLock { $0.below(bound) } }
}

extension RetryPolicy {
    /// Whether a request that failed with `error` is sent again.
    package func covers(_ error: HTTPClientError) -> Bool {
        switch error {
        case .status(let code, _, _): statuses.contains(code)
        case .network: retriesNetworkErrors
        case .timeout, .bodyTooLarge, .invalidURL: false
        }
    }
}

extension HTTPClientError {
    /// How long the server asks us to stay away; at most ten seconds are waited for.
    var retryAfter: Duration? { pauseAsked.map { min($0, .seconds(10)) } }

    /// How long the server asks us to stay away; at most a day is believed.
    package var pauseAsked: Duration? {
        guard case .status(_, let headers, _) = self, let text = headers[.retryAfter],
            let seconds = Int(text), seconds >= 0
        else { return nil }
        return .seconds(min(seconds, 86_400))
    }

    /// `error`, whoever threw it, as one of ours; cancellation stays cancellation.
    static func wrapping(_ error: any Error, url: String) -> any Error {
        // What follows may be a signature or a token, which no error may show.
        let url = String(url.prefix { $0 != "?" })
        switch error {
        case is HTTPClientError, is CancellationError, is BodySourceFailure: return error
        case is NIOTooManyBytesError: return HTTPClientError.bodyTooLarge(bytesMax: 0)
        case let error as AsyncHTTPClient.HTTPClientError:
            switch error {
            case .deadlineExceeded, .connectTimeout, .readTimeout, .writeTimeout,
                .getConnectionFromPoolTimeout:
                // A connection that cannot be made in time is the network's fault: others may be reachable.
                return error == .connectTimeout
                    ? HTTPClientError.network("connecting for \(url) timed out")
                    : HTTPClientError.timeout("\(url): \(error.shortDescription)")
            case .invalidURL, .emptyHost, .emptyScheme: return HTTPClientError.invalidURL(url)
            case .cancelled: return CancellationError()
            default: return HTTPClientError.network("\(url): \(error.shortDescription)")
            }
        case let error as NIOSSLExtraError where error == .failedToValidateHostname:
            return HTTPClientError.network(
                "\(url): the server's certificate is for another host (\(error.description)); "
                    + "make one for this host, or say tls.name"
            )
        case let error as NIOSSLError:
            return HTTPClientError.network("\(url): no TLS connection: \(describe("\(error)"))")
        default: return HTTPClientError.network("\(url): \(describe("\(error)"))")
        }
    }
}

extension HTTPClientError {
    /// What an error that says `text` means for whoever runs the cluster.
    private static func describe(_ text: String) -> String {
        if text.contains("CERTIFICATE_VERIFY_FAILED") {
            return "no authority in tls.cas vouches for the server's certificate (\(text))"
        }
        if text.contains("WRONG_VERSION_NUMBER") {
            return "the server speaks plain HTTP (\(text))"
        }
        // What a server says of the certificate it wanted, when none came or one that it does not believe.
        for alert in ["BAD_CERTIFICATE", "CERTIFICATE_REQUIRED", "UNKNOWN_CA"]
        where text.contains(alert) {
            return "the server wants another certificate of us, or one at all: tls.client (\(text))"
        }
        return text
    }
}

extension TimeAmount {
    /// `duration`, at least a nanosecond.
    init(_ duration: Duration) { self = .nanoseconds(max(1, duration.nanoseconds)) }
}
