// SPDX-License-Identifier: Apache-2.0

/// The referrers of a manifest as clients keep them under the referrers tag, where a registry keeps no account of them itself.
///
/// What it says besides the descriptors stays as it was.
/// - Source: OCI distribution specification 1.1, "Referrers Tag Schema".
package struct ReferrersIndex: Hashable, Sendable {
    /// Everything but the descriptors.
    private let members: [JSON.Member]
    /// The referrers' descriptors.
    package private(set) var descriptors: [JSON]

    private static let listKey = "manifests"

    /// One that lists nothing.
    package init() {
        members = [
            .init("schemaVersion", .integer(2)),
            .init("mediaType", .string(ManifestMediaType.ociIndex.rawValue)),
        ]
        descriptors = []
    }

    /// The index `bytes`; nil when it is none.
    package init?(parsing bytes: [UInt8]) {
        // What else it may be does not matter.
        guard let document = try? JSON(parsing: bytes), let members = document.members,
            let descriptors = document[Self.listKey]?.array,
            ManifestMediaType.ociIndex.rawValue == document["mediaType"]?.string
                ?? ManifestMediaType.ociIndex.rawValue
        else { return nil }
        self.members = members.filter { $0.key != Self.listKey }
        self.descriptors = descriptors
    }

    /// Those of `known` that are not listed.
    package func missing(of known: [JSON]) -> [JSON] {
        let listed = Set(descriptors.compactMap { $0["digest"]?.string })
        return known.filter { !listed.contains($0["digest"]?.string ?? "") }
    }

    /// Lists `more`, too.
    package mutating func add(_ more: [JSON]) { descriptors += more }

    /// Lists `digest` no more; false when it was not listed.
    package mutating func remove(_ digest: Digest) -> Bool {
        let count = descriptors.count
        descriptors.removeAll { $0["digest"]?.string == digest.description }
        return descriptors.count < count
    }

    /// The document.
    package var bytes: [UInt8] {
        JSON.object(members + [.init(Self.listKey, .array(descriptors))]).utf8
    }
}
