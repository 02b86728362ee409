// SPDX-License-Identifier: Apache-2.0

package import Primitives

/// A manifest that has another one as its subject, as lists of referrers describe it: a signature, an SBOM, an attestation.
/// - Source: OCI distribution specification 1.1, "Listing Referrers".
package struct Referrer: Hashable, Sendable {
    /// The manifest it refers to.
    package let subject: ContentDigest
    /// What it is; nil for an index that does not say.
    package let artifactType: String?
    /// The descriptor, with the artifact type and all annotations.
    package let descriptor: JSON

    /// Describes the manifest `bytes`, whose digest is `digest`; nil when it has no subject or is no manifest.
    package init?(manifest bytes: [UInt8], digest: Digest, limits: Limits = Limits()) {
        // What is no manifest is no referrer; why not does not matter.
        guard
            let manifest = try? ManifestDocument(parsing: bytes, limits: limits, aliases: [:]),
            let subject = manifest.subject?.name,
            // As above.
            let document = try? JSON(parsing: bytes, depthMax: limits.jsonDepthMax)
        else { return nil }
        var artifactType = document["artifactType"]?.string
        if artifactType?.isEmpty ?? true {
            // An image says by its configuration what it is, an index does not say.
            if case .image(let image) = manifest {
                artifactType = image.config.mediaType
            } else {
                artifactType = nil
            }
        }
        var members: [JSON.Member] = [
            .init("mediaType", .string(manifest.mediaType.rawValue)),
            .init("size", .integer(bytes.count)),
            .init("digest", .string(digest.description)),
        ]
        if let artifactType { members.append(.init("artifactType", .string(artifactType))) }
        if let annotations = document["annotations"], annotations.members != nil {
            members.append(.init("annotations", annotations))
        }
        self.subject = subject
        self.artifactType = artifactType
        descriptor = .object(members)
    }
}
