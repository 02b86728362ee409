// SPDX-License-Identifier: Apache-2.0

package import Files

extension Directory {
    /// Makes the directory at `path` with those above it, and returns once their names are on the
    /// disk.
    /// - Throws: `FileError`.
    package static func createDurably(_ path: String) throws {
        guard let topmost = try create(path) else { return }
        var made = path
        while let parent = parent(of: made) {
            try synchronize(parent)
            if made == topmost { return }
            made = parent
        }
    }
}
