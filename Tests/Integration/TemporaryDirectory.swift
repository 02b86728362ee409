// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A folder of the test's own, removed with the value.
final class TemporaryDirectory: Sendable {
    /// Where it is.
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appending(
            path: "herd-test-\(UUID().uuidString)"
        )
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit {
        // A folder that is gone already is as good.
        try? FileManager.default.removeItem(at: url)
    }
}
