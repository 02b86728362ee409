// SPDX-License-Identifier: Apache-2.0

/// Why some text or bytes are not the name or document they claim to be.
package struct ContentError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of defect, for callers that switch on it.
    package enum Code: Hashable, Sendable {
        case invalidDigest, invalidIdentifier, invalidName, invalidBitfield, invalidMetaInfo,
            invalidJSON
        case invalidManifest, tooLarge
    }

    /// The kind of defect.
    package let code: Code
    /// What could not be read.
    package let what: String
    /// What is wrong with it.
    package let why: String

    /// An error of kind `code`: `what` could not be read because of `why`.
    package init(_ code: Code, what: String, why: String) {
        (self.code, self.what, self.why) = (code, what, why)
    }

    package var description: String { "\(what): \(why)" }
}
