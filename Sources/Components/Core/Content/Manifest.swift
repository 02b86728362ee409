// SPDX-License-Identifier: Apache-2.0

/// An image: its configuration and its layers.
/// - Source: OCI image specification 1.1, "Image Manifest"; Docker image manifest version 2, schema 2.
package struct Manifest: Hashable, Sendable {
    /// What kind of document it is: Docker's or OCI's.
    package let mediaType: ManifestMediaType
    /// The image's configuration.
    package let config: Descriptor
    /// The layers, lowest first.
    package let layers: [Descriptor]
    /// The manifest that this one is a referrer of.
    package let subject: Descriptor?
}

/// A list of manifests, usually one for each platform.
/// - Source: OCI image specification 1.1, "Image Index"; Docker manifest list.
package struct ImageIndex: Hashable, Sendable {
    /// What kind of document it is: Docker's or OCI's.
    package let mediaType: ManifestMediaType
    /// The manifests, in the document's order.
    package let manifests: [Descriptor]
    /// The manifest that this one is a referrer of.
    package let subject: Descriptor?
}

/// A document that a tag can name: an image or an index.
///
/// Only what Herd needs is read; the bytes are never written anew, since their digest is their name.
package enum ManifestDocument: Hashable, Sendable {
    case image(Manifest)
    case index(ImageIndex)

    /// What kind of document it is.
    package var mediaType: ManifestMediaType {
        switch self {
        case .image(let manifest): manifest.mediaType
        case .index(let index): index.mediaType
        }
    }

    /// What it points at, in order: of an image the configuration and the layers, of an index the manifests.
    ///
    /// The subject is none of them: it may be pushed later, or never.
    package var references: [Descriptor] {
        switch self {
        case .image(let manifest): [manifest.config] + manifest.layers
        case .index(let index): index.manifests
        }
    }

    /// The manifest that this one is a referrer of.
    package var subject: Descriptor? {
        switch self {
        case .image(let manifest): manifest.subject
        case .index(let index): index.subject
        }
    }
}

/// The kinds of documents that a tag can name.
package enum ManifestMediaType: String, Hashable, Sendable, CaseIterable {
    case dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
    case dockerManifestList = "application/vnd.docker.distribution.manifest.list.v2+json"
    case ociManifest = "application/vnd.oci.image.manifest.v1+json"
    case ociIndex = "application/vnd.oci.image.index.v1+json"

    /// Whether it lists manifests.
    package var isIndex: Bool { self == .dockerManifestList || self == .ociIndex }
}

/// A pointer to content: what it is, which bytes, how many.
/// - Source: OCI image specification 1.1, "Content Descriptors".
package struct Descriptor: Hashable, Sendable {
    /// What the content is; empty where the document does not say.
    package let mediaType: String
    /// The content.
    package let digest: Digest
    /// Its size.
    package let bytes: Int
    /// For which machines it is; in an index only.
    package let platform: Platform?
    /// Whether its bytes are to be had from other places, so that no registry need have them.
    ///
    /// True of Docker's foreign and OCI's non-distributable layers that name URLs.
    package let isForeign: Bool

    /// The kind of machine that an image is for.
    package struct Platform: Hashable, Sendable {
        /// `amd64`.
        package let architecture: String
        /// `linux`.
        package let system: String
        /// `v7`; empty where there is none.
        package let variant: String
    }
}
