// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import ClusterConfiguration
import Content
import HTTPKit
import Logging
import Primitives
import Telemetry

/// Has origins fetch what an image consists of from their backends before anybody asks for it.
///
/// What is fetched ahead moves from backends to origins only: no byte of it passes the proxy.
/// - Source: uber/kraken proxy/proxyserver. Where ours differs: indexes are followed to their leaves, repositories may have
///   any number of parts, blobs are asked for in the repository's namespace, and v1 does not haul every blob through the proxy.
struct Prefetcher: Sendable {
    let origins: OriginCluster
    let buildIndexes: BuildIndexCluster
    let configuration: ProxyConfiguration
    let environment: ComponentEnvironment
    let manifests: ManifestReader

    /// Blobs asked for at a time, for one image.
    private static let requestsMax = 8
    /// Blobs of one image, at most.
    private static let blobsMax = 100_000
    /// Levels of indexes that are followed.
    private static let depthMax = 8
    /// How often a manifest that is not there yet is looked for, with the pauses between: a notification may come before the
    /// manifest is with all origins.
    private static let pauses: [Duration] = [
        .milliseconds(100), .milliseconds(200), .milliseconds(400),
    ]

    init(
        origins: OriginCluster,
        buildIndexes: BuildIndexCluster,
        configuration: ProxyConfiguration,
        environment: ComponentEnvironment
    ) {
        (self.origins, self.buildIndexes) = (origins, buildIndexes)
        (self.configuration, self.environment) = (configuration, environment)
        manifests = ManifestReader(origins: origins, limits: configuration.limits)
    }

    /// What an image consists of.
    struct Image: Sendable {
        let repository: RepositoryName
        /// The manifests, then what they refer to; sizes where a descriptor tells them.
        var blobs: [(digest: Digest, bytes: Int?)] = []
    }

    /// Everything that the manifest or index `digest` consists of, down to the leaves.
    /// - Throws: `ClusterError`; ``PrefetchFailure`` when one of its manifests is missing or can't be read.
    func image(_ digest: Digest, in repository: RepositoryName) async throws -> Image {
        var image = Image(repository: repository)
        var seen: Set<Digest> = [digest]
        image.blobs.append((digest, nil))
        var level = [digest]
        for _ in 0..<Self.depthMax where !level.isEmpty {
            var next: [Digest] = []
            for manifest in level {
                let document = try await document(manifest, repository)
                for reference in document.references where !reference.isForeign {
                    guard seen.insert(reference.digest).inserted else { continue }
                    image.blobs.append((reference.digest, reference.bytes))
                    if case .index = document { next.append(reference.digest) }
                }
                guard seen.count <= Self.blobsMax else {
                    throw PrefetchFailure(why: "it has more than \(Self.blobsMax) blobs")
                }
            }
            level = next
        }
        return image
    }

    private func document(
        _ digest: Digest,
        _ repository: RepositoryName
    ) async throws -> ManifestDocument {
        let namespace = Namespace(repository)
        for attempt in 0...Self.pauses.count {
            if let bytes = try await manifests.manifest(digest, namespace: namespace) {
                do {
                    return try await ManifestDocument.reading(
                        bytes,
                        limits: configuration.limits
                    ) { alias in
                        let tag = ReservedTag.alias(alias).tag
                        return try await buildIndexes.digest(
                            of: QualifiedTag(repository: repository, tag: tag)
                        )
                    }
                } catch let error as ContentError {
                    throw PrefetchFailure(why: "\(digest) can't be read: \(error)")
                }
            }
            // Nobody tells when origins have got it.
            if attempt < Self.pauses.count { try await Task.sleep(for: Self.pauses[attempt]) }
        }
        throw PrefetchFailure(why: "no origin has the manifest \(digest)")
    }

    /// Has an owner of each blob of `image` fetch it, unless it is smaller or larger than is configured; returns when all have
    /// begun to.
    /// - Throws: the first failure, once all were asked.
    func prefetch(_ image: Image) async throws {
        let namespace = Namespace(image.repository)
        let failure = await withTaskGroup(of: (any Error)?.self) { group in
            var failure: (any Error)?
            for (index, blob) in image.blobs.enumerated() {
                if index >= Self.requestsMax, let result = await group.next() {
                    failure = failure ?? result
                }
                if let bytes = blob.bytes, !isWanted(bytes) {
                    environment.counters.counter("prefetch_blobs_skipped").add()
                    continue
                }
                group.addTask { await begin(blob.digest, namespace) }
            }
            for await result in group { failure = failure ?? result }
            return failure
        }
        if let failure { throw failure }
    }

    private func isWanted(_ bytes: Int) -> Bool {
        bytes >= configuration.prefetchBytesMin.bytes
            && bytes <= configuration.prefetchBytesMax.bytes
    }

    private func begin(_ digest: Digest, _ namespace: Namespace) async -> (any Error)? {
        do {
            let outcome = try await origins.prefetch(digest, namespace: namespace)
            let name = outcome == .held ? "prefetch_blobs_held" : "prefetch_blobs_started"
            environment.counters.counter(name).add()
            return nil
        } catch {
            environment.counters.counter("prefetch_blobs_failed").add()
            return error
        }
    }

    /// Works on `job` beside requests; what fails is logged.
    func work(on job: PrefetchJob) async {
        do {
            let image: Image
            switch job {
            case .manifest(let digest, let repository):
                image = try await self.image(digest, in: repository)
            case .image(let known): image = known
            }
            try await prefetch(image)
        } catch {
            environment.log.warning(
                "could not prefetch an image",
                metadata: ["image": "\(job)", LogKey.error: "\(error)"]
            )
        }
    }
}

/// What is to be fetched ahead beside requests.
enum PrefetchJob: Sendable, CustomStringConvertible {
    /// A manifest that was pushed, with what it refers to.
    case manifest(Digest, RepositoryName)
    /// An image that is known already.
    case image(Prefetcher.Image)

    var description: String {
        switch self {
        case .manifest(let digest, let repository): "\(repository)@\(digest)"
        case .image(let image):
            "\(image.repository)\(image.blobs.first.map { "@\($0.digest)" } ?? "")"
        }
    }
}

/// Why an image is not fetched ahead.
struct PrefetchFailure: Error, CustomStringConvertible {
    let why: String
    var description: String { why }
}

/// The jobs that wait, in order; when it is full, further ones are refused.
final class PrefetchQueue: Sendable {
    private let jobs: AsyncStream<PrefetchJob>
    private let submission: AsyncStream<PrefetchJob>.Continuation

    /// Jobs that wait, at most.
    static let waitingMax = 1024
    /// Jobs worked on at a time.
    private static let runningMax = 4

    init() {
        (jobs, submission) = AsyncStream.makeStream(
            bufferingPolicy: .bufferingOldest(Self.waitingMax)
        )
    }

    /// Takes `job`; false when there is no room.
    func add(_ job: PrefetchJob) -> Bool {
        if case .enqueued = submission.yield(job) { true } else { false }
    }

    /// Works until the task is cancelled.
    func run(_ prefetcher: Prefetcher) async {
        await withTaskGroup(of: Void.self) { group in
            var running = 0
            for await job in jobs {
                if running >= Self.runningMax { await group.next() } else { running += 1 }
                group.addTask { await prefetcher.work(on: job) }
            }
            group.cancelAll()
        }
    }
}
