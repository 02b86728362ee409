// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
package import HTTPTypes
package import NIOCore
import NIOHTTP1
import Primitives

/// What another server answered. Its body can be read once.
package struct ClientResponse: Sendable {
    /// The status; one of those the request accepts.
    package let status: HTTPResponse.Status
    /// The headers.
    package let headers: HTTPFields
    /// The body, as it comes in.
    package let body: ClientBody

    /// The whole body, where the answer came with it.
    let gathered: ByteBuffer?

    /// An answer that came whole.
    init(_ answer: GatheredExchange.Answer, deadline: ContinuousClock.Instant) {
        self.init(
            HTTPClientResponse(
                version: answer.head.version,
                status: answer.head.status,
                headers: answer.head.headers,
                body: .bytes(answer.body)
            ),
            deadline: deadline,
            gathered: answer.body
        )
    }

    /// An answer whose body is still to come.
    init(
        _ response: HTTPClientResponse,
        deadline: ContinuousClock.Instant,
        gathered: ByteBuffer? = nil
    ) {
        self.gathered = gathered
        status = HTTPResponse.Status(
            code: Int(response.status.code),
            reasonPhrase: response.status.reasonPhrase
        )
        var headers = HTTPFields()
        for (name, value) in response.headers {
            // A field whose name no HTTP client should see is no use to us either.
            guard let name = HTTPField.Name(name) else { continue }
            headers.append(HTTPField(name: name, value: value))
        }
        self.headers = headers
        body = ClientBody(base: response.body, deadline: deadline)
    }

    /// The bytes that the body will have, where the server said so.
    package var contentLength: Int? { headers[.contentLength].flatMap { Int($0) } }

    /// The whole body.
    /// - Throws: ``HTTPClientError``: `.bodyTooLarge` beyond `bytesMax` bytes, `.timeout`, `.network`.
    package func collect(upTo bytesMax: Int) async throws -> ByteBuffer {
        if let contentLength, contentLength > bytesMax {
            throw HTTPClientError.bodyTooLarge(bytesMax: bytesMax)
        }
        if let gathered {
            guard gathered.readableBytes <= bytesMax else {
                throw HTTPClientError.bodyTooLarge(bytesMax: bytesMax)
            }
            return gathered
        }
        return try await withDeadline(body.deadline, "reading the body") { [base = body.base] in
            var whole = ByteBuffer()
            do {
                for try await var part in base {
                    guard whole.readableBytes + part.readableBytes <= bytesMax else {
                        throw HTTPClientError.bodyTooLarge(bytesMax: bytesMax)
                    }
                    if whole.readableBytes == 0 { whole = part } else { whole.writeBuffer(&part) }
                }
            } catch {
                throw HTTPClientError.wrapping(error, url: "body")
            }
            return whole
        }
    }

    private static let excerptBytesMax = 512

    /// The first bytes of the body as text, for an error's message; empty when they cannot be had.
    func excerpt() async -> String {
        if let gathered {
            let bytes = gathered.readableBytesView.prefix(Self.excerptBytesMax)
            return String(decoding: bytes, as: UTF8.self)
        }
        var text = ""
        do {
            for try await part in body {
                text += String(
                    decoding: part.readableBytesView.prefix(Self.excerptBytesMax),
                    as: UTF8.self
                )
                if text.utf8.count >= Self.excerptBytesMax { break }
            }
        } catch {
            // The status says enough; the rest of its explanation is lost with the connection.
            return text
        }
        return String(text.prefix(Self.excerptBytesMax))
    }
}

/// A response's body as it comes in; reading pauses the sender when the reader does.
package struct ClientBody: AsyncSequence, Sendable {
    package typealias Element = ByteBuffer

    fileprivate let base: HTTPClientResponse.Body
    fileprivate let deadline: ContinuousClock.Instant

    /// Reads the body; ends in ``HTTPClientError`` when the connection breaks or the request's time is over.
    package struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let reader: BodyReader
        fileprivate let deadline: ContinuousClock.Instant

        /// The next bytes; nil at the end.
        package mutating func next() async throws -> ByteBuffer? {
            try await next(isolation: #isolation)
        }

        /// The next bytes, for a caller on `actor`; nil at the end.
        package mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(any Error) -> ByteBuffer? {
            do {
                return try await withDeadline(deadline, "reading the body") { [reader] in
                    try await reader.next()
                }
            } catch {
                throw HTTPClientError.wrapping(error, url: "body")
            }
        }
    }

    package func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(reader: BodyReader(base.makeAsyncIterator()), deadline: deadline)
    }
}

/// An iterator that the task which keeps an eye on the time can hold, too.
private final class BodyReader: @unchecked Sendable {
    // SAFETY: an iterator's calls do not overlap, and `withDeadline` returns only when the task that makes the call has.
    private var base: HTTPClientResponse.Body.AsyncIterator

    init(_ base: HTTPClientResponse.Body.AsyncIterator) { self.base = base }

    @concurrent func next() async throws -> ByteBuffer? { try await base.next() }
}

/// What `body` returns, unless it takes longer than until `deadline`: then it is cancelled.
/// - Throws: what `body` throws; ``HTTPClientError/timeout(_:)`` saying `what` took so long.
private func withDeadline<Value: Sendable>(
    _ deadline: ContinuousClock.Instant,
    _ what: String,
    _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await withThrowingTaskGroup(of: Value.self) { group in
        defer { group.cancelAll() }
        group.addTask { try await body() }
        group.addTask {
            // A deadline: a server that has fallen silent tells nobody.
            try await Task.sleep(until: deadline, clock: .continuous)
            throw HTTPClientError.timeout(what)
        }
        guard let first = try await group.next() else { throw CancellationError() }
        return first
    }
}
