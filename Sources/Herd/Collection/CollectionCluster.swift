// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import HTTPKit
import NIOCore
import Primitives
import Telemetry

/// Whom a collection asks: every origin and every build-index of a cluster.
struct CollectionCluster: Sendable {
    /// The origins' part of collections.
    let origins: [CollectionClient]
    /// The build-indexes.
    let buildIndexes: [BuildIndexClient]
    /// Uploads that proxies have under way; their bytes are none of the origins' yet.
    let uploadCount: Int
    private let http: HTTPClient

    /// How long a component may take to say what it is.
    private static let answerTimeout = Duration.seconds(10)

    /// The cluster of which the components at `urls` are all; what is no part of collections is passed over.
    /// - Throws: ``Failure`` when one does not answer, or origins or build-indexes are missing.
    init(_ urls: [String], http: HTTPClient) async throws {
        var origins: [CollectionClient] = []
        var buildIndexes: [BuildIndexClient] = []
        var uploadCount = 0
        var ringCount = 0
        for url in urls {
            let snapshot: ComponentSnapshot?
            do {
                snapshot = try await ComponentStatus.ask(url, http, within: Self.answerTimeout)
            } catch {
                throw Self.failure("\(url) does not answer: \(error)")
            }
            guard let snapshot else {
                throw Self.failure("\(url) has no /status; Kraken's has none")
            }
            let address = RunningHerd.address(url)
            switch snapshot.kind {
            case .origin:
                origins.append(CollectionClient(address: address, http: http))
                ringCount = max(ringCount, snapshot.ring?.members.count ?? 1)
            case .buildIndex:
                buildIndexes.append(BuildIndexClient(address: address, http: http))
            case .proxy: uploadCount += snapshot.counters["upload_sessions"] ?? 0
            default: break
            }
        }
        guard !origins.isEmpty, !buildIndexes.isEmpty else {
            throw Self.failure(
                "there is no \(origins.isEmpty ? "origin" : "build-index") among them"
            )
        }
        guard origins.count == ringCount else {
            throw Self.failure("the ring has \(ringCount) origins, and \(origins.count) are named")
        }
        (self.origins, self.buildIndexes, self.http) = (origins, buildIndexes, http)
        self.uploadCount = uploadCount
    }

    private static func failure(_ why: String) -> Failure {
        Failure(
            "cannot collect garbage; nothing was removed",
            why: why,
            remedy: "name all origins and build-indexes of the cluster, and see that they run"
        )
    }

    // MARK: - Reading

    /// The bytes of the manifest `digest`, without anybody relying on it; nil when no origin and no backend has it.
    func manifest(_ digest: Digest, _ namespace: Namespace, limits: Limits) async throws -> [UInt8]?
    {
        let first = OriginClient(address: origins[0].address, http: http)
        let owners = try await first.locations(of: digest)
        let others = origins.map(\.address).filter { !owners.contains($0) }
        let policy = PollPolicy()
        var generator = SystemRandomNumberGenerator()
        var jitter = Generator(seed: generator.next())
        let end = ContinuousClock.now + Self.fetchTimeout
        for attempt in 0... {
            var isPending = false
            for address in owners + others {
                do {
                    let origin = OriginClient(address: address, http: http)
                    let body = try await origin.download(
                        digest,
                        namespace: namespace,
                        isCollection: true
                    )
                    // What is longer is no manifest.
                    guard body.count ?? 0 <= limits.manifestBytesMax else { return [] }
                    let bytes = try await body.collect(upTo: limits.manifestBytesMax)
                    return Array(bytes.readableBytesView)
                } catch let error as ClusterError where error.code == .accepted {
                    isPending = true
                    break
                } catch let error as ClusterError where error.code == .notFound {
                    continue
                }
            }
            guard isPending else { return nil }
            guard ContinuousClock.now < end else {
                throw Failure("cannot read \(digest)", why: "no origin has fetched it in time")
            }
            // Origins don't tell when they have fetched something; they are asked again.
            try await Task.sleep(for: policy.wait(before: attempt, from: &jitter))
        }
        return nil
    }

    /// How long an origin may take to fetch a manifest from its backend.
    private static let fetchTimeout = Duration.minutes(2)

    /// All names `repository:tag` that some build-index has, reserved ones included.
    func names() async throws -> Set<String> {
        var names: Set<String> = []
        for buildIndex in buildIndexes {
            var offset: String?
            repeat {
                let page = try await buildIndex.list(limit: Self.pageLength, offset: offset)
                names.formUnion(page.names)
                // A page that leads to itself would never end.
                guard page.nextOffset != offset else { break }
                offset = page.nextOffset
            } while offset != nil
        }
        return names
    }

    private static let pageLength = 10_000

    /// What any of the build-indexes says that `tag` names.
    func digests(of tag: QualifiedTag) async throws -> Set<Digest> {
        var digests: Set<Digest> = []
        for buildIndex in buildIndexes {
            if let digest = try await buildIndex.digest(of: tag) { digests.insert(digest) }
        }
        return digests
    }

    /// Removes the tag `tag` wherever it is known.
    func delete(_ tag: QualifiedTag) async throws {
        for buildIndex in buildIndexes {
            do { try await buildIndex.delete(tag) } catch let error as ClusterError
                where error.code == .notFound
            {
                // A neighbour has told it.
            }
        }
    }
}
