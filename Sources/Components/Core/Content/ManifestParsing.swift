// SPDX-License-Identifier: Apache-2.0

package import Primitives

extension ManifestDocument {
    /// Reads a manifest or an index.
    ///
    /// The kind is what `mediaType` says; without it, a document that lists manifests is an OCI index, any other an OCI
    /// manifest. Of a kind that is not known, what it points at is read where it is found. A document that is an image and
    /// an index is refused, because two clients could read two images in it (CVE-2021-41190).
    /// - Parameter aliases: what is known of the SHA-512s in it; nil refuses them.
    /// - Throws: `.tooLarge` beyond `limits.manifestBytesMax`, `.invalidJSON`, `.invalidManifest`.
    /// - Source: uber/kraken utils/dockerutil/dockerutil.go for the kinds.
    package init(
        parsing bytes: some Collection<UInt8>,
        limits: Limits = Limits(),
        aliases: [SHA512Digest: Digest]? = nil
    ) throws(ContentError) {
        guard bytes.count <= limits.manifestBytesMax else {
            let why = "\(bytes.count) bytes; at most \(limits.manifestBytesMax) are read"
            throw ContentError(.tooLarge, what: "manifest", why: why)
        }
        let document = try JSON(parsing: bytes, depthMax: limits.jsonDepthMax)
        guard document.members != nil else { throw .manifest("not a JSON object") }
        let mediaType = try Self.mediaType(of: document)
        let isKnown = mediaType.isIndex || mediaType.isImage
        guard document["schemaVersion"].map({ $0.integer == 2 }) ?? !isKnown else {
            throw .manifest("schemaVersion is not 2; push the image with a newer client")
        }
        if mediaType.isIndex {
            self = .index(try ImageIndex(document, mediaType, aliases))
        } else if mediaType.isImage {
            self = .image(try Manifest(document, mediaType, aliases))
        } else if document.hasValue("manifests") {
            self = .index(try ImageIndex(document, mediaType, aliases))
        } else {
            self = .foreign(try ForeignManifest(document, mediaType, aliases))
        }
    }

    private static func mediaType(of document: JSON) throws(ContentError) -> ManifestMediaType {
        let listsManifests = document.hasValue("manifests")
        let hasImage = document.hasValue("config") || document.hasValue("layers")
        let isOnlyIndex = document["manifests"]?.array != nil && !hasImage
        var mediaType: ManifestMediaType = listsManifests || isOnlyIndex ? .ociIndex : .ociManifest
        if let field = document["mediaType"], field != .null, field != .string("") {
            let named = ManifestMediaType(rawValue: field.string ?? "")
            guard named.isStorable else {
                throw .manifest("its mediaType is none that a manifest can have")
            }
            mediaType = named
        }
        let isBoth = hasImage && listsManifests
        guard !(mediaType.isIndex ? hasImage : mediaType.isImage ? listsManifests : isBoth) else {
            throw .manifest("it is an image and an index at once")
        }
        return mediaType
    }
}

extension ManifestDocument {
    /// The SHA-512s by which it names what it points at and that were not known when it was read.
    package var unknownNames: [SHA512Digest] {
        references.compactMap { descriptor in
            guard case .sha512(let name) = descriptor.name, descriptor.digest == name.standIn else {
                return nil
            }
            return name
        }
    }
}

/// What SHA-512s stand for, as far as is known; nil where they are not supported.
private typealias Aliases = [SHA512Digest: Digest]?

extension Manifest {
    fileprivate init(
        _ document: JSON,
        _ mediaType: ManifestMediaType,
        _ aliases: Aliases
    ) throws(ContentError) {
        guard let config = document["config"] else { throw .manifest("no config") }
        self.init(
            mediaType: mediaType,
            config: try Descriptor(config, at: "config", aliases),
            layers: try Descriptor.list(in: document, under: "layers", aliases),
            subject: try Descriptor.subject(of: document, aliases)
        )
    }
}

extension ImageIndex {
    fileprivate init(
        _ document: JSON,
        _ mediaType: ManifestMediaType,
        _ aliases: Aliases
    ) throws(ContentError) {
        self.init(
            mediaType: mediaType,
            manifests: try Descriptor.list(in: document, under: "manifests", aliases),
            subject: try Descriptor.subject(of: document, aliases)
        )
    }
}

extension ForeignManifest {
    fileprivate init(
        _ document: JSON,
        _ mediaType: ManifestMediaType,
        _ aliases: Aliases
    ) throws(ContentError) {
        var blobs: [Descriptor] = []
        if let config = document["config"], config != .null {
            blobs.append(try Descriptor(config, at: "config", aliases))
        }
        for key in ["layers", "blobs"] where document.hasValue(key) {
            blobs += try Descriptor.list(in: document, under: key, aliases)
        }
        self.init(
            mediaType: mediaType,
            blobs: blobs,
            subject: try Descriptor.subject(of: document, aliases)
        )
    }
}

extension Descriptor {
    fileprivate init(
        _ document: JSON,
        at place: String,
        _ aliases: Aliases
    ) throws(ContentError) {
        guard document.members != nil else { throw .manifest("\(place) is not an object") }
        guard let text = document["digest"]?.string else {
            throw .manifest("\(place) has no digest")
        }
        // its error lacks the place, which tells more
        guard let name = try? ContentDigest(parsing: text) else {
            throw .manifest(
                "\(place).digest is neither sha256: and 64 nor sha512: and 128 hex digits"
            )
        }
        let digest: Digest
        switch name {
        case .sha256(let stored): digest = stored
        case .sha512(let long):
            guard let aliases else {
                throw .manifest("\(place).digest is an sha512, which is not supported here")
            }
            digest = aliases[long] ?? long.standIn
        }
        guard let bytes = document["size"]?.integer, bytes >= 0 else {
            throw .manifest("\(place).size is not a number of bytes")
        }
        let mediaType = document["mediaType"]?.string ?? ""
        let isRestricted = mediaType.contains(".foreign.") || mediaType.contains("nondistributable")
        self.init(
            mediaType: mediaType,
            digest: digest,
            name: name,
            bytes: bytes,
            platform: document["platform"].flatMap { Platform($0) },
            isForeign: isRestricted && document["urls"]?.array?.isEmpty == false
        )
    }

    /// The descriptors under `key`, which must be there.
    fileprivate static func list(
        in document: JSON,
        under key: String,
        _ aliases: Aliases
    ) throws(ContentError) -> [Descriptor] {
        // Go writes an empty list that was never made as null.
        if document[key] == .null { return [] }
        guard let elements = document[key]?.array else { throw .manifest("no \(key)") }
        var descriptors: [Descriptor] = []
        descriptors.reserveCapacity(elements.count)
        for (index, element) in elements.enumerated() {
            descriptors.append(try Descriptor(element, at: "\(key)[\(index)]", aliases))
        }
        return descriptors
    }

    /// The subject, by the name that the document has for it: referrers are listed by that.
    fileprivate static func subject(
        of document: JSON,
        _ aliases: Aliases
    ) throws(ContentError) -> Descriptor? {
        guard let subject = document["subject"], subject != .null else { return nil }
        return try Descriptor(subject, at: "subject", aliases == nil ? nil : [:])
    }
}

extension Descriptor.Platform {
    fileprivate init?(_ document: JSON) {
        guard document.members != nil else { return nil }
        architecture = document["architecture"]?.string ?? ""
        system = document["os"]?.string ?? ""
        variant = document["variant"]?.string ?? ""
    }
}

extension JSON {
    /// Whether there is something other than null and the empty list under `key`.
    fileprivate func hasValue(_ key: String) -> Bool {
        guard let value = self[key] else { return false }
        return value != .null && value != .array([])
    }
}

extension ContentError {
    fileprivate static func manifest(_ why: String) -> ContentError {
        ContentError(.invalidManifest, what: "manifest", why: why)
    }
}
