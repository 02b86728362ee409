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

/// A manifest of another kind than images and indexes: what it is, only its maker knows.
package struct ForeignManifest: Hashable, Sendable {
    /// What it says that it is.
    package let mediaType: ManifestMediaType
    /// What it points at under the names that manifests of all known kinds have: `config`, `layers`, `blobs`.
    package let blobs: [Descriptor]
    /// The manifest that this one is a referrer of.
    package let subject: Descriptor?
}

/// A document that a tag can name: an image, an index or something else.
///
/// Only what Herd needs is read; the bytes are never written anew, since their digest is their name.
package enum ManifestDocument: Hashable, Sendable {
    case image(Manifest)
    case index(ImageIndex)
    case foreign(ForeignManifest)

    /// What kind of document it is.
    package var mediaType: ManifestMediaType {
        switch self {
        case .image(let manifest): manifest.mediaType
        case .index(let index): index.mediaType
        case .foreign(let manifest): manifest.mediaType
        }
    }

    /// What it points at, in order: of an image the configuration and the layers, of an index the manifests, of others
    /// what they call blobs.
    ///
    /// The subject is none of them: it may be pushed later, or never.
    package var references: [Descriptor] {
        switch self {
        case .image(let manifest): [manifest.config] + manifest.layers
        case .index(let index): index.manifests
        case .foreign(let manifest): manifest.blobs
        }
    }

    /// Whether it is one that points at manifests.
    package var isIndex: Bool { if case .index = self { true } else { false } }

    /// The manifest that this one is a referrer of.
    package var subject: Descriptor? {
        switch self {
        case .image(let manifest): manifest.subject
        case .index(let index): index.subject
        case .foreign(let manifest): manifest.subject
        }
    }
}

/// What kind of document a manifest is.
package struct ManifestMediaType: RawRepresentable, Hashable, Sendable, CaseIterable {
    /// The media type.
    package let rawValue: String

    /// The kind called `rawValue`.
    package init(rawValue: String) { self.rawValue = rawValue }

    /// An image of Docker's.
    package static let dockerManifest = Self(
        rawValue: "application/vnd.docker.distribution.manifest.v2+json"
    )
    /// A list of Docker's images.
    package static let dockerManifestList = Self(
        rawValue: "application/vnd.docker.distribution.manifest.list.v2+json"
    )
    /// An OCI image, or another artifact.
    package static let ociManifest = Self(rawValue: "application/vnd.oci.image.manifest.v1+json")
    /// A list of OCI manifests.
    package static let ociIndex = Self(rawValue: "application/vnd.oci.image.index.v1+json")

    /// The kinds whose form is known.
    package static let allCases = [dockerManifest, dockerManifestList, ociManifest, ociIndex]

    /// Whether it is known to list manifests.
    package var isIndex: Bool { self == .dockerManifestList || self == .ociIndex }
    /// Whether it is known to be an image.
    package var isImage: Bool { self == .dockerManifest || self == .ociManifest }

    /// Whether it is a media type at all, of JSON that is made for some purpose: `application/<name>+json`.
    ///
    /// Version 1 of Docker's manifests is none: its bytes are not what its digest names.
    var isStorable: Bool {
        let name = rawValue.split(separator: "/", omittingEmptySubsequences: false)
        return rawValue.utf8.count <= 255 && name.count == 2 && name.allSatisfy { !$0.isEmpty }
            && rawValue.utf8.allSatisfy { (0x21...0x7e).contains($0) && $0 != UInt8(ascii: ";") }
            && name[1].hasSuffix("+json")
            && !name[1].hasPrefix("vnd.docker.distribution.manifest.v1")
    }
}

/// A pointer to content: what it is, which bytes, how many.
/// - Source: OCI image specification 1.1, "Content Descriptors".
package struct Descriptor: Hashable, Sendable {
    /// What the content is; empty where the document does not say.
    package let mediaType: String
    /// The content, by its SHA-256.
    ///
    /// Where the document names it by an SHA-512 that stands for nothing known, ``SHA512Digest/standIn``, under which
    /// nothing is found.
    package let digest: Digest
    /// The content, as the document names it.
    package let name: ContentDigest
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
