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
    private var blobs: String { path + "/blobs/sha256" }

    /// The layout in the directory `path`, made where it is missing.
    init(path: String) throws {
        self.path = path
        try Directory.create(path + "/blobs/sha256")
    }

    func place(_ blob: Descriptor) throws -> BlobPlace? {
        if let stored = try DirectoryTree(path: blobs).open(blob.digest.hex),
            stored.range.count == blob.bytes, try Hashing.digest(of: stored) == blob.digest
        {
            return nil
        }
        let temporary = "\(blobs)/.\(blob.digest.hex).\(getpid())"
        unlink(temporary)
        let file = try SharedFile.create(temporary, bytes: blob.bytes, preallocate: true)
        return BlobPlace(blob: blob, file: file, offset: 0)
    }

    func keep(_ place: BlobPlace) throws {
        try Directory.rename(place.file.path, to: "\(blobs)/\(place.blob.digest.hex)")
    }

    func drop(_ place: BlobPlace) { unlink(place.file.path) }

    func finish(_ documents: [ImageDocument], name: String) throws {
        for document in documents {
            let file = "\(blobs)/\(document.digest.hex)"
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
            .init("digest", .string("\(root.digest)")), .init("size", .integer(root.bytes.count)),
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
