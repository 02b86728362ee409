// SPDX-License-Identifier: Apache-2.0

package import Files

extension Directory {
    /// Makes the directory at `path` with those above it, and returns once their names are on the
    /// disk.
    /// - Throws: `FileError`.
    package static func createDurably(_ path: String) throws {
        guard let topmost = try create(path), let above = parent(of: topmost) else { return }
        try synchronizeNames(from: above, to: path)
    }
}
