// SPDX-License-Identifier: Apache-2.0

package import Content
import HTTPKit
import HTTPTypes
package import NIOCore

/// The bytes of a blob that is to be sent: how many, and where they come from.
package struct RegistryContent: Sendable {
    let bytes: Int
    /// Begun anew each time it is read.
    let stream: any AsyncSequence<ByteBuffer, any Error> & Sendable

    /// `bytes` bytes of `stream`, which can be read more than once.
    package init(bytes: Int, _ stream: any AsyncSequence<ByteBuffer, any Error> & Sendable) {
        (self.bytes, self.stream) = (bytes, stream)
    }

    /// A few bytes in memory.
    init(_ buffer: ByteBuffer) {
        self.init(bytes: buffer.readableBytes, OneBuffer(buffer: buffer))
    }

    private struct OneBuffer: AsyncSequence {
        typealias Element = ByteBuffer
        let buffer: ByteBuffer

        struct AsyncIterator: AsyncIteratorProtocol {
            var buffer: ByteBuffer?

            mutating func next() async throws -> ByteBuffer? {
                defer { buffer = nil }
                return buffer
            }
        }

        func makeAsyncIterator() -> AsyncIterator { AsyncIterator(buffer: buffer) }
    }
}

/// How a blob came to be in a repository.
package enum RegistryDelivery: Hashable, Sendable {
    /// It was there.
    case wasThere
    /// The registry took it over from another repository.
    case mounted
    /// So many bytes were sent.
    case sent(bytes: Int)
}

extension RegistryRepository {
    /// Sees to it that `blob` is in the repository; what `content` answers is asked for only when it has to be sent.
    ///
    /// The bytes go in one request, as they come; the registry compares them with the digest. An upload that breaks off leaves
    /// nothing in the repository.
    package func send(
        _ blob: ContentDigest,
        from content: () async throws -> RegistryContent
    ) async throws -> RegistryDelivery {
        if try await has("blobs/\(blob)", "look for \(blob) in \(name)") {
            destination.places.note(blob, in: name)
            return .wasThere
        }
        let delivery: RegistryDelivery
        switch try await begin(blob) {
        case .mounted: delivery = .mounted
        case .upload(let url):
            let content = try await content()
            try await upload(blob, content, to: url)
            delivery = .sent(bytes: content.bytes)
        }
        destination.places.note(blob, in: name)
        return delivery
    }

    /// What comes of asking for an upload.
    private enum Begun {
        /// None is needed.
        case mounted
        /// It goes to this URL.
        case upload(String)
    }

    private func begin(_ blob: ContentDigest) async throws -> Begun {
        if let place = destination.places.place(of: blob, besides: name) {
            let query = "?mount=\(blob)&from=\(PercentCoding.encode(place.name))"
            do { return try await begin(blob, query) } catch let error as BackendError
                where !error.mayPass
            {
                // It does not do that, or not with this one: then without.
                destination.places.forget(blob)
            }
        }
        return try await begin(blob, "")
    }

    private func begin(_ blob: ContentDigest, _ query: String) async throws -> Begun {
        let what = "begin the upload of \(blob) to \(name)"
        var asked = ""
        let (response, _) = try await exchange(what) { base in
            asked = "\(base)/blobs/uploads/"
            return ClientRequest(
                .post,
                asked + query,
                headers: try await source.headers(name.name),
                acceptedStatuses: query.isEmpty ? [202] : [201, 202]
            )
        }
        if response.status.code == 201 { return .mounted }
        return .upload(try location(response, after: asked, what))
    }

    private func upload(
        _ blob: ContentDigest,
        _ content: RegistryContent,
        to url: String
    ) async throws {
        let what = "upload \(blob) to \(name)"
        let timeout = source.settings.transport.timeout(sending: content.bytes)
        var url = url
        func headers() async throws -> HTTPFields {
            // An upload may go to another server, which has nothing to do with who we are here.
            let mayKnow = source.settings.mayKnow(url)
            var headers = mayKnow ? try await source.headers(name.name) : [:]
            headers[.contentType] = "application/octet-stream"
            return headers
        }
        if content.bytes > 0 {
            let (response, _) = try await exchange(what, by: source.transport.once) { _ in
                ClientRequest(
                    .patch,
                    url,
                    headers: try await headers(),
                    body: .stream(length: content.bytes, content.stream),
                    timeout: timeout,
                    acceptedStatuses: [201, 202, 204]
                )
            }
            url = try location(response, after: url, what)
        }
        let separator = url.contains("?") ? "&" : "?"
        _ = try await exchange(what, by: source.transport.once) { _ in
            ClientRequest(
                .put,
                "\(url)\(separator)digest=\(blob)",
                headers: try await headers(),
                timeout: timeout,
                acceptedStatuses: [201, 204]
            )
        }
    }

    /// Where an upload goes on after `url`.
    private func location(
        _ response: ClientResponse,
        after url: String,
        _ what: String
    ) throws -> String {
        guard let text = response.headers[.location],
            let location = source.settings.resolved(text, from: url)
        else {
            throw BackendError(
                .failed,
                what: "\(what) in \(source.name)",
                why: "the registry does not say where it goes on",
                remedy: source.transport.remedy
            )
        }
        return location
    }
}
