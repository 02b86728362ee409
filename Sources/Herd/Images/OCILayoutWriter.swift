// SPDX-License-Identifier: Apache-2.0

import Content
import Files
import Glibc
import Primitives

/// Where a pulled image goes.
protocol ImageDestination: Sendable {
    /// The place for `blob`; nil when the destination has it already, verified. May block.
    func place(_ blob: Descriptor) throws -> BlobPlace?
    /// `place` holds its verified bytes now. May block.
    func keep(_ place: BlobPlace) throws
    /// The download into `place` has failed. May block.
    func drop(_ place: BlobPlace)
    /// Every blob is there: writes the documents, the last of which is the image. May block.
    func finish(_ documents: [ImageDocument], name: String) throws
}

/// Room for one blob in a file.
struct BlobPlace: Sendable {
    /// The blob.
    let blob: Descriptor
    /// The file.
    let file: SharedFile
    /// Where in it the blob begins.
    let offset: Int
}

/// An OCI image layout that images are added to.
/// - Source: OCI image specification 1.1, "Image Layout".
struct OCILayoutWriter: ImageDestination {
    private let path: String

    /// The layout in the directory `path`, made where it is missing.
    init(path: String) throws {
        self.path = path
        try Directory.create(path + "/blobs/sha256")
    }

    /// The folder of blobs that are named as `name` is, made where it is missing.
    private func folder(of name: ContentDigest) throws -> String {
        let folder = "\(path)/blobs/\(name.algorithm)"
        try Directory.create(folder)
        return folder
    }

    func place(_ blob: Descriptor) throws -> BlobPlace? {
        let folder = try folder(of: blob.name)
        if let stored = try DirectoryTree(path: folder).open(blob.name.hex),
            stored.range.count == blob.bytes, try Hashing.isRight(stored, as: blob.name)
        {
            return nil
        }
        let temporary = "\(folder)/.\(blob.name.hex).\(getpid())"
        unlink(temporary)
        let file = try SharedFile.create(temporary, bytes: blob.bytes, preallocate: true)
        return BlobPlace(blob: blob, file: file, offset: 0)
    }

    func keep(_ place: BlobPlace) throws {
        let name = place.blob.name
        try Directory.rename(place.file.path, to: "\(try folder(of: name))/\(name.hex)")
    }

    func drop(_ place: BlobPlace) { unlink(place.file.path) }

    func finish(_ documents: [ImageDocument], name: String) throws {
        for document in documents {
            let file = "\(try folder(of: document.name))/\(document.name.hex)"
            try AtomicFile.write(document.bytes, to: file, durable: false)
        }
        guard let root = documents.last else { return }
        let layout = JSON.object([.init("imageLayoutVersion", .string("1.0.0"))])
        try AtomicFile.write(layout.utf8, to: path + "/oci-layout", durable: false)
        try AtomicFile.write(
            try index(adding: root, name).utf8,
            to: path + "/index.json",
            durable: false
        )
    }

    /// The layout's index with `root` under `name`, which no other entry keeps.
    private func index(adding root: ImageDocument, _ name: String) throws -> JSON {
        let old = try AtomicFile.read(path + "/index.json", bytesMax: Limits().manifestBytesMax)
        let rows = try old.map { try JSON(parsing: $0)["manifests"]?.array ?? [] } ?? []
        let others = rows.filter { $0["annotations"]?[OCILayoutSource.nameKey]?.string != name }
        let entry = JSON.object([
            .init("mediaType", .string(root.content.mediaType.rawValue)),
            .init("digest", .string("\(root.name)")), .init("size", .integer(root.bytes.count)),
            .init(
                "annotations",
                .object([.init(OCILayoutSource.nameKey, .string(name))])
            ),
        ])
        return .object([
            .init("schemaVersion", .integer(2)),
            .init("mediaType", .string(ManifestMediaType.ociIndex.rawValue)),
            .init("manifests", .array(others + [entry])),
        ])
    }
}
