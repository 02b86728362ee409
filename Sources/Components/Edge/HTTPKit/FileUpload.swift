// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Files
import NIOCore
import NIOHTTP1
import Synchronization
import Tracing

/// A request over a plain connection whose body is a part of a file: the kernel sends it from the page cache (`sendfile`), so that
/// no byte passes through this process.
///
/// It is made by the client's older interface: the one for async code takes buffers only.
final class FileUpload: HTTPClientResponseDelegate {
    typealias Response = HTTPClientResponse

    /// Bytes of the answer that are read; whoever sends a file expects a few words.
    private static let answerBytesMax = 1 << 20

    /// Held as long as a connection may send of it: the client holds its delegate until then.
    private let file: SharedFile
    private let answer = Mutex(Answer())

    private struct Answer {
        var head: HTTPResponseHead?
        var body = ByteBuffer()
    }

    private init(_ file: SharedFile) { self.file = file }

    /// Sends `request` with the bytes `range` of `file`, as a span of `tracer`, which the older interface does not know how to
    /// make part of the task's trace.
    /// - Throws: as the client does.
    static func send(
        _ request: HTTPClientRequest,
        _ file: SharedFile,
        _ range: Range<Int>,
        by client: AsyncHTTPClient.HTTPClient,
        tracer: (any Tracer)?,
        timeout: TimeAmount
    ) async throws -> HTTPClientResponse {
        guard let tracer else {
            return try await send(request, file, range, by: client, timeout: timeout)
        }
        return try await tracer.withSpan(request.method.rawValue, ofKind: .client) { span in
            var request = request
            tracer.inject(span.context, into: &request.headers, using: HeaderInjector())
            let response = try await send(request, file, range, by: client, timeout: timeout)
            if span.isRecording {
                span.attributes["http.request.method"] = request.method.rawValue
                span.attributes["url.full"] = request.url
                span.attributes["http.request.body.size"] = range.count
                span.attributes["http.response.status_code"] = Int(response.status.code)
            }
            return response
        }
    }

    private static func send(
        _ request: HTTPClientRequest,
        _ file: SharedFile,
        _ range: Range<Int>,
        by client: AsyncHTTPClient.HTTPClient,
        timeout: TimeAmount
    ) async throws -> HTTPClientResponse {
        let request = try AsyncHTTPClient.HTTPClient.Request(
            url: request.url,
            method: request.method,
            headers: request.headers,
            body: .stream(contentLength: Int64(range.count)) { writer in
                writer.write(.fileRegion(file.fileRegion(range)))
            }
        )
        let upload = FileUpload(file)
        let task = client.execute(request: request, delegate: upload, deadline: .now() + timeout)
        do {
            return try await withTaskCancellationHandler {
                try await task.get()
            } onCancel: {
                task.cancel()
            }
        } catch {
            // Once there is a head the server has answered: what broke is the answer's body, for whoever reads that.
            guard let head = upload.answer.withLock({ $0.head }) else { throw error }
            return Self.response(head, .stream(AsyncThrowingStream { $0.finish(throwing: error) }))
        }
    }

    private static func response(
        _ head: HTTPResponseHead,
        _ body: HTTPClientResponse.Body
    ) -> HTTPClientResponse {
        HTTPClientResponse(
            version: head.version,
            status: head.status,
            headers: head.headers,
            body: body
        )
    }

    func didReceiveHead(
        task: AsyncHTTPClient.HTTPClient.Task<Response>,
        _ head: HTTPResponseHead
    ) -> EventLoopFuture<Void> {
        answer.withLock { $0.head = head }
        return task.eventLoop.makeSucceededVoidFuture()
    }

    func didReceiveBodyPart(
        task: AsyncHTTPClient.HTTPClient.Task<Response>,
        _ buffer: ByteBuffer
    ) -> EventLoopFuture<Void> {
        let isShort = answer.withLock { answer in
            answer.body.writeImmutableBuffer(buffer)
            return answer.body.readableBytes <= Self.answerBytesMax
        }
        guard isShort else {
            return task.eventLoop.makeFailedFuture(
                HTTPClientError.bodyTooLarge(bytesMax: Self.answerBytesMax)
            )
        }
        return task.eventLoop.makeSucceededVoidFuture()
    }

    func didFinishRequest(
        task: AsyncHTTPClient.HTTPClient.Task<Response>
    ) throws -> HTTPClientResponse {
        try answer.withLock { answer in
            // The client calls this after the head only.
            guard let head = answer.head else { throw HTTPClientError.network("no answer") }
            return Self.response(head, .bytes(answer.body))
        }
    }
}

/// Puts what tells others of a trace into the headers of a request.
private struct HeaderInjector: Injector {
    func inject(_ value: String, forKey key: String, into headers: inout HTTPHeaders) {
        headers.replaceOrAdd(name: key, value: value)
    }
}
