// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives

/// A manifest or index with the bytes that its digest names.
struct ImageDocument: Hashable, Sendable {
    /// What it is called by whoever refers to it.
    let name: ContentDigest
    /// The SHA-256 of its bytes.
    let digest: Digest
    /// Its bytes, never written anew.
    let bytes: [UInt8]
    /// What they say.
    let content: ManifestDocument

    /// Reads `bytes`, which have to be those that `name` names, where it is given.
    ///
    /// What it names by sha512 is known by that name only.
    /// - Throws: ``Failure`` naming `place`.
    init(_ bytes: [UInt8], at place: String, as name: ContentDigest? = nil) throws {
        self.bytes = bytes
        digest = Hashing.digest(of: bytes)
        self.name = name ?? .sha256(digest)
        if let name, !name.names(bytes) {
            throw Failure("cannot use the manifest \(place)", why: "its bytes are others")
        }
        do {
            content = try ManifestDocument(parsing: bytes, aliases: [:])
        } catch {
            throw Failure("cannot read the manifest \(place)", why: error.description)
        }
    }
}

/// An image on disk, to be pushed.
protocol ImageSource: Sendable {
    /// The manifest or index that is pushed.
    var root: ImageDocument { get }
    /// The bytes called `name`; nil when the source lacks them.
    func content(_ name: ContentDigest) throws -> StoredBytes?
}

/// Opens what `herd push` was given.
enum ImageSources {
    /// The image in `text`: a directory, `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]` or `docker-archive:FILE[:REF]`; a
    /// file without a prefix is looked into.
    static func open(_ text: String) throws -> any ImageSource {
        let (kind, path, name) = try ImagePath.parse(text)
        switch kind {
        case .layout: return try OCILayoutSource(DirectoryTree(path: path), name: name)
        case .ociArchive: return try OCILayoutSource(try TarTree(path: path), name: name)
        case .dockerArchive:
            let tree = try TarTree(path: path)
            // Newer docker versions save archives that are OCI layouts as well; that form keeps digests.
            if try tree.open("index.json") != nil, try tree.open("oci-layout") != nil {
                return try OCILayoutSource(tree, name: name)
            }
            return try DockerArchiveSource(tree, name: name)
        }
    }
}

/// Where an image is on disk, as the command line says it.
enum ImagePath {
    /// The form of an image on disk.
    enum Kind: String, CaseIterable, Sendable {
        case layout = "oci"
        case ociArchive = "oci-archive"
        case dockerArchive = "docker-archive"
    }

    /// The form, the path and the name in `text`; without a prefix, a name that ends in `.tar` is an archive.
    static func parse(_ text: String) throws -> (kind: Kind, path: String, name: String?) {
        for kind in Kind.allCases where text.hasPrefix(kind.rawValue + ":") {
            let rest = text.dropFirst(kind.rawValue.count + 1)
            guard let colon = rest.firstIndex(of: ":") else {
                return (kind, try checked(rest, text), nil)
            }
            let name = String(rest[rest.index(after: colon)...])
            return (kind, try checked(rest[..<colon], text), name.isEmpty ? nil : name)
        }
        let kind: Kind = text.hasSuffix(".tar") ? .dockerArchive : .layout
        return (kind, try checked(text[...], text), nil)
    }

    private static func checked(_ path: Substring, _ text: String) throws -> String {
        guard !path.isEmpty else {
            throw Failure("\(text) names no image", why: "its path is empty")
        }
        return String(path)
    }
}
