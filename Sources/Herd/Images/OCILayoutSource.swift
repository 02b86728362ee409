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
        let digest = try Self.choose(name, in: try Self.manifests(bytes, tree.path), tree.path)
        guard let stored = try Self.content(digest, in: tree) else {
            throw Failure("cannot push \(tree.path)", why: "the manifest \(digest) is missing")
        }
        let document = try stored.read(upTo: Limits().manifestBytesMax)
        root = try ImageDocument(document, at: "\(digest) in \(tree.path)")
        guard root.digest == digest else {
            throw Failure("cannot push \(tree.path)", why: "the bytes of \(digest) are others")
        }
    }

    func content(_ digest: Digest) throws -> StoredBytes? { try Self.content(digest, in: tree) }

    private static func content(_ digest: Digest, in tree: any FileTree) throws -> StoredBytes? {
        try tree.open("blobs/sha256/\(digest.hex)")
    }

    /// The manifests in an `index.json` with their names.
    static func manifests(
        _ bytes: [UInt8],
        _ path: String
    ) throws -> [(name: String?, digest: Digest)] {
        do {
            let rows = try JSON(parsing: bytes)["manifests"]?.array ?? []
            return try rows.map { row in
                let name = row["annotations"]?[nameKey]?.string
                return (name, try Digest(parsing: row["digest"]?.string ?? ""))
            }
        } catch {
            throw Failure("cannot read \(path)/index.json", why: "\(error)")
        }
    }

    private static func choose(
        _ name: String?,
        in manifests: [(name: String?, digest: Digest)],
        _ path: String
    ) throws -> Digest {
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
