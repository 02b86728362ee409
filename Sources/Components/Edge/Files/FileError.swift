// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Why the operating system refused to do something with a file.
package struct FileError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of refusal, for callers that switch on it.
    package enum Code: Hashable, Sendable {
        /// No such file or directory.
        case notFound
        /// It exists already, or the directory is not empty.
        case exists
        /// The disk or the quota is full.
        case noSpace
        /// The process may not.
        case notPermitted
        /// The process or the system has no descriptor left.
        case tooManyOpenFiles
        /// The file is longer or shorter than it has to be.
        case wrongSize
        /// Any other `errno`.
        case other(CInt)
    }

    /// The kind of refusal.
    package let code: Code
    /// What was attempted, on which path.
    package let what: String
    /// What the system said.
    package let why: String
    /// What the operator can do.
    package let remedy: String

    /// An error of kind `code`: `what` failed because of `why`.
    package init(code: Code, what: String, why: String, remedy: String) {
        (self.code, self.what, self.why, self.remedy) = (code, what, why, remedy)
    }

    /// The error for `number`, an `errno`, after `what` was attempted.
    package init(errno number: CInt, _ what: String) {
        let code: Code =
            switch number {
            case ENOENT, ENOTDIR: .notFound
            case EEXIST, ENOTEMPTY: .exists
            case ENOSPC, EDQUOT: .noSpace
            case EACCES, EPERM, EROFS: .notPermitted
            case EMFILE, ENFILE: .tooManyOpenFiles
            default: .other(number)
            }
        self.init(
            code: code,
            what: what,
            why: String(cString: strerror(number)),
            remedy: Self.remedy(for: code)
        )
    }

    private static func remedy(for code: Code) -> String {
        switch code {
        case .notFound: "check that the data directory still exists"
        case .exists: "remove what is in the way, or choose another name"
        case .noSpace: "free space on that disk or lower the clean-up watermark"
        case .notPermitted: "give the process write access to the data directory"
        case .tooManyOpenFiles: "raise the limit of open files (ulimit -n)"
        case .wrongSize: "remove the file; it will be fetched again"
        case .other: "check the disk and the system log"
        }
    }

    package var description: String { "\(what): \(why); \(remedy)" }
}
