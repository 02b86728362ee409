// SPDX-License-Identifier: Apache-2.0

package import Content
import HTTPKit
package import HTTPTypes
package import Hummingbird
import NIOCore
import Primitives

/// An answer of the registry that is not a success, in the words of the OCI distribution specification.
///
/// The body is `{"errors":[{"code","message","detail"}]}`.
/// - Source: OCI distribution specification 1.1, "Error Codes"; `UNSUPPORTED`, `TOOMANYREQUESTS`, `UNAUTHORIZED` as there; `UNKNOWN`,
///   `UNAVAILABLE`, `TAG_INVALID`, `RANGE_INVALID` and `PAGINATION_NUMBER_INVALID` as docker/distribution has them;
///   `PRECONDITION_FAILED` is ours.
package struct RegistryError: Error, Hashable, Sendable, HTTPResponseError, CustomStringConvertible
{
    /// What went wrong, for programs.
    package enum Code: String, Hashable, Sendable {
        case blobUnknown = "BLOB_UNKNOWN"
        case blobUploadInvalid = "BLOB_UPLOAD_INVALID"
        case blobUploadUnknown = "BLOB_UPLOAD_UNKNOWN"
        case denied = "DENIED"
        case digestInvalid = "DIGEST_INVALID"
        case manifestBlobUnknown = "MANIFEST_BLOB_UNKNOWN"
        case manifestInvalid = "MANIFEST_INVALID"
        case manifestUnknown = "MANIFEST_UNKNOWN"
        case nameInvalid = "NAME_INVALID"
        case nameUnknown = "NAME_UNKNOWN"
        case paginationNumberInvalid = "PAGINATION_NUMBER_INVALID"
        case preconditionFailed = "PRECONDITION_FAILED"
        case rangeInvalid = "RANGE_INVALID"
        case sizeInvalid = "SIZE_INVALID"
        case tagInvalid = "TAG_INVALID"
        case tooManyRequests = "TOOMANYREQUESTS"
        case unavailable = "UNAVAILABLE"
        case unauthorized = "UNAUTHORIZED"
        case unknown = "UNKNOWN"
        case unsupported = "UNSUPPORTED"
    }

    /// What went wrong, for programs.
    package var code: Code
    /// The status of the answer.
    package var status: HTTPResponse.Status
    /// What went wrong and what to do about it, for people.
    package var message: String
    /// On what, as JSON.
    package var detail: JSON?
    /// Further headers of the answer.
    package var headers: HTTPFields

    /// An answer with `status` and `code`.
    package init(
        _ code: Code,
        _ status: HTTPResponse.Status,
        _ message: String,
        detail: JSON? = nil,
        headers: HTTPFields = [:]
    ) {
        (self.code, self.status, self.message) = (code, status, message)
        (self.detail, self.headers) = (detail, headers)
    }

    package var description: String { "\(code.rawValue): \(message)" }

    /// The answer that says so.
    package var response: Response {
        var members = [
            JSON.Member("code", .string(code.rawValue)), .init("message", .string(message)),
        ]
        if let detail { members.append(.init("detail", detail)) }
        var response = Response.json(
            .object([.init("errors", .array([.object(members)]))]),
            status: status
        )
        for field in headers { response.headers[field.name] = field.value }
        return response
    }

    package func response(from request: Request, context: some RequestContext) throws -> Response {
        response
    }
}

// MARK: - The common ones

extension RegistryError {
    /// 400: the digest is malformed, or not that of the bytes.
    package static func digestInvalid(_ why: String) -> RegistryError {
        RegistryError(.digestInvalid, .badRequest, why)
    }

    /// 404: there is no such blob.
    package static func blobUnknown(_ digest: ContentDigest) -> RegistryError {
        let detail = JSON.object([.init("digest", .string(digest.description))])
        return RegistryError(.blobUnknown, .notFound, "blob unknown to registry", detail: detail)
    }

    /// 404: there is no such upload, or it has ended.
    package static func uploadUnknown(_ id: String) -> RegistryError {
        RegistryError(
            .blobUploadUnknown,
            .notFound,
            "blob upload unknown to registry; it may have ended or expired: start another one",
            detail: .object([.init("id", .string(id))])
        )
    }

    /// 416: a chunk does not begin where the bytes received end.
    package static func rangeInvalid(bytesReceived: Int) -> RegistryError {
        RegistryError(
            .rangeInvalid,
            .rangeNotSatisfiable,
            "the chunk must begin at byte \(bytesReceived), where the bytes received so far end"
        )
    }

    /// 429: more than is taken at a time.
    package static func tooManyRequests(
        _ message: String,
        retryAfter: Duration = .seconds(1)
    ) -> RegistryError {
        RegistryError(
            .tooManyRequests,
            .tooManyRequests,
            message,
            headers: [.retryAfter: seconds(retryAfter)]
        )
    }

    /// 503: what stands behind this registry does not answer; it may in a moment.
    package static func unavailable(
        _ message: String,
        retryAfter: Duration = .seconds(1)
    ) -> RegistryError {
        RegistryError(
            .unavailable,
            .serviceUnavailable,
            message,
            headers: [.retryAfter: seconds(retryAfter)]
        )
    }

    /// 507: a disk has no room; the same request succeeds once there is some.
    package static func noSpace(_ message: String) -> RegistryError {
        RegistryError(.unavailable, .insufficientStorage, message)
    }

    private static func seconds(_ duration: Duration) -> String {
        String(max(1, Int(duration.seconds.rounded(.up))))
    }
}
