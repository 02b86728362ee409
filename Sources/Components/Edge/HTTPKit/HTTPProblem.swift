// SPDX-License-Identifier: Apache-2.0

import Content
package import Files
package import HTTPTypes
package import Hummingbird
import NIOCore
import Primitives

/// An answer that is not a success, thrown from a route: a status, a reason, and what to do about it.
///
/// The body is `{"error":{"code","message","detail","remedy"}}` unless ``style`` says otherwise.
package struct HTTPProblem: Error, HTTPResponseError, CustomStringConvertible {
    /// How the body is written.
    package enum Style: Hashable, Sendable {
        /// A JSON object.
        case json
        /// The message as plain text: what Kraken's own clients expect.
        case text
        /// No body: Kraken's 202 and 404.
        case empty
    }

    /// The status; 202 and above.
    package var status: HTTPResponse.Status
    /// The kind of problem in capitals, for programs: `BAD_REQUEST`.
    package var code: String
    /// What is wrong, for people.
    package var message: String
    /// On what, or how it came about.
    package var detail: String?
    /// What to do about it.
    package var remedy: String?
    /// Further headers of the answer.
    package var headers: HTTPFields
    /// How the body is written.
    package var style: Style

    /// A problem with `status`; `code` defaults to the status's name in capitals.
    package init(
        _ status: HTTPResponse.Status,
        _ message: String,
        code: String? = nil,
        detail: String? = nil,
        remedy: String? = nil,
        headers: HTTPFields = [:],
        style: Style = .json
    ) {
        self.status = status
        self.message = message
        self.code = code ?? HTTPProblem.code(of: status)
        self.detail = detail
        self.remedy = remedy
        self.headers = headers
        self.style = style
    }

    /// The same problem with its body as plain text.
    package var asText: HTTPProblem { styled(.text) }
    /// The same problem without a body.
    package var asEmpty: HTTPProblem { styled(.empty) }

    private func styled(_ style: Style) -> HTTPProblem {
        var copy = self
        copy.style = style
        return copy
    }

    package var description: String {
        [message, detail, remedy].compactMap { $0 }.joined(separator: "; ")
    }

    /// The answer that says so.
    package var response: Response {
        var headers = headers
        switch style {
        case .empty:
            return Response(status: status, headers: headers)
        case .text:
            headers[.contentType] = "text/plain; charset=utf-8"
            return Response(
                status: status,
                headers: headers,
                body: ResponseBody(byteBuffer: ByteBuffer(string: message))
            )
        case .json:
            headers[.contentType] = "application/json"
            return Response(
                status: status,
                headers: headers,
                body: ResponseBody(byteBuffer: ByteBuffer(bytes: jsonBody))
            )
        }
    }

    /// The JSON document that says so.
    var jsonBody: [UInt8] {
        var members = [JSON.Member("code", .string(code)), .init("message", .string(message))]
        if let detail { members.append(.init("detail", .string(detail))) }
        if let remedy { members.append(.init("remedy", .string(remedy))) }
        return JSON.object([.init("error", .object(members))]).utf8
    }

    package func response(from request: Request, context: some RequestContext) throws -> Response {
        response
    }

    private static func code(of status: HTTPResponse.Status) -> String {
        let name = status.reasonPhrase.isEmpty ? "STATUS \(status.code)" : status.reasonPhrase
        return String(
            name.uppercased().map { $0.isLetter || $0.isNumber ? $0 : "_" }
        )
    }
}

// MARK: - The common ones

extension HTTPProblem {
    /// 400: the request itself is wrong.
    package static func badRequest(
        _ message: String,
        detail: String? = nil,
        remedy: String? = nil
    ) -> HTTPProblem {
        HTTPProblem(.badRequest, message, detail: detail, remedy: remedy)
    }

    /// 404: nothing has that name.
    package static func notFound(_ message: String = "not found") -> HTTPProblem {
        HTTPProblem(.notFound, message)
    }

    /// 405: the path exists, but not with that method.
    package static func methodNotAllowed(_ allowed: [HTTPRequest.Method]) -> HTTPProblem {
        let names = allowed.map(\.rawValue).joined(separator: ", ")
        return HTTPProblem(
            .methodNotAllowed,
            "method not allowed",
            remedy: "use \(names)",
            headers: [.allow: names]
        )
    }

    /// 409: it is there already, or changed meanwhile.
    package static func conflict(_ message: String) -> HTTPProblem {
        HTTPProblem(.conflict, message)
    }

    /// 202 without a body: started or still running, ask again.
    package static var accepted: HTTPProblem {
        HTTPProblem(.accepted, "accepted", style: .empty)
    }

    /// 413: the body is longer than `bytesMax`.
    package static func contentTooLarge(bytesMax: Int) -> HTTPProblem {
        HTTPProblem(
            .contentTooLarge,
            "the body is too large",
            detail: "at most \(bytesMax) bytes are read here"
        )
    }

    /// 416: the range lies outside of `total` bytes.
    package static func rangeNotSatisfiable(total: Int) -> HTTPProblem {
        HTTPProblem(
            .rangeNotSatisfiable,
            "the range lies outside of the \(total) bytes",
            headers: [.contentRange: "bytes */\(total)"]
        )
    }

    /// 429: more than is allowed at a time; `retryAfter` says when to come back.
    package static func tooManyRequests(_ message: String, retryAfter: Duration) -> HTTPProblem {
        HTTPProblem(
            .tooManyRequests,
            message,
            headers: [.retryAfter: retrySeconds(retryAfter)]
        )
    }

    /// 503: not now; `retryAfter` says when to come back.
    package static func unavailable(
        _ message: String,
        retryAfter: Duration = .seconds(1)
    ) -> HTTPProblem {
        HTTPProblem(
            .serviceUnavailable,
            message,
            headers: [.retryAfter: retrySeconds(retryAfter)]
        )
    }

    /// 507: the disk has no room, as `error` says; the same request succeeds once there is some.
    package static func noSpace(_ error: FileError) -> HTTPProblem {
        noSpace(error.description)
    }

    /// 507: the disk has no room for what `message` tells of.
    package static func noSpace(_ message: String) -> HTTPProblem {
        HTTPProblem(.insufficientStorage, message, code: "NO_SPACE")
    }

    /// 500: `message` must not tell more than a client may know; the cause belongs in the log.
    package static func internalError(
        _ message: String = "internal error",
        remedy: String? = nil
    ) -> HTTPProblem {
        HTTPProblem(.internalServerError, message, remedy: remedy)
    }

    private static func retrySeconds(_ duration: Duration) -> String {
        String(max(1, Int(duration.seconds.rounded(.up))))
    }
}

extension HTTPResponse.Status {
    /// 507 of WebDAV: a disk is full.
    /// - Source: RFC 4918 §11.5.
    package static let insufficientStorage = HTTPResponse.Status(
        code: 507,
        reasonPhrase: "Insufficient Storage"
    )
}
