// SPDX-License-Identifier: Apache-2.0

package import Content
import HTTPKit
import HTTPTypes
package import NIOCore
import Primitives

// An object comes in parts: the first as it arrives, the others side by side, each whole in memory until it is its turn.
// How many at a time, over all transfers, `PartBuffers` says.
extension S3Backend {
    package func download(
        _ name: String,
        namespace: Namespace,
        into write: (ByteBuffer) async throws -> Void
    ) async throws {
        let key = try key(of: name)
        let what = "read \(name)"
        let limits = transport.context.limits
        let partBytes = min(settings.downloadPartBytes, limits.backendPartBytes)
        let (bytes, headers) = try await transport.download(what) { offset, first in
            try await part(key, offset..<partBytes, first?[.eTag], accepting: [200, 206, 416])
        } into: {
            try await write($0)
        }
        guard let total = ContentRange.total(headers), total > bytes else { return }
        let object = Object(key: key, what: what, etag: headers[.eTag], bytes: total)
        try await fetch(object, from: bytes, partBytes: partBytes, into: write)
    }

    private struct Object: Sendable {
        let key: String
        let what: String
        let etag: String?
        let bytes: Int
    }

    private func fetch(
        _ object: Object,
        from first: Int,
        partBytes: Int,
        into write: (ByteBuffer) async throws -> Void
    ) async throws {
        var held = 0
        // What is still fetched when this ends is cancelled and dropped with the group.
        defer { for _ in 0..<held { parts.release() } }
        try await withThrowingTaskGroup(of: (Int, ByteBuffer).self) { group in
            var arrived: [Int: ByteBuffer] = [:]
            var (due, next) = (first, first)
            while due < object.bytes {
                while next < object.bytes, held < settings.downloadConcurrency {
                    if held == 0 {
                        try await parts.acquire()
                    } else if !parts.takeIfFree() {
                        break
                    }
                    held += 1
                    let range = next..<min(next + partBytes, object.bytes)
                    group.addTask { (range.lowerBound, try await self.whole(object, range)) }
                    next = range.upperBound
                }
                if let part = arrived.removeValue(forKey: due) {
                    due += part.readableBytes
                    try await write(part)
                    parts.release()
                    held -= 1
                } else if let (offset, part) = try await group.next() {
                    arrived[offset] = part
                }
            }
        }
    }

    private func whole(_ object: Object, _ range: Range<Int>) async throws -> ByteBuffer {
        let (_, body) = try await transport.collect(object.what, upTo: range.count) {
            try await part(object.key, range, object.etag, accepting: [206])
        }
        guard body.readableBytes == range.count else {
            throw BackendError(
                .unavailable,
                what: "\(object.what) in \(name)",
                why: "\(body.readableBytes) of the \(range.count) bytes asked for came"
            )
        }
        return body
    }

    private func part(
        _ key: String,
        _ range: Range<Int>,
        _ etag: String?,
        accepting statuses: Set<Int>
    ) async throws -> ClientRequest {
        var headers: HTTPFields = [.range: "bytes=\(range.lowerBound)-\(range.upperBound - 1)"]
        // All parts must be of one version.
        if let etag { headers[.ifMatch] = etag }
        var request = try await request(.get, key, headers: headers)
        request.acceptedStatuses = statuses
        request.timeout = TransportSettings.downloadTimeout
        request.isBulk = true
        return request
    }
}
