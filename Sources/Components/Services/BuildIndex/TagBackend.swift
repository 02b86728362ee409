// SPDX-License-Identifier: Apache-2.0

import Backends
import Content
import NIOCore

/// The tags in the backends: each an object that holds the digest's text.
struct TagBackend: Sendable {
    let table: BackendTable

    /// What the backend says `tag` names; nil when it has no such tag.
    /// - Throws: `BackendError`, `.failed` when what it holds is no digest.
    func digest(of tag: QualifiedTag) async throws -> Digest? {
        let namespace = try Namespace(tag.description)
        let backend = try table.backend(for: namespace)
        var text = ByteBuffer()
        do {
            try await backend.download(tag.description, namespace: namespace) { part in
                var part = part
                guard text.readableBytes + part.readableBytes <= 256 else {
                    throw unreadable(tag, backend.name, "it is longer than a digest")
                }
                text.writeBuffer(&part)
            }
        } catch let error as BackendError where error.code == .notFound { return nil }
        do {
            let trimmed = String(decoding: text.readableBytesView, as: UTF8.self).filter {
                $0 != "\n"
            }
            return try Digest(parsing: trimmed)
        } catch {
            throw unreadable(tag, backend.name, error.why)
        }
    }

    /// Whether the backend has `tag`.
    func has(_ tag: QualifiedTag) async throws -> Bool {
        let namespace = try Namespace(tag.description)
        let backend = try table.backend(for: namespace)
        return try await backend.stat(tag.description, namespace: namespace) != nil
    }

    /// Makes the backend say that `tag` names `digest`.
    func write(_ digest: Digest, for tag: QualifiedTag) async throws {
        let namespace = try Namespace(tag.description)
        let backend = try table.backend(for: namespace)
        let text = ByteBuffer(string: digest.description)
        try await backend.upload(tag.description, namespace: namespace, from: .bytes(text))
    }

    /// What the backend of `tag` is called, for queues.
    func destination(of tag: QualifiedTag) -> String {
        do { return table.destination(of: try Namespace(tag.description)) } catch {
            return "no backend"
        }
    }

    /// Makes the backend say that there is no `tag`.
    func remove(_ tag: QualifiedTag) async throws {
        let namespace = try Namespace(tag.description)
        try await table.backend(for: namespace).delete(tag.description, namespace: namespace)
    }

    /// Makes the backend say what `digest`, nil for no such tag, says of `tag`.
    func apply(_ digest: Digest?, to tag: QualifiedTag) async throws {
        if let digest { try await write(digest, for: tag) } else { try await remove(tag) }
    }

    /// Fails unless `tag` has a backend.
    func checkBackend(of tag: QualifiedTag) throws {
        _ = try table.backend(for: try Namespace(tag.description))
    }

    private func unreadable(_ tag: QualifiedTag, _ backend: String, _ why: String) -> BackendError {
        BackendError(
            .failed,
            what: "read the tag \(tag) in \(backend)",
            why: "its object is no digest: \(why)",
            remedy: "put the tag again"
        )
    }
}
