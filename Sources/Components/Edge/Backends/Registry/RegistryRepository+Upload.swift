// SPDX-License-Identifier: Apache-2.0

package import Content
import HTTPKit
import HTTPTypes
package import NIOCore

/// The bytes of a blob that is to be sent: how many, and where they come from.
package struct RegistryContent: Sendable {
    /// Bytes, begun anew each time they are read.
    package typealias Stream = any AsyncSequence<ByteBuffer, any Error> & Sendable

    let bytes: Int
    let stream: @Sendable (_ offset: Int) -> Stream

    /// `bytes` bytes, of which `stream` is what begins at an offset.
    package init(bytes: Int, _ stream: @escaping @Sendable (_ offset: Int) -> Stream) {
        (self.bytes, self.stream) = (bytes, stream)
    }

    /// A few bytes in memory.
    init(_ buffer: ByteBuffer) {
        self.init(bytes: buffer.readableBytes) { offset in
            var rest = buffer
            rest.moveReaderIndex(forwardBy: offset)
            return OneBuffer(buffer: rest)
        }
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
    /// So many bytes were sent, after those that the registry had from an upload that broke off.
    case sent(bytes: Int, after: Int)
}

extension RegistryRepository {
    /// Sees to it that `blob` is in the repository; what `content` answers is asked for only when it has to be sent.
    ///
    /// The bytes go in one request, as they come; the registry compares them with the digest. An upload that breaks off leaves
    /// nothing in the repository; the next one goes on where the registry says that it has come to, else from the start.
    package func send(
        _ blob: ContentDigest,
        from content: () async throws -> RegistryContent
    ) async throws -> RegistryDelivery {
        if try await has("blobs/\(blob)", "look for \(blob) in \(name)") {
            destination.places.note(blob, in: name)
            return .wasThere
        }
        let delivery: RegistryDelivery
        if let part = try await begunBefore(blob) {
            delivery = try await upload(blob, try await content(), part)
        } else {
            switch try await begin(blob) {
            case .mounted: delivery = .mounted
            case .upload(let url):
                delivery = try await upload(blob, try await content(), Part(url: url, bytes: 0))
            }
        }
        destination.places.note(blob, in: name)
        return delivery
    }

    /// An upload as far as it has come.
    private struct Part {
        /// Where it goes on.
        let url: String
        /// What the registry has.
        let bytes: Int
    }

    /// What the registry has of an upload of `blob` that broke off; nil when there is none to go on with.
    private func begunBefore(_ blob: ContentDigest) async throws -> Part? {
        guard let url = destination.unfinished.take(blob, in: name) else { return nil }
        let what = "ask how far the upload of \(blob) to \(name) is"
        do {
            let (response, _) = try await exchange(what) { _ in
                ClientRequest(
                    .get,
                    url,
                    headers: try await uploadHeaders(url),
                    acceptedStatuses: [204]
                )
            }
            guard let bytes = Self.receivedBytes(response.headers) else { return nil }
            return Part(url: try location(response, after: url, what), bytes: bytes)
        } catch let error as BackendError {
            // One that it has forgotten, or can't go on with, begins anew.
            guard error.code == .unavailable else { return nil }
            destination.unfinished.note(blob, in: name, at: url)
            throw error
        }
    }

    /// How many bytes `Range: 0-…` says there are; nil when it says nothing, or `0-0`, which registries say of none and of one.
    private static func receivedBytes(_ headers: HTTPFields) -> Int? {
        guard let text = headers[.range], let dash = text.lastIndex(of: "-"),
            let last = Int(text[text.index(after: dash)...]), last > 0, last < .max
        else { return nil }
        let start = text[..<dash]
        return start == "0" || start == "bytes=0" ? last + 1 : nil
    }

    private func uploadHeaders(_ url: String) async throws -> HTTPFields {
        // An upload may go to another server, which has nothing to do with who we are here.
        source.settings.mayKnow(url) ? try await source.headers(name.name) : [:]
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
        _ part: Part
    ) async throws -> RegistryDelivery {
        var url = part.url
        do {
            if part.bytes < content.bytes { url = try await send(content, after: part, of: blob) }
            try await finish(blob, content, at: url)
        } catch {
            // What the registry refuses it would refuse again.
            let isRefused = (error as? BackendError).map { $0.code != .unavailable } ?? false
            if !isRefused { destination.unfinished.note(blob, in: name, at: url) }
            throw error
        }
        return .sent(bytes: content.bytes - part.bytes, after: part.bytes)
    }

    /// Sends what follows `part`; answers where the upload goes on.
    private func send(
        _ content: RegistryContent,
        after part: Part,
        of blob: ContentDigest
    ) async throws -> String {
        let what = "upload \(blob) to \(name)"
        let rest = content.bytes - part.bytes
        let (response, _) = try await exchange(what, by: source.transport.once) { _ in
            var headers = try await uploadHeaders(part.url)
            headers[.contentType] = "application/octet-stream"
            if part.bytes > 0 { headers[.contentRange] = "\(part.bytes)-\(content.bytes - 1)" }
            return ClientRequest(
                .patch,
                part.url,
                headers: headers,
                body: .stream(length: rest, content.stream(part.bytes)),
                timeout: source.settings.transport.timeout(sending: rest),
                acceptedStatuses: [201, 202, 204]
            )
        }
        return try location(response, after: part.url, what)
    }

    private func finish(
        _ blob: ContentDigest,
        _ content: RegistryContent,
        at url: String
    ) async throws {
        let separator = url.contains("?") ? "&" : "?"
        _ = try await exchange("upload \(blob) to \(name)", by: source.transport.once) { _ in
            var headers = try await uploadHeaders(url)
            headers[.contentType] = "application/octet-stream"
            return ClientRequest(
                .put,
                "\(url)\(separator)digest=\(blob)",
                headers: headers,
                timeout: source.settings.transport.timeout(sending: content.bytes),
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
