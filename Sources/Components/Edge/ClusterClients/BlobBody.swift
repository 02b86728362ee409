// SPDX-License-Identifier: Apache-2.0

import HTTPKit
import HTTPTypes
package import NIOCore

/// The bytes of a blob, or of a range of it, as they arrive from another component.
///
/// Nothing is read ahead of the consumer but what the sockets hold. Iterate it once.
package struct BlobBody: AsyncSequence, Sendable {
    package typealias Element = ByteBuffer

    /// Begins the download of a range, or of the whole blob, on a host, `failing` only if there is
    /// no other.
    typealias Fetch =
        @Sendable (_ range: Range<Int>?, _ failing: String?) async throws -> BlobBody

    /// How many bytes will come; nil when the server did not tell.
    package let count: Int?
    /// The size of the whole blob; nil when the server did not tell.
    package let blobBytes: Int?

    private let body: ClientBody
    private let what: String
    private let address: String
    /// Bytes that come before the range asked for, because the server ignored it.
    private let skippedBytes: Int
    private var resumption: Resumption?

    fileprivate struct Resumption: Sendable {
        /// Where the next byte to deliver lies in the blob.
        var offset: Int
        var attemptsLeft: Int
        let fetch: Fetch
    }

    /// The body of `response`, of which `range` was asked for at `address`.
    init(
        _ response: ClientResponse,
        asked range: Range<Int>?,
        what: String,
        address: String
    ) throws {
        (body, self.what, self.address) = (response.body, what, address)
        guard response.status.code == 206 else {
            blobBytes = response.contentLength
            skippedBytes = range?.lowerBound ?? 0
            count = range?.count ?? response.contentLength
            return
        }
        let contentRange = response.headers[.contentRange] ?? ""
        let expected = "bytes \(range?.lowerBound ?? 0)-"
        guard let range, contentRange.hasPrefix(expected) else {
            throw ClusterError.unreadable(what, "Content-Range \(contentRange) was not asked for")
        }
        blobBytes = contentRange.split(separator: "/").last.flatMap { Int($0) }
        skippedBytes = 0
        let end = Swift.min(range.upperBound, blobBytes ?? range.upperBound)
        count = Swift.max(0, end - range.lowerBound)
    }

    /// The same bytes; when they break off, the rest is fetched with `fetch`, `attemptsMax` times
    /// at most.
    ///
    /// - Parameter range: what this body is of; nil is the whole blob.
    func resuming(
        from range: Range<Int>?,
        attemptsMax: Int,
        with fetch: @escaping Fetch
    ) -> BlobBody {
        var copy = self
        copy.resumption = Resumption(
            offset: range?.lowerBound ?? 0,
            attemptsLeft: attemptsMax,
            fetch: fetch
        )
        return copy
    }

    /// The bytes in one buffer.
    /// - Throws: ``ClusterError`` `.unreadableAnswer` when there are more than `bytesMax`.
    package func collect(upTo bytesMax: Int) async throws -> ByteBuffer {
        var whole = ByteBuffer()
        for try await var part in self {
            guard whole.readableBytes + part.readableBytes <= bytesMax else {
                throw ClusterError.unreadable(what, "more than \(bytesMax) bytes")
            }
            if whole.readableBytes == 0 { whole = part } else { whole.writeBuffer(&part) }
        }
        return whole
    }

    package func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(
            base: body.makeAsyncIterator(),
            skippedBytes: skippedBytes,
            remaining: count,
            resumption: resumption,
            what: what,
            address: address
        )
    }

    /// Reads the bytes in order.
    package struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate var base: ClientBody.AsyncIterator
        fileprivate var skippedBytes: Int
        fileprivate var remaining: Int?
        fileprivate var resumption: Resumption?
        fileprivate let what: String
        fileprivate var address: String

        /// The next bytes, never none; nil at the end.
        /// - Throws: ``ClusterError`` `.network` when the bytes break off and can't be had
        ///   elsewhere.
        @concurrent package mutating func next() async throws -> ByteBuffer? {
            while true {
                do {
                    return try await nextOfBase()
                } catch let error as ClusterError where error.isNetworkFailure {
                    try await resume(after: error)
                }
            }
        }

        @concurrent private mutating func nextOfBase() async throws -> ByteBuffer? {
            while remaining != 0 {
                guard var part = try await rawNext() else {
                    guard let remaining else { return nil }
                    let why = "the body ends \(remaining) bytes early"
                    throw ClusterError(.network, what: what, why: why)
                }
                let skipped = Swift.min(skippedBytes, part.readableBytes)
                part.moveReaderIndex(forwardBy: skipped)
                skippedBytes -= skipped
                if let remaining,
                    let taken = part.readSlice(length: Swift.min(remaining, part.readableBytes))
                {
                    part = taken
                    self.remaining = remaining - taken.readableBytes
                }
                guard part.readableBytes > 0 else { continue }
                resumption?.offset += part.readableBytes
                return part
            }
            return nil
        }

        @concurrent private mutating func rawNext() async throws -> ByteBuffer? {
            do { return try await base.next() } catch let error as HTTPClientError {
                throw ClusterError(error, what: what)
            }
        }

        @concurrent private mutating func resume(after error: ClusterError) async throws {
            // Without a known end there is no telling a whole body from a broken one.
            guard var resumption, resumption.attemptsLeft > 0, let remaining else { throw error }
            resumption.attemptsLeft -= 1
            let rest = resumption.offset..<resumption.offset + remaining
            let body = try await resumption.fetch(rest, address)
            guard body.count == remaining else {
                throw ClusterError.unreadable(what, "the blob's size differs between hosts")
            }
            base = body.body.makeAsyncIterator()
            address = body.address
            skippedBytes = body.skippedBytes
            self.resumption = resumption
        }
    }
}
