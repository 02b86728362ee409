// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import ClusterConfiguration
import Content
import HTTPKit
import HTTPTypes
import Primitives
import Telemetry

/// Answers requests for meta info from the origins: each document is fetched once for all who ask, and remembered.
///
/// A slow origin must not look like a dead tracker: a request that would take longer than agents wait gets 202, on which
/// they come back, and joins the look-up that is still on its way.
/// - Source: uber/kraken tracker/trackerserver/metainfo.go and the nginx rules in front of it.
struct MetaInfoDesk: Sendable {
    /// What is asked for.
    private struct Key: Hashable, Sendable {
        let namespace: Namespace
        let digest: Digest
    }

    /// How a blob is cut.
    struct Document: Sendable {
        /// The swarm that the document describes.
        let infoHash: InfoHash
        /// Ready to be sent.
        let json: [UInt8]
    }

    /// The document, or what the origins answered instead.
    private typealias Outcome = Result<Document, HTTPProblem>

    private let cluster: OriginCluster
    private let configuration: TrackerConfiguration
    private let cache: LookupCache<Key, Outcome>
    private let requests: Counter
    private let lookups: Counter
    private let seconds: MetricRecorder

    init(
        cluster: OriginCluster,
        configuration: TrackerConfiguration,
        environment: ComponentEnvironment
    ) {
        (self.cluster, self.configuration) = (cluster, configuration)
        let limits = configuration.limits
        cache = LookupCache(
            answersMax: limits.metaInfoCacheMax,
            lookupsMax: limits.originLookupsMax,
            costMax: limits.metaInfoCacheBytesMax,
            cost: { outcome in
                if case .success(let document) = outcome { document.json.count } else { 0 }
            }
        )
        requests = environment.counters.counter("metainfo_requests")
        lookups = environment.counters.counter("metainfo_lookups")
        seconds = MetricRecorder(
            secondsOf: "herd_get_metainfo",
            component: environment.id,
            registry: environment.metrics
        )
    }

    /// The meta info of `digest`.
    /// - Throws: ``HTTPProblem`` with the origins' own status; 202 when they take too long.
    func document(of digest: Digest, namespace: Namespace) async throws -> Document {
        requests.add()
        let start = LiveClock.now()
        defer { seconds.record(start.duration(to: LiveClock.now())) }
        let outcome = await cache.value(
            of: Key(namespace: namespace, digest: digest),
            timeout: configuration.metaInfoTimeout
        ) {
            await lookUp(digest, namespace)
        }
        guard let outcome else { throw HTTPProblem.accepted }
        return try outcome.get()
    }

    private func lookUp(
        _ digest: Digest,
        _ namespace: Namespace
    ) async -> LookupCache<Key, Outcome>.Answer {
        lookups.add()
        do {
            let metaInfo = try await cluster.metaInfo(of: digest, namespace: namespace)
            return .init(
                value: .success(Document(infoHash: metaInfo.infoHash, json: metaInfo.json)),
                timeToLive: configuration.metaInfoTimeToLive
            )
        } catch {
            let problem = HTTPProblem(ofOrigins: error, digest: digest)
            return .init(
                value: .failure(problem),
                timeToLive: configuration.metaInfoErrorTimeToLive
            )
        }
    }
}

extension HTTPProblem {
    /// What to tell an agent of `error`, with the origins' own status where they gave one.
    fileprivate init(ofOrigins error: any Error, digest: Digest) {
        guard let error = error as? ClusterError else {
            self = .internalError("origin: \(error)")
            return
        }
        let status: HTTPResponse.Status
        switch error.code {
        case .accepted:
            self = .accepted
            return
        case .notFound: status = .notFound
        case .status(429):
            self = .tooManyRequests(
                "origin: \(error.why)",
                retryAfter: error.retryAfter ?? .seconds(1)
            )
            return
        case .status(let code): status = HTTPResponse.Status(code: code)
        case .network, .unreadableAnswer: status = .badGateway
        case .noHosts: status = .serviceUnavailable
        default: status = .internalServerError
        }
        self.init(
            status,
            "origin: \(error.why)",
            detail: "meta info of \(digest)",
            remedy: error.remedy.isEmpty ? nil : error.remedy
        )
    }
}
