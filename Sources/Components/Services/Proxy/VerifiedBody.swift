// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import NIOCore
import Telemetry

import struct Crypto.SHA256

/// The bytes of a whole blob as they arrive; the last ones come only if all of them hash to the digest.
///
/// Without its last bytes a client cannot mistake a wrong blob for the right one, and none need be held back but those.
struct VerifiedBody: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    let base: CountedBody
    let digest: Digest
    let bytes: Int

    func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(base: base.makeAsyncIterator(), digest: digest, remaining: bytes)
    }

    struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate var base: CountedBody.AsyncIterator
        fileprivate let digest: Digest
        fileprivate var remaining: Int
        fileprivate var hash = SHA256()

        @concurrent mutating func next() async throws -> ByteBuffer? {
            guard let part = try await base.next() else { return nil }
            part.withUnsafeReadableBytes { hash.update(bufferPointer: $0) }
            remaining -= part.readableBytes
            if remaining <= 0, Digest(bytes: Array(hash.finalize())) != digest {
                throw WrongBytes(digest: digest)
            }
            return part
        }
    }
}

/// The bytes of a blob as they arrive, counted.
struct CountedBody: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    let base: BlobBody
    let counter: Counter

    func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(base: base.makeAsyncIterator(), counter: counter)
    }

    struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate var base: BlobBody.AsyncIterator
        fileprivate let counter: Counter

        @concurrent mutating func next() async throws -> ByteBuffer? {
            let part = try await base.next()
            counter.add(part?.readableBytes ?? 0)
            return part
        }
    }
}

/// An origin that sent other bytes than the digest names.
struct WrongBytes: Error, CustomStringConvertible {
    let digest: Digest
    var description: String { "the bytes that an origin sent as \(digest) hash to something else" }
}
