// SPDX-License-Identifier: Apache-2.0

import Content
import Crypto
import Foundation
import Primitives

/// A small image on disk as an OCI image layout, with real tar layers of pseudo-random bytes.
struct OCIImage: Sendable {
    /// The folder of the layout.
    let folder: URL
    /// The digest of its manifest.
    let manifest: String
    /// The digests of its layers.
    let layers: [String]
    /// The digests of its layers, its configuration and its manifest, with their sizes.
    let blobs: [String: Int]

    /// Writes an image whose layers hold `layerBytes` each; the same seed gives the same digests.
    static func make(
        in folder: URL,
        layerBytes: [Int],
        seed: UInt64,
        tag: String = "v1"
    ) throws -> OCIImage {
        var writer = LayoutWriter(folder: folder)
        try writer.begin()
        var generator = Generator(seed: seed)
        var layers: [(digest: String, bytes: Int)] = []
        for (index, bytes) in layerBytes.enumerated() {
            layers.append(
                try writer.add(
                    tar(name: "data/file\(index).bin", bytes: bytes, generator: &generator)
                )
            )
        }
        let diffIDs = layers.map { "\"\($0.digest)\"" }.joined(separator: ",")
        let config = try writer.add(
            Data(
                """
                {"architecture":"amd64","os":"linux","config":{"Cmd":["/bin/true"]},\
                "rootfs":{"type":"layers","diff_ids":[\(diffIDs)]}}
                """.utf8
            )
        )
        let layerList = layers.map {
            #"{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"\#($0.digest)","size":\#($0.bytes)}"#
        }.joined(separator: ",")
        let manifest = try writer.add(
            Data(
                """
                {"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",\
                "config":{"mediaType":"application/vnd.oci.image.config.v1+json",\
                "digest":"\(config.digest)","size":\(config.bytes)},"layers":[\(layerList)]}
                """.utf8
            )
        )
        try writer.finish(manifest: manifest, tag: tag)
        return OCIImage(
            folder: folder,
            manifest: manifest.digest,
            layers: layers.map(\.digest),
            blobs: Dictionary((layers + [config, manifest]).map { ($0.digest, $0.bytes) }) { $1 }
        )
    }

    /// One tar archive with one file of `bytes` pseudo-random bytes.
    private static func tar(name: String, bytes: Int, generator: inout Generator) -> Data {
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, at offset: Int) {
            header.replaceSubrange(offset..<offset + text.utf8.count, with: text.utf8)
        }
        put(name, at: 0)
        put("0000644\0" + "0000000\0" + "0000000\0", at: 100)
        put(
            String(repeating: "0", count: 11 - String(bytes, radix: 8).count)
                + String(bytes, radix: 8) + "\0",
            at: 124
        )
        put("00000000000\0" + "        " + "0", at: 136)
        put("ustar\u{0}00", at: 257)
        let sum = String(header.reduce(0) { $0 + Int($1) }, radix: 8)
        put(String(repeating: "0", count: 6 - sum.count) + sum + "\0 ", at: 148)
        var archive = Data(header)
        archive.reserveCapacity(bytes + 2048)
        // Random bytes are slow to make in an unoptimised build: a block of them, numbered each time.
        var words = [UInt64](repeating: 0, count: 1 << 15)
        for index in words.indices { words[index] = generator.next() }
        for start in stride(from: 0, to: bytes, by: words.count * 8) {
            words[0] = UInt64(start)
            words.withUnsafeBytes { archive.append(contentsOf: $0.prefix(bytes - start)) }
        }
        archive.append(Data(count: (512 - bytes % 512) % 512 + 1024))
        return archive
    }
}

/// Writes blobs and the two index files of a layout.
private struct LayoutWriter {
    let folder: URL

    mutating func begin() throws {
        let blobs = folder.appending(path: "blobs/sha256")
        try FileManager.default.createDirectory(at: blobs, withIntermediateDirectories: true)
        try Data(#"{"imageLayoutVersion":"1.0.0"}"#.utf8).write(
            to: folder.appending(path: "oci-layout")
        )
    }

    mutating func add(_ data: Data) throws -> (digest: String, bytes: Int) {
        let hex = Hex.encode(Array(SHA256.hash(data: data)))
        try data.write(to: folder.appending(path: "blobs/sha256/\(hex)"))
        return ("sha256:\(hex)", data.count)
    }

    mutating func finish(manifest: (digest: String, bytes: Int), tag: String) throws {
        let index = """
            {"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json",\
            "digest":"\(manifest.digest)","size":\(manifest.bytes),\
            "annotations":{"org.opencontainers.image.ref.name":"\(tag)"}}]}
            """
        try Data(index.utf8).write(to: folder.appending(path: "index.json"))
    }
}
