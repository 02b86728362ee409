// SPDX-License-Identifier: Apache-2.0

import Content
import HTTPKit
import HTTPTypes
import NIOCore
import Primitives

/// Requests to one host, with every failure as a ``ClusterError``.
struct HostConnection: Sendable {
    /// The host's `host:port`.
    let address: String
    private let http: HTTPClient

    /// What a host answered to a small request.
    struct Answer {
        let status: Int
        let headers: HTTPFields
        let body: ByteBuffer

        var text: String { String(decoding: body.readableBytesView, as: UTF8.self) }
    }

    init(address: String, http: HTTPClient) { (self.address, self.http) = (address, http) }

    /// All our requests may be sent twice, so one that met a connection just being closed is.
    /// Statuses are the caller's.
    private static let retry = RetryPolicy(
        attemptsMax: 2,
        pause: .milliseconds(20),
        statuses: []
    )

    /// Sends a request and reads the whole answer.
    func exchange(
        _ method: HTTPRequest.Method,
        _ path: String,
        headers: HTTPFields = [:],
        body: ClientRequest.Body = .none,
        timeout: Duration,
        accepting statuses: Set<Int> = [200],
        answerBytesMax: Int = 1 << 20
    ) async throws -> Answer {
        let request = ClientRequest(
            method,
            "\(ClientRequest.memberScheme)\(address)\(path)",
            headers: headers,
            body: body,
            timeout: timeout,
            acceptedStatuses: statuses,
            retry: Self.retry
        )
        do {
            let (response, body) = try await http.collect(request, upTo: answerBytesMax)
            return Answer(status: response.status.code, headers: response.headers, body: body)
        } catch let error as HTTPClientError {
            throw ClusterError(error, what: "\(method) \(path) at \(address)")
        }
    }

    /// Sends a request, with `json` if given, and answers the answer's text.
    @discardableResult func text(
        _ method: HTTPRequest.Method,
        _ path: String,
        headers: HTTPFields = [:],
        json: JSON? = nil,
        timeout: Duration
    ) async throws -> String {
        let body = json.map { ClientRequest.Body.bytes(ByteBuffer(bytes: $0.utf8)) } ?? .none
        var headers = headers
        if json != nil { headers[.contentType] = "application/json" }
        return try await exchange(method, path, headers: headers, body: body, timeout: timeout).text
    }

    /// Sends a request, with `json` if given, and reads the answer as JSON.
    func json<Value>(
        _ method: HTTPRequest.Method,
        _ path: String,
        json: JSON? = nil,
        timeout: Duration,
        answerBytesMax: Int = 1 << 20,
        decode: (JSON) throws -> Value
    ) async throws -> Value {
        let body = json.map { ClientRequest.Body.bytes(ByteBuffer(bytes: $0.utf8)) } ?? .none
        let headers: HTTPFields = json == nil ? [:] : [.contentType: "application/json"]
        let answer = try await exchange(
            method,
            path,
            headers: headers,
            body: body,
            timeout: timeout,
            answerBytesMax: answerBytesMax
        )
        do {
            return try decode(try JSON(parsing: answer.body.readableBytesView))
        } catch let error as ContentError {
            throw ClusterError.unreadable("\(method) \(path) at \(address)", error)
        }
    }

    /// The meta info of `digest` at `path`; another blob's is refused.
    func metaInfo(of digest: Digest, path: String, timeout: Duration) async throws -> MetaInfo {
        let answer = try await exchange(
            .get,
            path,
            timeout: timeout,
            answerBytesMax: Limits().metaInfoBytesMax
        )
        let what = "meta info of \(digest) at \(address)"
        do {
            let metaInfo = try MetaInfo(parsing: answer.body.readableBytesView)
            guard metaInfo.digest == digest else {
                throw ClusterError.unreadable(what, "it is of \(metaInfo.digest)")
            }
            return metaInfo
        } catch let error as ContentError {
            throw ClusterError.unreadable(what, error)
        }
    }

    /// The body at `path`, or `range` in it; a server that ignores the range is read from the
    /// start.
    func download(_ path: String, range: Range<Int>?, what: String) async throws -> BlobBody {
        var headers = HTTPFields()
        if let range {
            // An empty range can't be asked for; a byte of it is asked for and skipped.
            headers[.range] =
                "bytes=\(range.lowerBound)-\(max(range.lowerBound, range.upperBound - 1))"
        }
        let request = ClientRequest(
            .get,
            "\(ClientRequest.memberScheme)\(address)\(path)",
            headers: headers,
            // The bulk client gives up when nothing arrives for a while; a blob may take as long as
            // it needs.
            timeout: .hours(24),
            acceptedStatuses: [200, 206],
            retry: Self.retry,
            isBulk: true
        )
        do {
            return try BlobBody(
                try await http.send(request),
                asked: range,
                what: what,
                address: address
            )
        } catch let error as HTTPClientError {
            throw ClusterError(error, what: what)
        }
    }

    /// Sends one chunk of an upload.
    func patch(
        _ path: String,
        chunk: Range<Int>,
        body: ClientRequest.Body,
        timeout: Duration = .seconds(60)
    ) async throws {
        // Kraken's form of the header: no unit, the end exclusive.
        let headers: HTTPFields = [
            .contentRange: "\(chunk.lowerBound)-\(chunk.upperBound)",
            .contentType: "application/octet-stream",
        ]
        _ = try await exchange(
            .patch,
            path,
            headers: headers,
            body: body,
            timeout: timeout
        )
    }
}

extension ClusterError {
    /// `error` of the HTTP client, met while doing `what`.
    init(_ error: HTTPClientError, what: String) {
        switch error {
        case .status(404, _, _):
            self.init(.notFound, what: what, why: "not found")
        case .status(202, _, _):
            self.init(.accepted, what: what, why: "started, not done yet", remedy: "ask again")
        case .status(let code, _, let body):
            self.init(
                .status(code),
                what: what,
                why: "status \(code): \(body)",
                retryAfter: error.pauseAsked
            )
        case .network, .timeout:
            self.init(
                .network,
                what: what,
                why: error.description,
                remedy: "check that the component runs and its address is right"
            )
        case .bodyTooLarge, .invalidURL:
            self.init(.unreadableAnswer, what: what, why: error.description)
        }
    }
}
