// SPDX-License-Identifier: Apache-2.0

import Content
import HTTPKit
import HTTPTypes
import NIOCore
import Primitives

// What copies between registries need: blobs that come and go without lying on a disk.
extension RegistryClient {
    /// Makes `name` of the repository `source` one of this repository; false when the registry does not do that.
    func mount(_ name: ContentDigest, from source: RepositoryName) async throws -> Bool {
        let from = PercentCoding.encode(source.name)
        let request = ClientRequest(
            .post,
            url("blobs/uploads/?mount=\(name)&from=\(from)"),
            acceptedStatuses: [201, 202, 404, 405]
        )
        return try await explained("mount \(name)") {
            let response = try await client.send(request)
            if response.status.code == 202, let location = response.headers[.location] {
                // An upload was begun instead; the bytes come by another one.
                let cancel = ClientRequest(
                    .delete,
                    absolute(location),
                    acceptedStatuses: [200, 202, 204, 404, 405]
                )
                _ = try await client.send(cancel)
            }
            return response.status.code == 201
        }
    }

    /// The bytes of `blob` as they come; they end in an error when they are not the right ones.
    func stream(_ blob: Descriptor) async throws -> VerifiedStream {
        try await explained("download \(blob.name)") {
            VerifiedStream(base: try await client.send(get(blob, isBulk: true)).body, blob: blob)
        }
    }

    /// Uploads `blob` from `stream`; `progress` hears of every part.
    func upload(
        _ blob: Descriptor,
        from stream: VerifiedStream,
        progress: @escaping @Sendable (Int) -> Void
    ) async throws {
        var stream = stream
        stream.progress = progress
        try await upload(blob.name, blob.bytes == 0 ? .none : .stream(length: blob.bytes, stream))
    }
}

/// The bytes of a blob as a registry sends them: the last ones only if all of them are those that its name names.
struct VerifiedStream: AsyncSequence, Sendable {
    typealias Element = ByteBuffer
    let base: ClientBody
    let blob: Descriptor
    var progress: @Sendable (Int) -> Void = { _ in }

    struct AsyncIterator: AsyncIteratorProtocol {
        var base: ClientBody.AsyncIterator
        let blob: Descriptor
        let progress: @Sendable (Int) -> Void
        var received = 0
        var sum: ContentSum

        mutating func next() async throws -> ByteBuffer? {
            guard let part = try await base.next() else {
                guard received == blob.bytes else { throw wrong("it has \(received) bytes") }
                return nil
            }
            part.withUnsafeReadableBytes { sum.update($0) }
            received += part.readableBytes
            if received > blob.bytes { throw wrong("it is longer than its manifest says") }
            if received == blob.bytes, sum.name != blob.name {
                throw wrong("the registry sent other bytes")
            }
            progress(part.readableBytes)
            return part
        }

        private func wrong(_ why: String) -> Herd.Failure {
            Herd.Failure("cannot copy \(blob.name)", why: why)
        }
    }

    func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(
            base: base.makeAsyncIterator(),
            blob: blob,
            progress: progress,
            sum: ContentSum(like: blob.name)
        )
    }
}
