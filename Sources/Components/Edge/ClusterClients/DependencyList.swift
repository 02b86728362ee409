// SPDX-License-Identifier: Apache-2.0

package import Content

/// What a manifest refers to, as the headers ``HTTPField/Name/dependencies`` and ``HTTPField/Name/references`` say it: digests
/// with commas between them.
package enum DependencyList {
    /// The most digests in a header, which all servers on the way have to take: 9 KiB. An image has 127 layers at most.
    private static let countMax = 128

    /// The header for `digests`; nil when they are too many for one.
    static func header(_ digests: [Digest]) -> String? {
        guard digests.count <= countMax else { return nil }
        return digests.map(\.description).joined(separator: ",")
    }

    /// What `header` says; nil when it is no such list.
    package static func parse(_ header: String) -> [Digest]? {
        var digests: [Digest] = []
        for part in header.split(separator: ",") {
            // A list with something else in it is no list of digests, so that what it says has to be looked for.
            guard let digest = try? Digest(parsing: String(part)) else { return nil }
            digests.append(digest)
        }
        return digests
    }
}

/// What an origin answers to a manifest that came with ``HTTPField/Name/references``.
package enum ManifestReferences: String, Sendable {
    /// It has all of them, and the manifest.
    case present
    /// It has not all of them, and has not stored the manifest.
    case missing

    /// The status of an answer that says ``missing``: 424.
    package static let missingStatus = 424
}
