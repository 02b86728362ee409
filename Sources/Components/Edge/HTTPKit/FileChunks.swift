// SPDX-License-Identifier: Apache-2.0

package import Files
package import NIOCore

/// A part of a file, read in chunks as somebody asks for them.
package struct FileChunks: AsyncSequence, Sendable {
    package typealias Element = ByteBuffer

    /// The file.
    let file: SharedFile
    /// Which bytes of it.
    let range: Range<Int>
    /// Bytes read at a time.
    let chunkBytes: Int
    /// Where reading blocks.
    let pool: BlockingPool

    /// The bytes `range` of `file`, at most `chunkBytes` at a time.
    package init(file: SharedFile, range: Range<Int>, chunkBytes: Int, pool: BlockingPool) {
        (self.file, self.range, self.chunkBytes, self.pool) = (file, range, chunkBytes, pool)
    }

    /// Reads chunk after chunk.
    package struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let chunks: FileChunks
        fileprivate var offset: Int

        /// The next chunk; nil at the end of the range.
        package mutating func next() async throws -> ByteBuffer? {
            let start = offset
            guard start < chunks.range.upperBound else { return nil }
            let count = Swift.min(chunks.chunkBytes, chunks.range.upperBound - start)
            let file = chunks.file
            let buffer = try await chunks.pool.run { try file.chunk(at: start, count: count) }
            offset += buffer.readableBytes
            return buffer
        }
    }

    package func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(chunks: self, offset: range.lowerBound)
    }
}

extension SharedFile {
    /// Exactly `count` bytes from `offset` on; blocks.
    /// - Throws: ``TruncatedFile`` when the file ends before.
    func chunk(at offset: Int, count: Int) throws -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: count)
        var filled = 0
        while filled < count {
            let read = try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count - filled)
            {
                let target = UnsafeMutableRawBufferPointer(rebasing: $0[..<(count - filled)])
                return try self.read(into: target, at: offset + filled)
            }
            guard read > 0 else { throw TruncatedFile(path: path, offset: offset + filled) }
            filled += read
        }
        return buffer
    }
}

/// A file that is shorter than what was to be read of it.
package struct TruncatedFile: Error, CustomStringConvertible {
    /// The file.
    package let path: String
    /// Where it ended.
    package let offset: Int

    package var description: String { "\(path) ends at byte \(offset), before the part to be read" }
}
