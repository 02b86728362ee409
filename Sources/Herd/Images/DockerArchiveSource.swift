// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives

/// An image in an archive as `docker save` writes it: it has no manifest, so one is made from its config and layers.
/// - Source: moby image specification v1.2, "Combined Image JSON + Filesystem Changeset Format".
struct DockerArchiveSource: ImageSource {
    let root: ImageDocument
    private let contents: [ContentDigest: StoredBytes]

    /// The image called `name` in `tree`; without a name, the only one.
    /// - Throws: ``Failure``.
    init(_ tree: TarTree, name: String?) throws {
        guard let stored = try tree.open("manifest.json") else {
            throw Failure(
                "\(tree.path) is no docker archive",
                why: "it has no manifest.json",
                remedy: "use oci-archive:FILE for an archive of an OCI layout"
            )
        }
        let rows: [JSON]
        do {
            rows = try JSON(parsing: try stored.read(upTo: Limits().manifestBytesMax)).array ?? []
        } catch let error as ContentError {
            throw Failure("cannot read manifest.json in \(tree.path)", why: error.description)
        }
        let row = try Self.choose(name, in: rows, tree.path)
        var contents: [ContentDigest: StoredBytes] = [:]
        func descriptor(_ file: String, _ mediaType: String) throws -> JSON {
            guard let stored = try tree.open(file) else {
                throw Failure("cannot push \(tree.path)", why: "\(file) is missing in it")
            }
            let digest = try Hashing.digest(of: stored)
            contents[.sha256(digest)] = stored
            return .object([
                .init("mediaType", .string(mediaType)), .init("digest", .string("\(digest)")),
                .init("size", .integer(stored.range.count)),
            ])
        }
        let type = "application/vnd.oci.image"
        let config = try descriptor(row["Config"]?.string ?? "", "\(type).config.v1+json")
        var layers: [JSON] = []
        for layer in row["Layers"]?.array ?? [] {
            let file = layer.string ?? ""
            let suffix = try Self.compression(of: file, in: tree)
            layers.append(try descriptor(file, "\(type).layer.v1.tar\(suffix)"))
        }
        let manifest = JSON.object([
            .init("schemaVersion", .integer(2)),
            .init("mediaType", .string(ManifestMediaType.ociManifest.rawValue)),
            .init("config", config), .init("layers", .array(layers)),
        ])
        root = try ImageDocument(manifest.utf8, at: tree.path)
        self.contents = contents
    }

    func content(_ name: ContentDigest) throws -> StoredBytes? { contents[name] }

    private static func choose(_ name: String?, in rows: [JSON], _ path: String) throws -> JSON {
        func names(_ row: JSON) -> [String] { row["RepoTags"]?.array?.compactMap(\.string) ?? [] }
        let all = rows.flatMap(names).joined(separator: ", ")
        if let name {
            guard let match = rows.first(where: { names($0).contains(name) }) else {
                throw Failure("\(path) has no image \(name)", why: "it has: \(all)")
            }
            return match
        }
        guard let only = rows.first, rows.count == 1 else {
            throw Failure(
                "cannot tell which image of \(path) is meant",
                why: rows.isEmpty ? "it has none" : "it has \(rows.count): \(all)",
                remedy: "name one: docker-archive:\(path):REPOSITORY:TAG"
            )
        }
        return only
    }

    /// How the media type of the layer in `file` ends, by its first bytes.
    private static func compression(of file: String, in tree: TarTree) throws -> String {
        guard let stored = try tree.open(file), stored.range.count >= 4 else { return "" }
        let start = stored.range.lowerBound
        let head = try StoredBytes(file: stored.file, range: start..<start + 4).read(upTo: 4)
        if head.starts(with: [0x1f, 0x8b]) { return "+gzip" }
        return head == [0x28, 0xb5, 0x2f, 0xfd] ? "+zstd" : ""
    }
}
