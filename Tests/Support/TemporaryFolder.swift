// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Runs `body` with the path of a new, empty folder that is removed afterwards.
package func withTemporaryFolder<Result>(
    _ body: (String) async throws -> Result
) async throws -> Result {
    let path = FileManager.default.temporaryDirectory.path + "/herd-test-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer {
        // A folder that can't be removed does not make the test wrong.
        try? FileManager.default.removeItem(atPath: path)
    }
    return try await body(path)
}
