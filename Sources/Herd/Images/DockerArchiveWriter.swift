// SPDX-License-Identifier: Apache-2.0

import Content
import Files
import Glibc

/// An archive as `docker load` reads it. All sizes are known beforehand, so every blob has its place from the start and
/// several are written at once.
struct DockerArchiveWriter: ImageDestination {
    private let path: String
    private let temporary: String
    private let file: SharedFile
    private let offsets: [ContentDigest: Int]

    /// An archive at `path` of the one image `manifest`, called `name` in it.
    init(path: String, manifest: Manifest, name: String) throws {
        self.path = path
        temporary = "\(path).\(getpid()).partial"
        // An SHA-512 is too long for a name in an archive; what stands for it has its first half.
        let layers = manifest.layers.map { "\($0.digest.hex).tar" }
        let description = JSON.array([
            .object([
                .init("Config", .string("\(manifest.config.digest.hex).json")),
                .init("RepoTags", .array([.string(name)])),
                .init("Layers", .array(layers.map { .string($0) })),
            ])
        ]).utf8
        var offsets: [ContentDigest: Int] = [:]
        var headers: [(offset: Int, block: [UInt8])] = []
        var end = 0
        func add(_ name: String, _ bytes: Int) -> Int {
            headers.append((end, TarHeader.block(name: name, bytes: bytes)))
            let offset = end + 512
            end = offset + (bytes + 511) / 512 * 512
            return offset
        }
        let config = manifest.config
        offsets[config.name] = add("\(config.digest.hex).json", config.bytes)
        for layer in manifest.layers where offsets[layer.name] == nil {
            offsets[layer.name] = add("\(layer.digest.hex).tar", layer.bytes)
        }
        headers.append((add("manifest.json", description.count), description))
        unlink(temporary)
        // Two empty blocks end an archive.
        let file = try SharedFile.create(temporary, bytes: end + 1024, preallocate: true)
        for (offset, block) in headers {
            try block.withUnsafeBytes { try file.write($0, at: offset) }
        }
        (self.file, self.offsets) = (file, offsets)
    }

    func place(_ blob: Descriptor) throws -> BlobPlace? {
        offsets[blob.name].map { BlobPlace(blob: blob, file: file, offset: $0) }
    }

    func keep(_ place: BlobPlace) throws {}

    func drop(_ place: BlobPlace) { unlink(temporary) }

    func finish(_ documents: [ImageDocument], name: String) throws {
        try Directory.rename(temporary, to: path)
    }
}
