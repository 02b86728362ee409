// SPDX-License-Identifier: Apache-2.0

package import Content
package import HTTPTypes

/// Whom a registry asks, before it does anything, whether a request may pass.
package protocol RegistryGate: Sendable {
    /// What the sender of `request` may see, if the sender may do what it asks.
    /// - Parameter headers: those of the request, with what proves who sends it.
    /// - Throws: ``RegistryError``: 401 with a challenge, 403, or 429 and 503 when it can't be told at the moment.
    func admit(
        _ request: RegistryRequest,
        _ headers: HTTPFields
    ) async throws(RegistryError) -> RegistryPass
}

/// What the sender of an admitted request may see besides what it asks for.
package struct RegistryPass: Sendable {
    /// Whether a repository may be read; nil: every one may.
    let isVisible: (@Sendable (RepositoryName) -> Bool)?

    /// Sees the repositories that `isVisible` says.
    package init(isVisible: @escaping @Sendable (RepositoryName) -> Bool) {
        self.isVisible = isVisible
    }

    private init() { isVisible = nil }

    /// Sees everything.
    package static let all = RegistryPass()

    /// Whether the repository `name` may be read.
    func sees(_ name: RepositoryName) -> Bool { isVisible?(name) ?? true }
}

extension RegistryRequest {
    /// The request without what `pass` doesn't let be seen: a mount from there becomes an upload.
    func seen(with pass: RegistryPass) -> RegistryRequest {
        guard case .startUpload(let name, .mount(_, from: let source?)) = self, !pass.sees(source)
        else { return self }
        return .startUpload(name, .session())
    }
}

extension TagSource {
    /// The page of the repositories that `pass` lets be seen; no other name shows, not even in a link to the next page.
    func repositories(page: PageRequest, _ pass: RegistryPass) async throws -> NamePage {
        guard pass.isVisible != nil else { return try await repositories(page: page) }
        let all = try await repositories(page: PageRequest(after: page.after))
        let seen = all.names.filter { name in
            // What can't be a repository's name belongs to nobody.
            (try? RepositoryName(name)).map(pass.sees) ?? false
        }
        return NamePage(of: seen, page: page)
    }
}
