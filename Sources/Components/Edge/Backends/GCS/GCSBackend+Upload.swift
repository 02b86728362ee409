// SPDX-License-Identifier: Apache-2.0

import Content
import HTTPKit
import HTTPTypes
import NIOCore

// A short object goes up in one request, a long one through a session that says after each part how far it has come, and
// after a failure where to go on. What the bucket has in the end is compared by its MD5.
extension GCSBackend {
    func upload(_ name: String, namespace: Namespace, from source: BackendSource) async throws {
        let key = PercentCoding.encode(try key(of: name))
        let what = "write \(name)"
        let md5 = try await source.md5(source.range, transport.context)
        let answer =
            source.count > settings.uploadPartBytes
            ? try await uploadInSession(source, key, what)
            : try await uploadAtOnce(source, key, what)
        let stored = try object(answer, what)
        guard stored.bytes == source.count, stored.md5 == nil || stored.md5 == md5 else {
            throw BackendError(
                .unavailable,
                what: "\(what) in \(self.name)",
                why: "the bucket has other bytes than were sent"
            )
        }
    }

    private func uploadAtOnce(
        _ source: BackendSource,
        _ key: String,
        _ what: String
    ) async throws -> ByteBuffer {
        try await transport.collect(what, upTo: 1 << 20) {
            var request = try await request(
                .post,
                "\(base("/upload"))?uploadType=media&name=\(key)",
                body: source.body(source.range, transport.context)
            )
            request.headers[.contentType] = "application/octet-stream"
            request.timeout = settings.transport.timeout(sending: source.count)
            return request
        }.body
    }

    private func uploadInSession(
        _ source: BackendSource,
        _ key: String,
        _ what: String
    ) async throws -> ByteBuffer {
        let (begun, _) = try await transport.collect(what, upTo: 1 << 20) {
            var request = try await request(
                .post,
                "\(base("/upload"))?uploadType=resumable&name=\(key)",
                body: .bytes(ByteBuffer(string: "{}"))
            )
            request.headers[.contentType] = "application/json"
            request.acceptedStatuses = [200, 201]
            return request
        }
        guard let session = begun.headers[.location] else {
            throw BackendError(.failed, what: "\(what) in \(name)", why: "no session was begun")
        }
        do { return try await send(source, to: session, what) } catch {
            // What a session holds costs money for a week; this goes on even when the task was cancelled.
            await Task { await abandon(session, what) }.value
            throw error
        }
    }

    private func send(
        _ source: BackendSource,
        to session: String,
        _ what: String
    ) async throws -> ByteBuffer {
        var offset = 0
        while true {
            let end = min(source.count, offset + settings.uploadPartBytes)
            // A repeat first asks how far it has come, by parts of no bytes.
            var attempts = 0
            let start = offset
            let (response, body) = try await transport.collect(what, upTo: 1 << 20) {
                attempts += 1
                return try await part(attempts == 1 ? start..<end : nil, of: source, session)
            }
            guard response.status.code == 308 else { return body }
            let next = Self.received(response.headers)
            guard next > offset || attempts > 1, next <= source.count else {
                throw BackendError(
                    .unavailable,
                    what: "\(what) in \(name)",
                    why: "the session is at byte \(next) and not beyond \(offset)"
                )
            }
            offset = next
        }
    }

    /// A part of the object; nil asks how far the session has come.
    private func part(
        _ range: Range<Int>?,
        of source: BackendSource,
        _ session: String
    ) async throws -> ClientRequest {
        let body = range.map { source.body($0, transport.context) } ?? .bytes(ByteBuffer())
        var request = try await request(.put, session, body: body)
        let place = range.map { "\($0.lowerBound)-\($0.upperBound - 1)" } ?? "*"
        request.headers[.contentRange] = "bytes \(place)/\(source.count)"
        request.acceptedStatuses = [200, 201, 308]
        request.timeout = settings.transport.timeout(sending: range?.count ?? 0)
        return request
    }

    /// How many bytes a session says that it has: `Range: bytes=0-99`, nothing for none.
    static func received(_ headers: HTTPFields) -> Int {
        guard let range = headers[.range], let dash = range.lastIndex(of: "-"),
            let last = Int(range[range.index(after: dash)...])
        else { return 0 }
        return last + 1
    }

    private func abandon(_ session: String, _ what: String) async {
        do {
            _ = try await transport.collect("abandon \(what)", upTo: 1 << 20) {
                var request = try await request(.delete, session)
                request.acceptedStatuses = [200, 204, 404, 410, 499]
                return request
            }
        } catch {
            // It ends by itself within a week; what went wrong before tells more.
        }
    }
}
