// SPDX-License-Identifier: Apache-2.0

package import Content
package import HTTPTypes
package import Hummingbird
package import NIOCore

extension Response {
    /// An answer with plain text.
    package static func text(
        _ text: String,
        status: HTTPResponse.Status = .ok,
        contentType: String = "text/plain; charset=utf-8"
    ) -> Response {
        Response(
            status: status,
            headers: [.contentType: contentType],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text))
        )
    }

    /// An answer with a JSON document.
    package static func json(_ document: JSON, status: HTTPResponse.Status = .ok) -> Response {
        json(bytes: document.utf8, status: status)
    }

    /// An answer with `bytes`, which are a JSON document.
    package static func json(bytes: [UInt8], status: HTTPResponse.Status = .ok) -> Response {
        Response(
            status: status,
            headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes))
        )
    }

    /// An answer without a body.
    package static func empty(
        _ status: HTTPResponse.Status = .ok,
        headers: HTTPFields = [:]
    ) -> Response {
        Response(status: status, headers: headers)
    }
}

extension Request {
    /// The whole body.
    /// - Throws: 413 when it has more than `bytesMax` bytes.
    package func collectBody(upTo bytesMax: Int) async throws -> ByteBuffer {
        if let length = headers[.contentLength].flatMap({ Int($0) }), length > bytesMax {
            throw HTTPProblem.contentTooLarge(bytesMax: bytesMax)
        }
        do {
            return try await body.collect(upTo: bytesMax)
        } catch is NIOTooManyBytesError {
            throw HTTPProblem.contentTooLarge(bytesMax: bytesMax)
        }
    }

    /// The body as a JSON document; its content type is not looked at, as Kraken's servers don't.
    /// - Throws: 413 beyond `bytesMax` bytes, 400 when it is not JSON.
    package func json(upTo bytesMax: Int) async throws -> JSON {
        let buffer = try await collectBody(upTo: bytesMax)
        do {
            return try JSON(parsing: buffer.readableBytesView)
        } catch {
            throw HTTPProblem.badRequest("the body is not JSON", detail: error.description)
        }
    }
}
