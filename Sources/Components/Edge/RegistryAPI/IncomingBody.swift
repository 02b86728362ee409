// SPDX-License-Identifier: Apache-2.0

import Hummingbird
import NIOCore

/// A request's body whose failures tell that they are the client's: whoever reads it may fail in its own ways.
struct IncomingBody: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    let base: RequestBody
    /// The bytes that it must have; nil when the client does not say.
    let count: Int?

    struct AsyncIterator: AsyncIteratorProtocol {
        var base: RequestBody.AsyncIterator
        var remaining: Int?

        @concurrent mutating func next() async throws -> ByteBuffer? {
            let buffer: ByteBuffer?
            do { buffer = try await base.next() } catch {
                throw error is CancellationError ? error : BodyBroken(cause: error)
            }
            guard let expected = remaining else { return buffer }
            let left = expected - (buffer?.readableBytes ?? 0)
            guard left >= 0, buffer != nil || left == 0 else {
                let why = "the body has not the length that Content-Range says"
                throw RegistryError(.sizeInvalid, .badRequest, why)
            }
            remaining = left
            return buffer
        }
    }

    func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(base: base.makeAsyncIterator(), remaining: count)
    }
}

/// A request's body that ended before its end.
struct BodyBroken: Error {
    let cause: any Error
}
