// SPDX-License-Identifier: Apache-2.0

package import Content
package import Primitives

extension ManifestDocument {
    /// Reads a manifest or an index, asking `resolve` for what the SHA-512s in it stand for.
    /// - Throws: `ContentError` when it is none, and what `resolve` throws.
    package static func reading(
        _ bytes: [UInt8],
        limits: Limits = Limits(),
        resolve: (SHA512Digest) async throws -> Digest?
    ) async throws -> ManifestDocument {
        let document = try ManifestDocument(parsing: bytes, limits: limits, aliases: [:])
        let names = Set(document.unknownNames)
        guard !names.isEmpty else { return document }
        var aliases: [SHA512Digest: Digest] = [:]
        for name in names { aliases[name] = try await resolve(name) }
        return try ManifestDocument(parsing: bytes, limits: limits, aliases: aliases)
    }
}
