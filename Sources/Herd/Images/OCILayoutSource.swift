// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives

/// An image in an OCI image layout, on disk or in a tar archive.
/// - Source: OCI image specification 1.1, "Image Layout".
struct OCILayoutSource: ImageSource {
    /// The annotation that names an image of a layout.
    static let nameKey = "org.opencontainers.image.ref.name"

    let root: ImageDocument
    private let tree: any FileTree

    /// The image called `name` in `tree`; without a name, the only one.
    /// - Throws: ``Failure``.
    init(_ tree: any FileTree, name: String?) throws {
        self.tree = tree
        guard let index = try tree.open("index.json") else {
            throw Failure(
                "\(tree.path) is no OCI image layout",
                why: "it has no index.json",
                remedy: "name a directory written by skopeo copy … oci:DIR:TAG, or an archive"
            )
        }
        let bytes = try index.read(upTo: Limits().manifestBytesMax)
        let chosen = try Self.choose(name, in: try Self.manifests(bytes, tree.path), tree.path)
        guard let stored = try Self.content(chosen, in: tree) else {
            throw Failure("cannot push \(tree.path)", why: "the manifest \(chosen) is missing")
        }
        let document = try stored.read(upTo: Limits().manifestBytesMax)
        root = try ImageDocument(document, at: "\(chosen) in \(tree.path)", as: chosen)
    }

    func content(_ name: ContentDigest) throws -> StoredBytes? { try Self.content(name, in: tree) }

    private static func content(
        _ name: ContentDigest,
        in tree: any FileTree
    ) throws -> StoredBytes? {
        try tree.open("blobs/\(name.algorithm)/\(name.hex)")
    }

    /// The manifests in an `index.json` with their names.
    static func manifests(
        _ bytes: [UInt8],
        _ path: String
    ) throws -> [(name: String?, digest: ContentDigest)] {
        do {
            let rows = try JSON(parsing: bytes)["manifests"]?.array ?? []
            return try rows.map { row in
                let name = row["annotations"]?[nameKey]?.string
                return (name, try ContentDigest(parsing: row["digest"]?.string ?? ""))
            }
        } catch {
            throw Failure("cannot read \(path)/index.json", why: "\(error)")
        }
    }

    private static func choose(
        _ name: String?,
        in manifests: [(name: String?, digest: ContentDigest)],
        _ path: String
    ) throws -> ContentDigest {
        let names = manifests.compactMap(\.name).joined(separator: ", ")
        if let name {
            guard let match = manifests.first(where: { $0.name == name }) else {
                throw Failure("\(path) has no image \(name)", why: "it has: \(names)")
            }
            return match.digest
        }
        guard let only = manifests.first, manifests.count == 1 else {
            throw Failure(
                "cannot tell which image of \(path) is meant",
                why: manifests.isEmpty ? "it has none" : "it has \(manifests.count): \(names)",
                remedy: "name one: oci:\(path):TAG"
            )
        }
        return only.digest
    }
}
