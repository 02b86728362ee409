// SPDX-License-Identifier: Apache-2.0

import Content
import HTTPKit
import HTTPTypes
import NIOCore
import Primitives

/// A registry, or a repository in it, as the command line names it.
struct RegistryPlace: Hashable, Sendable {
    /// The beginning of the registry's URLs.
    let registry: String
    /// The repository; nil: the whole registry.
    let repository: RepositoryName?

    /// Reads `HOST:PORT` or `HOST:PORT/REPOSITORY`.
    /// - Throws: ``Failure``.
    init(_ text: String, plainHTTP: Bool) throws(Failure) {
        let bare = text.hasSuffix("/") ? String(text.dropLast()) : text
        let afterScheme = bare.firstRange(of: "://")?.upperBound ?? bare.startIndex
        let isRegistry = !bare[afterScheme...].contains("/")
        // A reference's rules for hosts and schemes hold; the repository of a whole registry is not looked at.
        let reference = try ImageReference(isRegistry ? "\(bare)/x" : bare, plainHTTP: plainHTTP)
        guard reference.digest == nil, isRegistry || reference.tag?.name == "latest" else {
            throw Failure(
                "cannot list \(text)",
                why: "it is an image",
                remedy: "leave the tag out, or ask for the image with: herd inspect \(text)"
            )
        }
        (registry, repository) = (reference.registry, isRegistry ? nil : reference.repository)
    }
}

/// The lists of a registry, all pages of them.
/// - Source: OCI distribution specification 1.1, "Listing Tags"; Docker registry API, "Catalog".
struct RegistryCatalog: Sendable {
    let registry: String
    let client: HTTPClient

    /// Names asked for at a time.
    private static let pageLength = 1000
    /// Pages read of one list; a registry that has more leads in circles.
    private static let pagesMax = 100_000

    /// All repositories.
    func repositories() async throws -> [String] {
        try await names("_catalog", "repositories", "list the repositories")
    }

    /// All tags of `repository`.
    func tags(of repository: RepositoryName) async throws -> [String] {
        try await names("\(repository)/tags/list", "tags", "list the tags of \(repository)")
    }

    private func names(_ path: String, _ key: String, _ what: String) async throws -> [String] {
        var names: [String] = []
        var next: String? = "/v2/\(path)?n=\(Self.pageLength)"
        for _ in 0..<Self.pagesMax {
            guard let page = next else { return names }
            let url = page.contains("://") ? page : registry + page
            do {
                let answer = try await client.collect(
                    ClientRequest(.get, url),
                    upTo: Limits().metaInfoBytesMax
                )
                let json = try JSON(parsing: answer.body.readableBytesView)
                names += (json[key]?.array ?? []).compactMap(\.string)
                next = answer.response.headers[.linkHeader].flatMap(Self.next)
            } catch let error as HTTPClientError {
                throw RegistryFailure(what: what, registry: registry, cause: error)
            } catch let error as ContentError {
                throw Failure("cannot \(what) at \(registry)", why: error.description)
            }
        }
        throw Failure("cannot \(what) at \(registry)", why: "its pages don't end")
    }

    /// The target of `<…>; rel="next"`.
    private static func next(_ link: String) -> String? {
        guard link.contains("rel=\"next\""), let start = link.firstIndex(of: "<"),
            let end = link.firstIndex(of: ">"), start < end
        else { return nil }
        return String(link[link.index(after: start)..<end])
    }
}

extension HTTPField.Name {
    fileprivate static let linkHeader: HTTPField.Name = {
        guard let name = HTTPField.Name("Link") else { preconditionFailure("Link is a name") }
        return name
    }()
}
