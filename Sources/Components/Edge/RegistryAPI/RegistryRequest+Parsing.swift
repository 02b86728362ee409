// SPDX-License-Identifier: Apache-2.0

import Content
import HTTPKit
package import HTTPTypes

extension RegistryRequest {
    /// Reads the request `method` on `path` and `query`, both as they came, percent-encoded.
    ///
    /// Repository names have slashes, so a path is read from its end: what precedes the known words is the name.
    /// - Parameter isReadOnly: whether only reading methods are named to a client that uses a wrong one. Writes are read all
    ///   the same, so that their refusal can say where to write to.
    /// - Throws: ``RegistryError`` with what is wrong with it: 400, 404, 405 or 416.
    package init(
        method: HTTPRequest.Method,
        path: String,
        query: String? = nil,
        contentRange: String? = nil,
        isReadOnly: Bool = false
    ) throws(RegistryError) {
        let target = try RegistryTarget(path: path)
        let reading: [HTTPRequest.Method] = [.get, .head]
        let named = isReadOnly ? reading : nil
        let arguments = QueryArguments(query)
        switch target {
        case .ping:
            try method.require(reading)
            self = .ping
        case .catalog:
            try method.require(reading)
            self = .repositories(try PageRequest(arguments))
        case .tags(let name):
            try method.require(reading)
            self = .tags(try RepositoryName(segments: name), try PageRequest(arguments))
        case .manifest(let name, let reference):
            let name = try RepositoryName(segments: name)
            try method.require(reading + [.put, .delete], naming: named)
            switch method {
            case .put:
                let digest = try arguments["digest"].map { text throws(RegistryError) in
                    try ContentDigest(canonical: text)
                }
                let reference = try ManifestReference(reference, isWrite: true)
                self = .putManifest(name, reference, digest: digest)
            case .delete:
                self = .deleteManifest(name, try ManifestReference(reference, isWrite: false))
            default: self = .manifest(name, try ManifestReference(reference, isWrite: false))
            }
        case .blob(let name, let text):
            let name = try RepositoryName(segments: name)
            try method.require(reading + [.delete], naming: named)
            guard let digest = try ContentDigest(stored: text) else {
                throw .otherAlgorithm(.blobUnknown, text)
            }
            self = method == .delete ? .deleteBlob(name, digest) : .blob(name, digest)
        case .uploads(let name):
            let name = try RepositoryName(segments: name)
            try method.require([.post], naming: named)
            self = .startUpload(name, try UploadStart(arguments))
        case .upload(let name, let id):
            let name = try RepositoryName(segments: name)
            try method.require(reading + [.patch, .put, .delete], naming: named)
            self = try Self.upload(method, name, id, arguments, contentRange)
        case .referrers(let name, let digest):
            let name = try RepositoryName(segments: name)
            try method.require(reading)
            var request = ReferrerRequest(subject: try ContentDigest(stored: digest))
            if let type = arguments["artifactType"], !type.isEmpty { request.artifactType = type }
            if let last = arguments["last"] { request.last = try Digest(canonical: last) }
            self = .referrers(name, request)
        }
    }

    private static func upload(
        _ method: HTTPRequest.Method,
        _ name: RepositoryName,
        _ id: String,
        _ arguments: QueryArguments,
        _ contentRange: String?
    ) throws(RegistryError) -> RegistryRequest {
        switch method {
        case .delete: return .cancelUpload(name, id: id)
        case .patch: return .appendChunk(name, id: id, try chunkRange(contentRange))
        case .put:
            guard let text = arguments["digest"] else {
                throw .digestInvalid("the query must have the digest of the blob")
            }
            let digest = try ContentDigest(canonical: text)
            return .finishUpload(name, id: id, digest, try chunkRange(contentRange))
        default: return .uploadStatus(name, id: id)
        }
    }

    private static func chunkRange(_ text: String?) throws(RegistryError) -> ChunkRange? {
        guard let text else { return nil }
        guard let range = ChunkRange(parsing: text) else {
            let why = "Content-Range must be <first>-<last>, both inclusive"
            throw RegistryError(.rangeInvalid, .badRequest, why)
        }
        return range
    }
}

/// What a path leads to; names are still unread.
private enum RegistryTarget {
    case ping
    case catalog
    case tags([String])
    case manifest([String], String)
    case blob([String], String)
    case uploads([String])
    case upload([String], String)
    case referrers([String], String)

    init(path: String) throws(RegistryError) {
        guard path == "/v2" || path.hasPrefix("/v2/") else { throw .unknownEndpoint }
        var segments: [String] = []
        for raw in path.dropFirst("/v2/".count).split(
            separator: "/",
            omittingEmptySubsequences: false
        ) {
            // A slash inside a segment would make two names of one.
            guard let segment = PercentCoding.decode(raw), !segment.contains("/") else {
                throw .nameInvalid("a segment of the path is badly percent-encoded or has a slash")
            }
            guard segment != ".", segment != ".." else {
                throw .nameInvalid("a path must not have the segments . and ..")
            }
            segments.append(segment)
        }
        try self.init(segments: segments)
    }

    private init(segments: [String]) throws(RegistryError) {
        let (count, last) = (segments.count, segments.last ?? "")
        func word(_ distance: Int) -> String? {
            count >= distance ? segments[count - distance] : nil
        }
        func name(dropping words: Int) -> [String] { Array(segments.dropLast(words)) }
        if segments.isEmpty || segments == [""] {
            self = .ping
        } else if segments == ["_catalog"] {
            self = .catalog
        } else if count >= 4, word(3) == "blobs", word(2) == "uploads" {
            self = last.isEmpty ? .uploads(name(dropping: 3)) : .upload(name(dropping: 3), last)
        } else if count >= 3, word(2) == "blobs", last == "uploads" {
            self = .uploads(name(dropping: 2))
        } else if count >= 3, word(2) == "tags", last == "list" {
            self = .tags(name(dropping: 2))
        } else if count >= 3, word(2) == "manifests" {
            self = .manifest(name(dropping: 2), last)
        } else if count >= 3, word(2) == "blobs" {
            self = .blob(name(dropping: 2), last)
        } else if count >= 3, word(2) == "referrers" {
            self = .referrers(name(dropping: 2), last)
        } else {
            throw .unknownEndpoint
        }
    }
}

/// The arguments of a query, decoded; those that cannot be decoded are as if absent.
private struct QueryArguments {
    private var values: [String: String] = [:]

    init(_ query: String?) {
        for pair in (query ?? "").split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, let value = PercentCoding.decode(parts[1]) else { continue }
            if values[String(parts[0])] == nil { values[String(parts[0])] = value }
        }
    }

    subscript(_ name: String) -> String? { values[name] }
}

extension PageRequest {
    fileprivate init(_ arguments: QueryArguments) throws(RegistryError) {
        self.init(after: arguments["last"])
        guard let text = arguments["n"] else { return }
        guard let limit = Int(text), limit >= 0 else {
            throw RegistryError(
                .paginationNumberInvalid,
                .badRequest,
                "n must be a number of names, 0 or more"
            )
        }
        self.limit = limit
    }
}

extension UploadStart {
    fileprivate init(_ arguments: QueryArguments) throws(RegistryError) {
        if let mount = arguments["mount"] {
            var source: RepositoryName?
            if let from = arguments["from"] {
                source = try RepositoryName(segments: [from])
            }
            // What can't be there can't be mounted: the upload is begun, and told what is wrong.
            self = try ContentDigest(stored: mount).map { .mount($0, from: source) } ?? .session()
        } else if let digest = arguments["digest"] {
            self = .whole(try ContentDigest(canonical: digest))
        } else {
            self = .session(isSHA512: arguments["digest-algorithm"] == "sha512")
        }
    }
}

extension ManifestReference {
    fileprivate init(_ text: String, isWrite: Bool) throws(RegistryError) {
        if text.contains(":") {
            if isWrite {
                self = .digest(try ContentDigest(canonical: text))
            } else if let digest = try ContentDigest(stored: text) {
                self = .digest(digest)
            } else {
                throw .otherAlgorithm(.manifestUnknown, text)
            }
            return
        }
        do {
            let tag = try Tag(text)
            guard ReservedTag(tag) == nil else {
                guard isWrite else { throw RegistryError.manifestUnknown(text) }
                let why = "the registry keeps tags of this form for itself; choose another name"
                throw RegistryError(.tagInvalid, .badRequest, why)
            }
            self = .tag(tag)
        } catch let error as RegistryError {
            throw error
        } catch {
            // The specification's conformance tests read such a tag to see that it is not there.
            guard isWrite else { throw .manifestUnknown(text) }
            throw RegistryError(.tagInvalid, .badRequest, "\(error)")
        }
    }
}

extension RepositoryName {
    fileprivate init(segments: [String]) throws(RegistryError) {
        do {
            self = try RepositoryName(segments.joined(separator: "/"))
        } catch {
            throw .nameInvalid(error.description)
        }
    }
}

extension Digest {
    /// The digest that `text` spells in lower case, as the specification wants it.
    fileprivate init(canonical text: String) throws(RegistryError) {
        do {
            self = try Digest(parsing: text)
        } catch {
            throw .digestInvalid(error.description)
        }
        guard description == text else {
            throw .digestInvalid("the hex digits of a digest are lower case")
        }
    }
}

extension ContentDigest {
    /// The digest that `text` spells in lower case, as the specification wants it.
    fileprivate init(canonical text: String) throws(RegistryError) {
        do {
            self = try ContentDigest(parsing: text)
        } catch {
            throw .digestInvalid(error.description)
        }
        guard description == text else {
            throw .digestInvalid("the hex digits of a digest are lower case")
        }
    }

    /// The digest `text`; nil when it is one of an algorithm that nothing here is named by.
    /// - Source: OCI image specification 1.1, "Digests".
    fileprivate init?(stored text: String) throws(RegistryError) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0] != "sha256", parts[0] != "sha512" else {
            self = try ContentDigest(canonical: text)
            return
        }
        let components = parts[0].split(omittingEmptySubsequences: false) { "+._-".contains($0) }
        func isLowerOrDigit(_ byte: UInt8) -> Bool {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        let isAlgorithm = components.allSatisfy {
            !$0.isEmpty && $0.utf8.allSatisfy(isLowerOrDigit)
        }
        let isEncoded =
            !parts[1].isEmpty
            && parts[1].utf8.allSatisfy {
                isLowerOrDigit($0 | 0x20) || "=_-".utf8.contains($0)
            }
        guard isAlgorithm, isEncoded else {
            throw .digestInvalid(
                "a digest is <algorithm>:<encoded hash>, as sha256:<64 hex digits>"
            )
        }
        return nil
    }
}

extension HTTPRequest.Method {
    /// Lets `allowed` methods pass; the client of another one is told the methods `named`, by default all of these.
    fileprivate func require(
        _ allowed: [HTTPRequest.Method],
        naming named: [HTTPRequest.Method]? = nil
    ) throws(RegistryError) {
        guard !allowed.contains(self) else { return }
        throw .methodNotAllowed(named ?? allowed)
    }
}

extension RegistryError {
    fileprivate static var unknownEndpoint: RegistryError {
        RegistryError(.unsupported, .notFound, "no such endpoint")
    }

    /// 404: content under a digest that is valid, but of an algorithm under which nothing is stored.
    fileprivate static func otherAlgorithm(_ code: Code, _ digest: String) -> RegistryError {
        RegistryError(
            code,
            .notFound,
            "this registry names content by sha256 and sha512 only",
            detail: .object([.init("digest", .string(String(digest.prefix(256))))])
        )
    }

    fileprivate static func nameInvalid(_ why: String) -> RegistryError {
        RegistryError(.nameInvalid, .badRequest, why)
    }

    /// 405: the path exists, but not with that method.
    package static func methodNotAllowed(
        _ allowed: [HTTPRequest.Method],
        _ why: String = "this endpoint does not have that method"
    ) -> RegistryError {
        let names = allowed.map(\.rawValue).joined(separator: ", ")
        return RegistryError(
            .unsupported,
            .methodNotAllowed,
            "\(why); allowed are \(names)",
            headers: [.allow: names]
        )
    }

    /// 404: there is no manifest of that name.
    package static func manifestUnknown(_ reference: String) -> RegistryError {
        RegistryError(
            .manifestUnknown,
            .notFound,
            "manifest unknown to registry",
            detail: .object([.init("reference", .string(String(reference.prefix(256))))])
        )
    }
}
