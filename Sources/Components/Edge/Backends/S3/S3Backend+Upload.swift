// SPDX-License-Identifier: Apache-2.0

package import Content
import HTTPKit
import HTTPTypes
import NIOCore
import Primitives

// A short object goes up in one request, a long one in parts, some side by side, each read from its file as it is sent.
// Every request carries the SHA-256 of its body, which the store checks.
extension S3Backend {
    package func upload(
        _ name: String,
        namespace: Namespace,
        from source: BackendSource
    ) async throws {
        let key = try key(of: name)
        let what = "write \(name)"
        guard source.count > settings.uploadPartBytes else {
            _ = try await send(source, source.range, to: key, query: [], what)
            return
        }
        let upload = try await begin(key, what)
        do {
            let tags = try await sendParts(of: source, upload)
            try await complete(upload, tags, bytes: source.count, name, namespace)
        } catch {
            // Parts of an upload that never ends cost money; this goes on even when the task was cancelled.
            await Task { await abort(upload) }.value
            throw error
        }
    }

    private struct Upload: Sendable {
        let key: String
        let id: String
        let what: String
    }

    /// Parts of one upload that S3 takes at most.
    private static let uploadPartsMax = 10_000

    private func begin(_ key: String, _ what: String) async throws -> Upload {
        let (_, body) = try await transport.collect(what) {
            try await request(.post, key, query: [(name: "uploads", value: "")])
        }
        let document = try XMLElement.parse(body, "\(what) in \(name)")
        guard let id = document.text(of: "UploadId"), !id.isEmpty else {
            throw BackendError(.failed, what: "\(what) in \(name)", why: "no upload was begun")
        }
        return Upload(key: key, id: id, what: what)
    }

    /// Sends all parts; answers their tags in order.
    private func sendParts(of source: BackendSource, _ upload: Upload) async throws -> [String] {
        let count = source.count
        let least = (count + Self.uploadPartsMax - 1) / Self.uploadPartsMax
        let partBytes = max(settings.uploadPartBytes, least)
        let partCount = (count + partBytes - 1) / partBytes
        var tags = Array(repeating: "", count: partCount)
        try await withThrowingTaskGroup(of: (Int, String).self) { group in
            var next = 0
            while next < partCount || !group.isEmpty {
                if next < partCount, next < settings.uploadConcurrency {
                    add(next)
                } else if let (index, tag) = try await group.next() {
                    tags[index] = tag
                    if next < partCount { add(next) }
                }
            }

            func add(_ index: Int) {
                let range = index * partBytes..<min((index + 1) * partBytes, count)
                group.addTask {
                    let query = [
                        (name: "partNumber", value: "\(index + 1)"),
                        (name: "uploadId", value: upload.id),
                    ]
                    return (
                        index,
                        try await send(source, range, to: upload.key, query: query, upload.what)
                    )
                }
                next += 1
            }
        }
        return tags
    }

    /// Puts the bytes `range`; answers their tag.
    private func send(
        _ source: BackendSource,
        _ range: Range<Int>,
        to key: String,
        query: [(name: String, value: String)],
        _ what: String
    ) async throws -> String {
        let context = transport.context
        let hash = try await source.sha256(range, context)
        let (response, _) = try await transport.collect(what) {
            var request = try await request(
                .put,
                key,
                query: query,
                body: source.body(range, context),
                payloadHash: hash
            )
            request.timeout = settings.transport.timeout(sending: range.count)
            return request
        }
        return response.headers[.eTag] ?? ""
    }

    private func complete(
        _ upload: Upload,
        _ tags: [String],
        bytes: Int,
        _ name: String,
        _ namespace: Namespace
    ) async throws {
        let parts = tags.enumerated().map { index, tag in
            "<Part><PartNumber>\(index + 1)</PartNumber><ETag>\(tag)</ETag></Part>"
        }
        let text = "<CompleteMultipartUpload>\(parts.joined())</CompleteMultipartUpload>"
        let source = BackendSource.bytes(ByteBuffer(string: text))
        let hash = try await source.sha256(source.range, transport.context)
        do {
            let (_, body) = try await transport.collect(upload.what) {
                var request = try await request(
                    .post,
                    upload.key,
                    query: [(name: "uploadId", value: upload.id)],
                    body: .bytes(ByteBuffer(string: text)),
                    payloadHash: hash
                )
                // The store puts the parts together meanwhile.
                request.timeout = .minutes(10)
                return request
            }
            let document = try XMLElement.parse(
                body,
                "\(upload.what) in \(self.name)",
                root: ["CompleteMultipartUploadResult", "Error"]
            )
            // It has answered 200 before it knew.
            if document.name == "Error" {
                throw BackendError(
                    .unavailable,
                    what: "\(upload.what) in \(self.name)",
                    why: document.text(of: "Message") ?? document.text(of: "Code") ?? "it failed"
                )
            }
        } catch let error as BackendError where error.code == .notFound {
            // The answer to an earlier attempt was lost, which ended the upload.
            guard try await stat(name, namespace: namespace)?.bytes == bytes else { throw error }
        }
    }

    private func abort(_ upload: Upload) async {
        do {
            _ = try await transport.collect("abort \(upload.what)") {
                var request = try await request(
                    .delete,
                    upload.key,
                    query: [(name: "uploadId", value: upload.id)]
                )
                request.acceptedStatuses = [200, 204, 404]
                return request
            }
        } catch {
            // The bucket's rules for unfinished uploads have to do; what went wrong before tells more.
        }
    }
}
