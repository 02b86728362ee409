// SPDX-License-Identifier: Apache-2.0

package import HTTPKit

/// Why a backend did not do what it was asked for.
package struct BackendError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of failure, for callers that switch on it.
    package enum Code: Hashable, Sendable {
        /// It has no such object.
        case notFound
        /// The name is none that it stores.
        case invalidName
        /// No row of the table matches the namespace.
        case noBackend
        /// A setting is wrong.
        case invalidConfiguration
        /// Storage of this kind does not do that.
        case unsupported
        /// It can't be reached, or failed in a way that may pass.
        case unavailable
        /// It answers, but not as often as it is asked; ``BackendError/retryAfter`` says when it will.
        case rateLimited
        /// It failed in a way that will not pass by itself.
        case failed
    }

    /// The kind of failure.
    package let code: Code
    /// What was attempted, and where.
    package let what: String
    /// What went wrong.
    package let why: String
    /// What to do about it.
    package let remedy: String
    /// When to ask again, of what is limited.
    package let retryAfter: Duration?

    /// A failure of kind `code`.
    package init(
        _ code: Code,
        what: String,
        why: String,
        remedy: String = "",
        retryAfter: Duration? = nil
    ) {
        (self.code, self.what, self.why, self.remedy) = (code, what, why, remedy)
        self.retryAfter = retryAfter
    }

    /// Whether it may pass by itself.
    package var mayPass: Bool { code == .unavailable || code == .rateLimited }

    /// Whether the same call will fail the same way until someone changes the configuration.
    package var isFinal: Bool {
        switch code {
        case .invalidName, .noBackend, .invalidConfiguration, .unsupported: true
        case .notFound, .unavailable, .rateLimited, .failed: false
        }
    }

    package var description: String {
        remedy.isEmpty ? "\(what): \(why)" : "\(what): \(why); \(remedy)"
    }

    /// `backend` has no object `name`.
    package static func notFound(_ name: String, in backend: String) -> BackendError {
        BackendError(.notFound, what: "read \(name) in \(backend)", why: "there is no such object")
    }
}

extension HTTPProblem {
    /// 429: `error` says that a server behind us wants to be asked less often, and until when.
    package static func rateLimited(_ error: BackendError) -> HTTPProblem {
        .tooManyRequests(error.description, retryAfter: error.retryAfter ?? .seconds(1)).asText
    }
}
