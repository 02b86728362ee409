// SPDX-License-Identifier: Apache-2.0

package import Files
package import NIOCore

/// Where the bytes of an upload come from. Their number is known before the first is sent.
package enum UploadSource: Sendable {
    /// A part of a file; readable as often as needed.
    case file(SharedFile, Range<Int>)
    /// Bytes in memory; readable as often as needed.
    case bytes(ByteBuffer)
    /// `count` bytes that arrive in pieces of any length and can be read only once: when the first
    /// host fails after some were taken, the upload fails rather than going on to the next host.
    case stream(count: Int, any AsyncSequence<ByteBuffer, any Error> & Sendable)

    /// The number of bytes.
    package var count: Int {
        switch self {
        case .file(_, let range): range.count
        case .bytes(let buffer): buffer.readableBytes
        case .stream(let count, _): count
        }
    }

    /// Whether the bytes can be read again from the start.
    package var isRestartable: Bool {
        switch self {
        case .file, .bytes: true
        case .stream: false
        }
    }
}
