// SPDX-License-Identifier: Apache-2.0

import Content
import Crypto
import Foundation
import Testing

/// Real registry clients, as a user runs them.
enum Clients {
    /// Pushes `image` with skopeo to `registry` as `reference`.
    static func push(
        _ image: OCIImage,
        to registry: String,
        as reference: String
    ) async throws -> CommandResult {
        try await Command(
            "skopeo",
            [
                "copy", "-q", "--preserve-digests", "--dest-tls-verify=false",
                "oci:\(image.folder.path):v1",
                "docker://\(registry)/\(reference)",
            ]
        ).run()
    }

    /// Pulls `reference` with skopeo from `registry` into `folder`.
    static func pull(
        _ reference: String,
        from registry: String,
        into folder: URL
    ) async throws -> CommandResult {
        // skopeo makes the folder itself, but not those above it.
        try FileManager.default.createDirectory(
            at: folder.deletingLastPathComponent(),
            withIntermediateDirectories: true
        )
        return try await Command(
            "skopeo",
            [
                "copy", "-q", "--preserve-digests", "--src-tls-verify=false",
                "docker://\(registry)/\(reference)",
                "dir:\(folder.path)",
            ]
        ).run()
    }

    /// Pulls `reference` from every registry at once and checks each byte of `image`.
    static func pullEverywhere(
        _ reference: String,
        of image: OCIImage,
        from registries: [String],
        under folder: URL
    ) async throws {
        try await withThrowingTaskGroup { group in
            for (index, registry) in registries.enumerated() {
                let target = folder.appending(path: "\(index)-\(UUID().uuidString)")
                group.addTask {
                    let result = try await pull(reference, from: registry, into: target)
                    #expect(result.status == 0, "pull from \(registry): \(result.errors)")
                    try check(target, holds: image)
                    try FileManager.default.removeItem(at: target)
                }
            }
            try await group.waitForAll()
        }
    }

    /// Checks that a pulled folder holds the manifest and layers of `image`, bit for bit.
    private static func check(_ folder: URL, holds image: OCIImage) throws {
        #expect(try sha256(folder.appending(path: "manifest.json")) == image.manifest)
        for layer in image.layers {
            let file = folder.appending(path: String(layer.dropFirst("sha256:".count)))
            #expect(try sha256(file) == layer, "layer \(layer)")
        }
    }

    /// The digest of a file's content.
    static func sha256(_ file: URL) throws -> String { sha256(try Data(contentsOf: file)) }

    /// The digest of `content`.
    static func sha256(_ content: Data) -> String {
        "sha256:" + Hex.encode(Array(SHA256.hash(data: content)))
    }

    /// The status code and body that curl gets for `arguments`.
    static func curl(_ arguments: [String]) async throws -> (status: Int, body: String) {
        let result = try await Command(
            "curl",
            ["-s", "-m", "60", "-w", "\n%{http_code}"] + arguments
        ).run()
        let lines = result.output.split(separator: "\n", omittingEmptySubsequences: false)
        return (Int(lines.last ?? "") ?? 0, lines.dropLast().joined(separator: "\n"))
    }
}
