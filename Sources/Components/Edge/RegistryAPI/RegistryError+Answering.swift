// SPDX-License-Identifier: Apache-2.0

import Content
import Files
import HTTPKit
import HTTPTypes
import Logging
import Telemetry

extension RegistryError {
    /// What a client may know of `error`; what it may not goes to `log`.
    init(answering error: any Error, log: Logger) {
        switch error {
        case let error as RegistryError:
            // Clients show no more of it than the status.
            if error.status == .insufficientStorage {
                log.warning("a disk is full", metadata: [LogKey.error: "\(error)"])
            }
            self = error
        case let error as HTTPProblem:
            self.init(
                Self.code(for: error.status),
                error.status,
                error.description,
                headers: error.headers
            )
        case let error as ContentError:
            self.init(Self.code(for: error.code), .badRequest, error.description)
        case let error as BodyBroken:
            log.info("a body broke off", metadata: [LogKey.error: "\(error.cause)"])
            let why = "the body broke off; ask how far the upload is and go on from there"
            self.init(.blobUploadInvalid, .badRequest, why, headers: [.connection: "close"])
        case let error as FileError where error.code == .noSpace:
            log.warning("a disk is full", metadata: [LogKey.error: "\(error)"])
            self = .noSpace("the disk is full: \(error)")
        case is CancellationError:
            self = .unavailable("the registry is stopping")
        default:
            log.error("registry request failed", metadata: [LogKey.error: "\(error)"])
            let why = "internal error; the registry's log tells more under this request id"
            self.init(.unknown, .internalServerError, why)
        }
    }

    private static func code(for status: HTTPResponse.Status) -> Code {
        switch status.code {
        case 405: .unsupported
        case 413: .sizeInvalid
        case 416: .rangeInvalid
        case 429: .tooManyRequests
        case 502, 503, 504, 507: .unavailable
        default: .unknown
        }
    }

    private static func code(for code: ContentError.Code) -> Code {
        switch code {
        case .invalidDigest: .digestInvalid
        case .invalidName: .nameInvalid
        case .invalidManifest, .invalidJSON, .tooLarge: .manifestInvalid
        case .invalidIdentifier, .invalidBitfield, .invalidMetaInfo: .unknown
        }
    }
}
