// SPDX-License-Identifier: Apache-2.0

import Content
import Files
import Glibc
import Primitives

import struct Crypto.SHA256

/// An image of random bytes to show a cluster with: a configuration and a few layers, the same for the same seed and size.
///
/// The layers lie in a file without a name, so nothing of them stays behind, however the process ends.
struct DemoImage: ImageSource {
    let root: ImageDocument
    private let contents: [ContentDigest: StoredBytes]

    /// The smallest image.
    static let bytesMin = 1 << 10
    /// The largest one.
    static let bytesMax = 64 << 30
    /// Bytes made at a time.
    private static let chunkBytes = 1 << 20

    /// Makes the image of `bytes` bytes in a file in `directory`; blocks.
    /// - Throws: ``Failure`` when the size is out of bounds; `FileError`.
    init(bytes: Int, seed: UInt64, in directory: String) throws {
        guard (Self.bytesMin...Self.bytesMax).contains(bytes) else {
            throw Failure(
                "cannot make an image of \(bytes) bytes",
                why: "it has \(ByteCount(Self.bytesMin)) to \(ByteCount(Self.bytesMax))"
            )
        }
        let path = "\(directory)/demo-image-\(getpid())-\(UInt64.random(in: 0 ... .max)).tmp"
        let file = try SharedFile.create(path, bytes: bytes, preallocate: true)
        // From here on it lives as long as the handle.
        unlink(path)
        var generator = Generator(seed: seed)
        var contents: [ContentDigest: StoredBytes] = [:]
        var layers: [(digest: Digest, bytes: Int)] = []
        var start = 0
        for size in Self.layerSizes(bytes) {
            let stored = StoredBytes(file: file, range: start..<start + size)
            let digest = try Self.fill(stored, &generator)
            contents[.sha256(digest)] = stored
            layers.append((digest, size))
            start += size
        }
        let configuration = Self.configuration(layers.map(\.digest))
        let configurationDigest = Hashing.digest(of: configuration)
        let stored = StoredBytes(file: file, range: bytes..<bytes + configuration.count)
        try configuration.withUnsafeBytes { try file.write($0, at: bytes) }
        contents[.sha256(configurationDigest)] = stored
        root = try ImageDocument(
            Self.manifest((configurationDigest, configuration.count), layers),
            at: "of a demo image"
        )
        self.contents = contents
    }

    func content(_ name: ContentDigest) throws -> StoredBytes? { contents[name] }

    /// A large layer and smaller ones, as images have them.
    static func layerSizes(_ bytes: Int) -> [Int] {
        let (small, middle) = (bytes / 16, bytes / 4)
        return [small, middle, bytes - small - middle].filter { $0 > 0 }
    }

    private static func fill(_ stored: StoredBytes, _ generator: inout Generator) throws -> Digest {
        var hasher = SHA256()
        var offset = stored.range.lowerBound
        while offset < stored.range.upperBound {
            let count = min(chunkBytes, stored.range.upperBound - offset)
            let words = [UInt64](unsafeUninitializedCapacity: (count + 7) / 8) { buffer, filled in
                for index in buffer.indices {
                    buffer.initializeElement(at: index, to: generator.next())
                }
                filled = buffer.count
            }
            try words.withUnsafeBytes { bytes in
                let part = UnsafeRawBufferPointer(rebasing: bytes[..<count])
                hasher.update(bufferPointer: part)
                try stored.file.write(part, at: offset)
            }
            offset += count
        }
        return Hashing.digest(hasher)
    }

    // MARK: - Documents

    private static func configuration(_ layers: [Digest]) -> [UInt8] {
        JSON.object([
            .init("architecture", .string("amd64")), .init("os", .string("linux")),
            .init(
                "rootfs",
                .object([
                    .init("type", .string("layers")),
                    .init("diff_ids", .array(layers.map { .string($0.description) })),
                ])
            ),
        ]).utf8
    }

    private static func manifest(
        _ configuration: (Digest, Int),
        _ layers: [(digest: Digest, bytes: Int)]
    ) -> [UInt8] {
        JSON.object([
            .init("schemaVersion", .integer(2)),
            .init("mediaType", .string(ManifestMediaType.ociManifest.rawValue)),
            .init(
                "config",
                descriptor("application/vnd.oci.image.config.v1+json", configuration)
            ),
            .init(
                "layers",
                .array(
                    layers.map {
                        descriptor("application/vnd.oci.image.layer.v1.tar", ($0.digest, $0.bytes))
                    }
                )
            ),
        ]).utf8
    }

    private static func descriptor(_ mediaType: String, _ content: (Digest, Int)) -> JSON {
        .object([
            .init("mediaType", .string(mediaType)),
            .init("digest", .string(content.0.description)), .init("size", .integer(content.1)),
        ])
    }
}
