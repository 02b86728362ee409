// SPDX-License-Identifier: Apache-2.0

import BlobStorage
import Files
import HTTPTypes
import RegistryAPI

extension RegistryError {
    /// What a client is told when the proxy's own disk refused something.
    init(_ error: FileError) {
        guard error.code == .noSpace else {
            self.init(.unknown, .internalServerError, "the proxy's disk failed: \(error.why)")
            return
        }
        self = .noSpace("the proxy's disk is full: \(error); begin the upload anew then")
    }

    /// What a client is told when the upload `id` came to nothing.
    init(_ error: StorageError, upload id: String) {
        switch error.code {
        case .tooManyUploads: self = .tooManyRequests("\(error.why); \(error.remedy)")
        case .digestMismatch: self = .digestInvalid("\(error.why); \(error.remedy)")
        case .uploadEnded: self = .uploadUnknown(id)
        default:
            self.init(.unknown, .internalServerError, "\(error.what): \(error.why)")
        }
    }
}
