// SPDX-License-Identifier: Apache-2.0

package import ClusterConfiguration
package import Content
import Synchronization

/// A registry of the OCI's kind that images are written to.
package struct RegistryDestination: Sendable {
    let source: RegistrySource
    let places = BlobPlaces()
    let unfinished = UnfinishedUploads()
    private let remote: RegistryRemote

    /// The registry of `remote`. Connects to nothing yet.
    package init(
        _ remote: RegistryRemote,
        context: BackendContext
    ) throws(ConfigurationError) {
        self.remote = remote
        source = RegistrySource(try Self.settings(remote), context: context, isWriting: true)
    }

    /// Whether files outside of the configuration say how it is asked.
    package var hasFiles: Bool { source.settings.trust != nil }

    /// Reads the settings of every registry among `remotes`, to find what is wrong before anything starts.
    package static func check(_ remotes: [TagRemote]) throws(ConfigurationError) {
        for case let registry? in remotes.map(\.registry) { _ = try settings(registry) }
    }

    private static func settings(
        _ remote: RegistryRemote
    ) throws(ConfigurationError) -> RegistrySettings {
        var table = try remote.settings.table()
        let settings = try RegistrySettings(&table)
        try table.finish()
        guard !settings.address.contains("@"), !settings.address.contains("/") else {
            throw remote.settings.defect(
                "the address is none of a registry",
                remedy: "write host:port, a user and password under security.basic"
            )
        }
        return settings
    }

    /// What the repository that is called `name` here is there; nil when it is not to be there.
    package func repository(_ name: RepositoryName) -> RegistryRepository? {
        guard let plain = source.repository(name.name),
            let there = remote.repository(for: plain.name)
        else { return nil }
        return RegistryRepository(name: there, destination: self)
    }
}

/// In which repositories of a registry blobs have been seen, as far as that is remembered: it can take them over from there.
final class BlobPlaces: Sendable {
    private let repositories = Mutex<[ContentDigest: RepositoryName]>([:])

    /// Blobs that are remembered, some 200 B each; with more it begins anew.
    private static let blobsMax = 8192

    /// Where `blob` is, in another repository than `repository`.
    func place(of blob: ContentDigest, besides repository: RepositoryName) -> RepositoryName? {
        let place = repositories.withLock { $0[blob] }
        return place == repository ? nil : place
    }

    /// Notes that `blob` is in `repository`.
    func note(_ blob: ContentDigest, in repository: RepositoryName) {
        repositories.withLock { repositories in
            if repositories.count >= Self.blobsMax { repositories.removeAll() }
            repositories[blob] = repository
        }
    }

    /// Notes that `blob` could not be had from where it was.
    func forget(_ blob: ContentDigest) { repositories.withLock { $0[blob] = nil } }
}

/// Where uploads that broke off go on, as far as that is remembered: the registry may have a part of them.
final class UnfinishedUploads: Sendable {
    private struct Key: Hashable {
        let blob: ContentDigest
        let repository: RepositoryName
    }
    private let urls = Mutex<[Key: String]>([:])

    /// Uploads that are remembered, some 500 B each; with more it begins anew.
    private static let uploadsMax = 1024

    /// The URL of what has been begun of `blob` in `repository`, not to be given again; nil when nothing has.
    func take(_ blob: ContentDigest, in repository: RepositoryName) -> String? {
        urls.withLock { $0.removeValue(forKey: Key(blob: blob, repository: repository)) }
    }

    /// Notes that an upload of `blob` to `repository` goes on at `url`.
    func note(_ blob: ContentDigest, in repository: RepositoryName, at url: String) {
        urls.withLock { urls in
            if urls.count >= Self.uploadsMax { urls.removeAll() }
            urls[Key(blob: blob, repository: repository)] = url
        }
    }
}
