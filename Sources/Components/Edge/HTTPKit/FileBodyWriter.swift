// SPDX-License-Identifier: Apache-2.0

package import Files
import Hummingbird
package import NIOCore
import NIOPosix
import Synchronization

/// Where a streamed body goes: parts of files by `sendfile`, or buffers. Its calls must not overlap.
package final class FileBodyWriter: Sendable {
    /// What stands behind it.
    enum Target: Sendable {
        /// A plain connection: the kernel copies from the page cache.
        case connection(ServerConnection)
        /// Anything that takes buffers only: TLS, HTTP/2, a router under test.
        case buffers(WriterBox)
    }

    private let target: Target
    private let bytesTotal: Int
    private let bytesWritten = Atomic(0)

    init(to target: Target, bytes: Int) {
        self.target = target
        bytesTotal = bytes
    }

    /// Sends `range` of `file`; returns when it has left this process, so that a slow client holds the caller up.
    /// - Throws: when the client is gone, or more is written than the length announced.
    package func write(_ file: SharedFile, _ range: Range<Int>) async throws {
        try account(range.count)
        switch target {
        case .connection(let connection): try await connection.send(file, range)
        case .buffers(let box):
            var offset = range.lowerBound
            while offset < range.upperBound {
                let (start, count) = (offset, min(256 << 10, range.upperBound - offset))
                let chunk = try await NIOThreadPool.singleton.runIfActive {
                    try file.chunk(at: start, count: count)
                }
                try await box.write(chunk)
                offset += count
            }
        }
    }

    /// Sends `buffer`, which is small; returns when it has left this process.
    /// - Throws: as ``write(_:_:)``.
    package func write(_ buffer: ByteBuffer) async throws {
        guard buffer.readableBytes > 0 else { return }
        try account(buffer.readableBytes)
        switch target {
        case .connection(let connection): try await connection.send(buffer)
        case .buffers(let box): try await box.write(buffer)
        }
    }

    /// Fails unless as many bytes were written as were announced.
    func checkComplete() throws {
        let written = bytesWritten.load(ordering: .relaxed)
        guard written == bytesTotal else {
            throw BodyLengthMismatch(announced: bytesTotal, written: written)
        }
    }

    private func account(_ count: Int) throws {
        let written = bytesWritten.add(count, ordering: .relaxed).newValue
        guard written <= bytesTotal else {
            throw BodyLengthMismatch(announced: bytesTotal, written: written)
        }
    }
}

/// Hummingbird's writer, shared between the closure that got it and the writer made of it.
final class WriterBox: @unchecked Sendable {
    // SAFETY: only the one task that answers the request touches it: `FileBodyWriter`'s calls do not overlap by
    // contract, and the closure that owns the writer waits for them before it goes on.
    private var writer: any ResponseBodyWriter

    init(_ writer: any ResponseBodyWriter) { self.writer = writer }

    func write(_ buffer: ByteBuffer) async throws { try await writer.write(buffer) }
}

/// A body that turned out longer or shorter than its announced length.
package struct BodyLengthMismatch: Error, CustomStringConvertible {
    /// What `Content-Length` says.
    package let announced: Int
    /// What was written.
    package let written: Int

    package var description: String {
        "a body of \(announced) bytes was announced, \(written) written"
    }
}
