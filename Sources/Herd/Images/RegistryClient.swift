// SPDX-License-Identifier: Apache-2.0

import Content
import Files
import HTTPKit
import HTTPTypes
import NIOCore
import Primitives

/// One repository of a registry, spoken to over the OCI distribution API.
/// - Source: OCI distribution specification 1.1.
struct RegistryClient: Sendable {
    /// The repository, as the user named it.
    let reference: ImageReference
    let client: HTTPClient
    private let pool: BlockingPool
    private let limits = Limits()

    /// How long one blob may take; a stalled download ends much earlier.
    static let blobTimeout = Duration.hours(6)

    /// A client of `reference`'s repository.
    init(_ reference: ImageReference, client: HTTPClient, pool: BlockingPool) {
        (self.reference, self.client, self.pool) = (reference, client, pool)
    }

    func url(_ rest: String) -> String {
        "\(reference.registry)/v2/\(reference.repository)/\(rest)"
    }

    // MARK: - Reading

    /// The manifest or index called `name`, a tag or a digest.
    func document(_ name: String) async throws -> ImageDocument {
        let accepted = ManifestMediaType.allCases.map(\.rawValue).joined(separator: ", ")
        let request = ClientRequest(.get, url("manifests/\(name)"), headers: [.accept: accepted])
        let answer = try await explained("get the manifest \(name)") {
            try await client.collect(request, upTo: limits.manifestBytesMax)
        }
        return try ImageDocument(
            Array(answer.body.readableBytesView),
            at: name,
            // A tag is no digest; what comes for a digest must be what was asked for.
            as: try? ContentDigest(parsing: name)
        )
    }

    /// Downloads `blob` into `file` at `offset` and verifies it; `progress` hears of every part.
    func download(
        _ blob: Descriptor,
        into file: SharedFile,
        at offset: Int,
        progress: @escaping @Sendable (Int) -> Void
    ) async throws {
        let what = "download \(blob.name)"
        try await explained(what) {
            let response = try await client.send(get(blob, isBulk: true))
            var sum = ContentSum(like: blob.name)
            var received = 0
            for try await part in response.body {
                guard received + part.readableBytes <= blob.bytes else {
                    throw Failure("cannot \(what)", why: "it is longer than its manifest says")
                }
                let position = offset + received
                sum = try await pool.run { [sum] in
                    var sum = sum
                    try part.withUnsafeReadableBytes { bytes in
                        sum.update(bytes)
                        try file.write(bytes, at: position)
                    }
                    return sum
                }
                received += part.readableBytes
                progress(part.readableBytes)
            }
            guard received == blob.bytes, sum.name == blob.name else {
                throw Failure("cannot use \(blob.name)", why: "the registry sent other bytes")
            }
        }
    }

    /// Downloads `blob` and throws its bytes away, a part at a time; `isBulk`: in large reads, which need much memory.
    func drain(_ blob: Descriptor, isBulk: Bool) async throws {
        let what = "download \(blob.name)"
        try await explained(what) {
            var received = 0
            for try await part in try await client.send(get(blob, isBulk: isBulk)).body {
                received += part.readableBytes
            }
            guard received == blob.bytes else {
                throw Failure(
                    "cannot \(what)",
                    why: "it has \(received) bytes, its manifest says \(blob.bytes)"
                )
            }
        }
    }

    /// Whether the registry knows the manifest or index called `name`.
    func hasDocument(_ name: String) async throws -> Bool {
        try await has("manifests/\(name)", "ask for the manifest \(name)")
    }

    func get(_ blob: Descriptor, isBulk: Bool) -> ClientRequest {
        ClientRequest(
            .get,
            url("blobs/\(blob.name)"),
            timeout: Self.blobTimeout,
            isBulk: isBulk
        )
    }

    private func has(_ rest: String, _ what: String) async throws -> Bool {
        let request = ClientRequest(.head, url(rest), acceptedStatuses: [200, 404])
        return try await explained(what) { try await client.send(request).status.code == 200 }
    }

    // MARK: - Writing

    /// Whether the registry has `name` in this repository.
    func hasBlob(_ name: ContentDigest) async throws -> Bool {
        try await has("blobs/\(name)", "ask for \(name)")
    }

    /// Uploads `stored` as `name`; `progress` hears of every part.
    func upload(
        _ stored: StoredBytes,
        as name: ContentDigest,
        progress: @escaping @Sendable (Int) -> Void
    ) async throws {
        let chunks = FileChunks(
            file: stored.file,
            range: stored.range,
            chunkBytes: limits.streamChunkBytes,
            pool: pool
        )
        let counted = CountedChunks(base: chunks, progress: progress)
        try await upload(
            name,
            stored.range.isEmpty ? .none : .stream(length: stored.range.count, counted)
        )
    }

    /// Uploads `body` as `name`.
    func upload(_ name: ContentDigest, _ body: ClientRequest.Body) async throws {
        try await explained("upload \(name)") {
            // The registry hashes what comes so, if it can; the default needs no word.
            let query = name.algorithm == "sha256" ? "" : "?digest-algorithm=\(name.algorithm)"
            let begin = ClientRequest(
                .post,
                url("blobs/uploads/\(query)"),
                acceptedStatuses: [202]
            )
            let session = try await client.send(begin)
            guard let location = session.headers[.location] else {
                throw Failure("cannot upload \(name)", why: "the registry named no upload")
            }
            let separator = location.contains("?") ? "&" : "?"
            let request = ClientRequest(
                .put,
                absolute(location) + "\(separator)digest=\(name)",
                headers: [.contentType: "application/octet-stream"],
                body: body,
                timeout: Self.blobTimeout,
                acceptedStatuses: [201]
            )
            _ = try await client.send(request)
        }
    }

    /// Puts `document` under `name`, a tag or its digest.
    func put(_ document: ImageDocument, as name: String) async throws {
        let request = ClientRequest(
            .put,
            url("manifests/\(name)"),
            headers: [.contentType: document.content.mediaType.rawValue],
            body: .bytes(ByteBuffer(bytes: document.bytes)),
            timeout: .minutes(10),
            acceptedStatuses: [201]
        )
        try await explained("put the manifest \(name)") { _ = try await client.send(request) }
    }

    func absolute(_ location: String) -> String {
        location.contains("://") ? location : reference.registry + location
    }

    /// Runs `body`, and turns what the registry or the network said into a failure to `what`.
    func explained<Result>(
        _ what: String,
        _ body: () async throws -> Result
    ) async throws -> Result {
        do {
            return try await body()
        } catch let error as HTTPClientError {
            throw RegistryFailure(what: what, registry: reference.registry, cause: error)
        }
    }
}

/// What a registry or the network to it refused.
struct RegistryFailure: Error, CustomStringConvertible {
    /// What was attempted.
    let what: String
    /// Where.
    let registry: String
    /// The answer.
    let cause: HTTPClientError

    /// Whether another attempt may succeed.
    var isTransient: Bool { cause.isTransient }

    var description: String { "\(failure)" }

    /// The same for people, with what to do.
    var failure: Failure {
        let remedy: String? =
            switch cause {
            case .status(401, _, _), .status(403, _, _): "this client does not log in to registries"
            case .status(405, _, _): "agents are read-only: push to a proxy"
            case .network: "check that \(registry) runs, and speaks plain HTTP or TLS as asked"
            default: nil
            }
        return Failure("cannot \(what) at \(registry)", why: "\(cause)", remedy: remedy)
    }
}

/// Parts of a file, with someone who hears of every one that is handed on.
struct CountedChunks: AsyncSequence, Sendable {
    typealias Element = ByteBuffer
    let base: FileChunks
    let progress: @Sendable (Int) -> Void

    struct AsyncIterator: AsyncIteratorProtocol {
        var base: FileChunks.AsyncIterator
        let progress: @Sendable (Int) -> Void

        mutating func next() async throws -> ByteBuffer? {
            guard let part = try await base.next() else { return nil }
            progress(part.readableBytes)
            return part
        }
    }

    func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(base: base.makeAsyncIterator(), progress: progress)
    }
}
