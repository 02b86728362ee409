// SPDX-License-Identifier: Apache-2.0

import Crypto
package import Files
import FoundationEssentials
import HTTPKit
package import NIOCore
import Primitives

/// Where the bytes of an upload come from; always readable a second time.
package struct BackendSource: Sendable {
    private enum Content: Sendable {
        case file(SharedFile, count: Int)
        case bytes(ByteBuffer)
    }

    private let content: Content
    /// Called with a number of bytes before they are read; returns when they may go.
    package var pace: (@Sendable (_ bytes: Int) async throws -> Void)?

    /// All bytes of a file, `count` of them.
    package static func file(_ file: SharedFile, count: Int) -> BackendSource {
        BackendSource(content: .file(file, count: count))
    }

    /// Bytes in memory.
    package static func bytes(_ buffer: ByteBuffer) -> BackendSource {
        BackendSource(content: .bytes(buffer))
    }

    /// The number of bytes.
    package var count: Int {
        switch content {
        case .file(_, let count): count
        case .bytes(let buffer): buffer.readableBytes
        }
    }

    /// The file that has these bytes and no others, where they may go at any pace; blocks.
    var wholeFile: SharedFile? {
        get throws {
            guard case .file(let file, let count) = content, pace == nil,
                try file.size() == count
            else { return nil }
            return file
        }
    }

    /// All bytes.
    var range: Range<Int> { 0..<count }

    /// `count` bytes from `offset` on; blocks on a file.
    func part(at offset: Int, count: Int) throws -> ByteBuffer {
        switch content {
        case .file(let file, _): return try file.buffer(at: offset, count: count)
        case .bytes(let buffer):
            return buffer.getSlice(at: buffer.readerIndex + offset, length: count) ?? ByteBuffer()
        }
    }

    /// The bytes `range` as a request's body: read in chunks as the other end takes them, at the pace that is set.
    func body(_ range: Range<Int>, _ context: BackendContext) -> ClientRequest.Body {
        guard !range.isEmpty else { return .bytes(ByteBuffer()) }
        if case .bytes(let buffer) = content, pace == nil {
            let slice = buffer.getSlice(
                at: buffer.readerIndex + range.lowerBound,
                length: range.count
            )
            return .bytes(slice ?? ByteBuffer())
        }
        return .stream(
            length: range.count,
            SourceChunks(
                source: self,
                range: range,
                chunkBytes: context.limits.streamChunkBytes,
                pool: context.pool
            )
        )
    }

    /// The MD5 of the bytes `range` in base64, for stores that know no other sum.
    func md5(_ range: Range<Int>, _ context: BackendContext) async throws -> String {
        let hash = try await hash(Insecure.MD5(), range, context)
        return Data(hash.finalize()).base64EncodedString()
    }

    /// The SHA-256 of the bytes `range` in hexadecimal digits.
    func sha256(_ range: Range<Int>, _ context: BackendContext) async throws -> String {
        HexText.of(try await hash(SHA256(), range, context).finalize())
    }

    /// `hash` carried on with the bytes `range`, read at full speed.
    private func hash<Hash: HashFunction & Sendable>(
        _ hash: Hash,
        _ range: Range<Int>,
        _ context: BackendContext
    ) async throws -> Hash {
        var hash = hash
        var offset = range.lowerBound
        let chunkBytes = context.limits.streamChunkBytes
        while offset < range.upperBound {
            let (start, running) = (offset, hash)
            let end = min(range.upperBound, offset + Self.hashedBytesMax)
            hash = try await context.pool.run {
                var hash = running
                var position = start
                while position < end {
                    let part = try self.part(at: position, count: min(chunkBytes, end - position))
                    part.withUnsafeReadableBytes { hash.update(bufferPointer: $0) }
                    position += part.readableBytes
                }
                return hash
            }
            offset = end
        }
        return hash
    }

    /// Bytes hashed in one go on a thread of the pool: some milliseconds.
    private static let hashedBytesMax = 4 << 20
}

/// A part of a source, read chunk by chunk as somebody asks for them.
private struct SourceChunks: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    let source: BackendSource
    let range: Range<Int>
    let chunkBytes: Int
    let pool: BlockingPool

    struct AsyncIterator: AsyncIteratorProtocol {
        let chunks: SourceChunks
        var offset: Int

        mutating func next() async throws -> ByteBuffer? {
            let start = offset
            guard start < chunks.range.upperBound else { return nil }
            let count = Swift.min(chunks.chunkBytes, chunks.range.upperBound - start)
            let source = chunks.source
            do {
                try await source.pace?(count)
                let buffer = try await chunks.pool.run { try source.part(at: start, count: count) }
                offset += count
                return buffer
            } catch {
                // Not the server's fault: no repeat would help.
                throw BodySourceFailure(error)
            }
        }
    }

    func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(chunks: self, offset: range.lowerBound)
    }
}

/// Bytes as hexadecimal digits.
enum HexText {
    /// The digits of `bytes`, in lower case.
    static func of(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}
