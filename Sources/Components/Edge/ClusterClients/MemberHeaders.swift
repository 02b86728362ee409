// SPDX-License-Identifier: Apache-2.0

package import HTTPTypes

/// The headers that only members of a cluster send each other.
extension HTTPField.Name {
    /// Through which clusters a tag came that another cluster's build-index puts.
    package static let replicationPath = Self.known("Herd-Replication-Path")
    /// In the answer to a put: whether what the tag names was deleted from the repository.
    package static let isDeleted = Self.known("Herd-Deleted")
    /// With a manifest, what it refers to: it is stored only where all of that is. In the answer ``ManifestReferences``.
    package static let references = Self.known("Herd-References")
    /// What a tag's manifest refers to, all of which the sender has just seen at the origins.
    package static let dependencies = Self.known("Herd-Dependencies")

    /// The owners of a blob, `host:port`, separated by commas.
    package static let originLocations = Self.known("Origin-Locations")
    /// `all` when they own every other blob, too; Herd's own.
    package static let originOwners = Self.known("Herd-Origin-Owners")

    private static func known(_ name: String) -> Self {
        guard let name = HTTPField.Name(name) else {
            preconditionFailure("\(name) is a valid header name")
        }
        return name
    }
}
