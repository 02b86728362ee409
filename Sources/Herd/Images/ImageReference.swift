// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import HTTPKit

/// An image in a registry: `127.0.0.1:15000/demo/app:v1`, `registry.example/demo/app@sha256:…`.
struct ImageReference: Hashable, Sendable, CustomStringConvertible {
    /// The beginning of the registry's URLs: `https://registry.example`, `member://127.0.0.1:15000`.
    let registry: String
    /// The registry's host, and its port if it was named.
    var host: String { RunningHerd.address(registry) }
    /// The repository.
    let repository: RepositoryName
    /// The tag; `latest` where the reference has neither tag nor digest.
    let tag: Tag?
    /// The digest, where the reference has one; it wins over the tag.
    let digest: ContentDigest?

    /// Reads a reference, with or without `docker://`, `http://` or `https://` before it.
    ///
    /// Without a scheme, loopback addresses are spoken to as members of a cluster, in plain HTTP unless the client is
    /// secured, and all others over TLS, as container tools have it; `plainHTTP` chooses plain HTTP for all.
    /// - Throws: ``Failure``.
    init(_ text: String, plainHTTP: Bool = false) throws(Failure) {
        var rest = text[...]
        var scheme: String?
        for candidate in ["docker", "http", "https", "member"]
        where rest.hasPrefix("\(candidate)://") {
            rest = rest.dropFirst(candidate.count + 3)
            scheme = candidate == "docker" ? nil : candidate
            break
        }
        guard let slash = rest.firstIndex(of: "/") else {
            throw Self.invalid(text, "it has no repository")
        }
        let host = String(rest[..<slash])
        guard !host.isEmpty, host.contains(":") || host.contains(".") || host == "localhost" else {
            throw Self.invalid(text, "it does not begin with a registry's host and port")
        }
        // What is on this host is a herd that speaks TLS where the command was told so.
        let guess = plainHTTP ? "http" : Self.isLoopback(host) ? "member" : "https"
        registry = "\(scheme ?? guess)://\(host)"
        do {
            (repository, tag, digest) = try Self.name(rest[rest.index(after: slash)...])
        } catch {
            throw Self.invalid(text, error.description)
        }
    }

    private static func name(
        _ text: Substring
    ) throws(ContentError) -> (RepositoryName, Tag?, ContentDigest?) {
        var name = text
        var digest: ContentDigest?
        if let at = name.firstIndex(of: "@") {
            digest = try ContentDigest(parsing: name[name.index(after: at)...])
            name = name[..<at]
        }
        guard let colon = name.lastIndex(of: ":") else {
            return (
                try RepositoryName(String(name)), digest == nil ? try Tag("latest") : nil, digest
            )
        }
        let tag = try Tag(String(name[name.index(after: colon)...]))
        return (try RepositoryName(String(name[..<colon])), tag, digest)
    }

    private static func isLoopback(_ host: String) -> Bool {
        host.hasPrefix("127.") || host.hasPrefix("localhost") || host.hasPrefix("[::1]")
    }

    private static func invalid(_ text: String, _ why: String) -> Failure {
        Failure(
            "\(text) is no image reference",
            why: why,
            remedy: "write it like 127.0.0.1:15000/demo/app:v1"
        )
    }

    /// What the registry is asked for: the digest if there is one, else the tag.
    var name: String { digest?.description ?? tag?.name ?? "latest" }

    /// The reference as a whole, as the command line has it.
    var title: String { "\(registry.replacing(ClientRequest.memberScheme, with: ""))/\(self)" }

    var description: String { "\(repository)\(digest.map { "@\($0)" } ?? ":\(name)")" }
}
