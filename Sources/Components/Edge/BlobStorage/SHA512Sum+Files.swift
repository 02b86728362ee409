// SPDX-License-Identifier: Apache-2.0

package import Content
package import Files

extension SHA512Sum {
    /// Takes in the bytes of `file` from where this sum stands up to `end`. Blocks: for a thread of a pool.
    /// - Throws: `FileError` when the file ends before.
    package mutating func update(from file: SharedFile, upTo end: Int) throws {
        guard bytes < end else { return }
        try withUnsafeTemporaryAllocation(
            byteCount: min(BlobHasher.readBytes, end - bytes),
            alignment: 64
        ) { buffer in
            while bytes < end {
                let wanted = min(buffer.count, end - bytes)
                let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted])
                try file.readWhole(part, at: bytes)
                update(UnsafeRawBufferPointer(part))
            }
        }
    }
}
