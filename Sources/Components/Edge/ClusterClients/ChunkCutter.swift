// SPDX-License-Identifier: Apache-2.0

import HTTPKit
import NIOCore

/// Cuts the bytes of an upload into bodies of consecutive requests, without gathering a body in
/// memory.
struct ChunkCutter: Sendable {
    private let source: UploadSource
    private let reader: StreamReader?

    init(_ source: UploadSource) {
        self.source = source
        if case .stream(_, let sequence) = source {
            reader = StreamReader(sequence)
        } else {
            reader = nil
        }
    }

    /// The body with the bytes in `range`; of a stream, ranges must be asked for and read in order.
    func body(of range: Range<Int>) -> ClientRequest.Body {
        switch source {
        case .file(let file, let whole):
            let start = whole.lowerBound + range.lowerBound
            return .file(file, start..<start + range.count)
        case .bytes(let buffer):
            let start = buffer.readerIndex + range.lowerBound
            return .bytes(buffer.getSlice(at: start, length: range.count) ?? ByteBuffer())
        case .stream:
            guard let reader else { return .none }
            return .stream(length: range.count, StreamChunk(reader: reader, count: range.count))
        }
    }
}

/// The next bytes of a stream as a sequence of its own.
private struct StreamChunk: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    let reader: StreamReader
    let count: Int

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(reader: reader, remaining: count) }

    struct AsyncIterator: AsyncIteratorProtocol {
        let reader: StreamReader
        var remaining: Int

        mutating func next() async throws -> ByteBuffer? {
            guard remaining > 0 else { return nil }
            guard let part = try await reader.next(bytesMax: remaining) else {
                throw ClusterError(
                    .source,
                    what: "read the source of an upload",
                    why: "it ended \(remaining) bytes before its announced length",
                    remedy: "announce the length that is sent"
                )
            }
            remaining -= part.readableBytes
            return part
        }
    }
}

/// Reads one stream for several consecutive requests, keeping what one of them had no room for.
private actor StreamReader {
    private var iterator: any AsyncIteratorProtocol<ByteBuffer, any Error>
    private var rest = ByteBuffer()

    init(_ sequence: any AsyncSequence<ByteBuffer, any Error> & Sendable) {
        iterator = sequence.makeAsyncIterator()
    }

    /// The next bytes, at least one and at most `bytesMax`; nil at the end. One call at a time.
    func next(bytesMax: Int) async throws -> ByteBuffer? {
        while rest.readableBytes == 0 {
            var iterator = iterator
            guard let part = try await iterator.next(isolation: self) else { return nil }
            self.iterator = iterator
            rest = part
        }
        return rest.readSlice(length: min(bytesMax, rest.readableBytes))
    }
}
