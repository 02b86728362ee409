// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Files
import NIOCore
import NIOHTTP1
import Synchronization

/// A request whose answer is gathered in memory, on the event loop of its connection, and handed over whole.
///
/// It is made by the client's older interface. The one for async code hands out the answer's parts as a sequence, which takes
/// further tasks and timers to read within a deadline: for a small answer, most of what the request costs. And it takes buffers
/// only, whereas here a part of a file goes up by `sendfile`, so that no byte passes through this process.
final class GatheredExchange: HTTPClientResponseDelegate {
    typealias Response = Answer

    /// A response that came whole.
    struct Answer: Sendable {
        let head: HTTPResponseHead
        let body: ByteBuffer
    }

    /// What goes up with it.
    enum Body {
        case bytes(ByteBuffer?)
        /// Over a plain connection only.
        case file(SharedFile, Range<Int>)
    }

    /// Bytes that are read of an answer with a status that is not accepted; its first words are for an error's message.
    private static let refusalBytesMax = 16 << 10

    /// Held as long as a connection may send of it: the client holds its delegate until then.
    private let file: SharedFile?
    private let bytesMax: Int
    private let acceptedStatuses: Set<Int>
    private let isHead: Bool
    private let received = Mutex(Received())

    private struct Received {
        var head: HTTPResponseHead?
        var body = ByteBuffer()
        var bytesMax = 0
    }

    private init(file: SharedFile?, bytesMax: Int, acceptedStatuses: Set<Int>, isHead: Bool) {
        (self.file, self.bytesMax) = (file, bytesMax)
        (self.acceptedStatuses, self.isHead) = (acceptedStatuses, isHead)
    }

    /// Sends `request` with `body` by `client`; answers with the response and its whole body, of at most `bytesMax` bytes. Of one
    /// whose status is none of `acceptedStatuses` it may be the beginning only.
    /// - Throws: as the client does; ``HTTPClientError/bodyTooLarge(bytesMax:)``.
    static func send(
        _ request: HTTPClientRequest,
        _ body: Body,
        by client: AsyncHTTPClient.HTTPClient,
        upTo bytesMax: Int,
        acceptedStatuses: Set<Int>,
        timeout: TimeAmount
    ) async throws -> Answer {
        let (upload, file): (AsyncHTTPClient.HTTPClient.Body?, SharedFile?) =
            switch body {
            case .bytes(let buffer): (buffer.map { .byteBuffer($0) }, nil)
            case .file(let file, let range):
                (
                    .stream(contentLength: Int64(range.count)) { writer in
                        writer.write(.fileRegion(file.fileRegion(range)))
                    }, file
                )
            }
        let outgoing = try AsyncHTTPClient.HTTPClient.Request(
            url: request.url,
            method: request.method,
            headers: request.headers,
            body: upload,
            tlsConfiguration: request.tlsConfiguration
        )
        let exchange = GatheredExchange(
            file: file,
            bytesMax: bytesMax,
            acceptedStatuses: acceptedStatuses,
            isHead: request.method == .HEAD
        )
        let task = client.execute(
            request: outgoing,
            delegate: exchange,
            deadline: .now() + timeout
        )
        do {
            return try await withTaskCancellationHandler {
                try await task.get()
            } onCancel: {
                task.cancel()
            }
        } catch {
            // A refusal stays one, even if its explanation is too long, or breaks off.
            guard let refusal = exchange.refusal else { throw error }
            return refusal
        }
    }

    /// What has come of an answer whose status is not accepted.
    private var refusal: Answer? {
        let (head, body) = received.withLock { ($0.head, $0.body) }
        guard let head, !acceptedStatuses.contains(Int(head.status.code)) else { return nil }
        return Answer(head: head, body: body)
    }

    func didReceiveHead(
        task: AsyncHTTPClient.HTTPClient.Task<Response>,
        _ head: HTTPResponseHead
    ) -> EventLoopFuture<Void> {
        let isAccepted = acceptedStatuses.contains(Int(head.status.code))
        let bytesMax = isAccepted ? self.bytesMax : Self.refusalBytesMax
        received.withLock { ($0.head, $0.bytesMax) = (head, bytesMax) }
        // The Content-Length of an answer to HEAD is that of a body which does not come.
        if !isHead, let length = head.headers.first(name: "Content-Length").flatMap({ Int($0) }),
            length > bytesMax
        {
            return tooLarge(task)
        }
        return task.eventLoop.makeSucceededVoidFuture()
    }

    func didReceiveBodyPart(
        task: AsyncHTTPClient.HTTPClient.Task<Response>,
        _ buffer: ByteBuffer
    ) -> EventLoopFuture<Void> {
        let isShort = received.withLock { received in
            guard received.body.readableBytes + buffer.readableBytes <= received.bytesMax else {
                return false
            }
            if received.body.readableBytes == 0 {
                received.body = buffer
            } else {
                received.body.writeImmutableBuffer(buffer)
            }
            return true
        }
        return isShort ? task.eventLoop.makeSucceededVoidFuture() : tooLarge(task)
    }

    private func tooLarge(
        _ task: AsyncHTTPClient.HTTPClient.Task<Response>
    ) -> EventLoopFuture<Void> {
        task.eventLoop.makeFailedFuture(HTTPClientError.bodyTooLarge(bytesMax: bytesMax))
    }

    func didFinishRequest(task: AsyncHTTPClient.HTTPClient.Task<Response>) throws -> Answer {
        let (head, body) = received.withLock { ($0.head, $0.body) }
        // The client calls this after the head only.
        guard let head else { throw HTTPClientError.network("no answer") }
        return Answer(head: head, body: body)
    }
}
