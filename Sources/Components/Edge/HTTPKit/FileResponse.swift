// SPDX-License-Identifier: Apache-2.0

package import Files
package import HTTPTypes
package import Hummingbird

extension Response {
    /// An answer whose body is `range` of `file`, sent by `sendfile`; the file stays open until it is sent.
    package static func file(
        _ file: SharedFile,
        range: Range<Int>,
        status: HTTPResponse.Status = .ok,
        headers: HTTPFields = [:]
    ) -> Response {
        // Nothing is waited for but the client, so it takes no task of its own that a leaving client could cancel.
        let body = ResponseBody(contentLength: range.count) { writer in
            try await sink(for: writer, bytes: range.count).write(file, range)
            try await writer.finish(nil)
        }
        return Response(status: status, headers: headers, body: body)
    }

    /// An answer of exactly `bytes` bytes that `write` sends part by part, as it gets them.
    ///
    /// A part is taken only as fast as the client reads, and `write` is cancelled when the client goes away. When `write`
    /// throws or sends fewer bytes, the connection is closed, so that the client does not mistake the body for a whole.
    package static func fileStream(
        bytes: Int,
        status: HTTPResponse.Status = .ok,
        headers: HTTPFields = [:],
        write: @escaping @Sendable (FileBodyWriter) async throws -> Void
    ) -> Response {
        let body = ResponseBody(contentLength: bytes) { writer in
            let sink = sink(for: writer, bytes: bytes)
            if let connection = ServerConnection.current {
                try await connection.whileClientStays { try await write(sink) }
            } else {
                try await write(sink)
            }
            try sink.checkComplete()
            try await writer.finish(nil)
        }
        return Response(status: status, headers: headers, body: body)
    }

    private static func sink(
        for writer: any ResponseBodyWriter,
        bytes: Int
    ) -> FileBodyWriter {
        let connection = ServerConnection.current
        return FileBodyWriter(
            to: connection.map { .connection($0) } ?? .buffers(WriterBox(writer)),
            bytes: bytes
        )
    }

    /// An answer with what `request` wants of the whole file: all of it, or one range (206, 416).
    /// - Throws: 416.
    package static func file(
        _ file: SharedFile,
        bytes total: Int,
        for request: Request,
        headers: HTTPFields = [:],
        entityTag: String? = nil
    ) throws(HTTPProblem) -> Response {
        try ranged(request, total: total, headers: headers, entityTag: entityTag) {
            range,
            status,
            headers in
            .file(file, range: range, status: status, headers: headers)
        }
    }

    /// Resolves the range that `request` wants of `total` bytes and lets `make` answer with it.
    /// - Throws: 416.
    package static func ranged(
        _ request: Request,
        total: Int,
        headers: HTTPFields = [:],
        entityTag: String? = nil,
        make: (Range<Int>, HTTPResponse.Status, HTTPFields) -> Response
    ) throws(HTTPProblem) -> Response {
        let outcome = byteRange(of: request, total: total, entityTag: entityTag)
        let (range, isPartial) = try outcome.resolved(total: total)
        var headers = headers
        headers[.acceptRanges] = "bytes"
        if let entityTag { headers[.eTag] = entityTag }
        if headers[.contentType] == nil { headers[.contentType] = "application/octet-stream" }
        if isPartial {
            headers[.contentRange] = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(total)"
        }
        return make(range, isPartial ? .partialContent : .ok, headers)
    }
}
