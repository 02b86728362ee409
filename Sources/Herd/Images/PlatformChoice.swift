// SPDX-License-Identifier: Apache-2.0

import Content

/// Which image of a multi-platform one is meant.
struct PlatformChoice: Sendable {
    /// `linux/arm64`, `linux/arm/v7`.
    let wanted: String

    /// The platform called `name`; without one, that of this machine.
    init(_ name: String?) { wanted = name ?? "linux/\(Self.architecture)" }

    /// The image for that platform, where `document` is a list of them.
    /// - Throws: ``Failure`` when there is none.
    func image(
        of document: ImageDocument,
        _ registry: RegistryClient
    ) async throws -> ImageDocument {
        guard case .index(let index) = document.content else { return document }
        let match = index.manifests.first { child in
            guard let platform = child.platform else { return index.manifests.count == 1 }
            let name = "\(platform.system)/\(platform.architecture)"
            return name == wanted || "\(name)/\(platform.variant)" == wanted
        }
        guard let match else {
            throw Failure(
                "cannot choose an image of \(registry.reference)",
                why: "it has none for \(wanted)",
                remedy:
                    "name another --platform, or take all of them: to an OCI layout, without --platform"
            )
        }
        return try await registry.document(match.name.description)
    }

    #if arch(arm64)
    private static let architecture = "arm64"
    #else
    private static let architecture = "amd64"
    #endif
}
