// SPDX-License-Identifier: Apache-2.0

import Content
import HTTPKit
import HTTPTypes
import NIOCore
import Primitives
import Telemetry

/// Asks an agent where it had blobs from. What it does not tell is not guessed.
struct LayerSources: Sendable {
    /// The beginning of the URLs of its HTTP server.
    let agent: String
    let http: HTTPClient

    private static let answerTimeout = Duration.seconds(10)
    private static let answerBytesMax = 16 << 20

    /// Where it had each of `digests` from; `start` is when the pull began. A swarm that is older had begun before it.
    ///
    /// An agent without a swarm of the blob had it on its disk. Swarms stay in memory for minutes after a download.
    /// - Throws: ``Failure`` when it does not answer or is no agent.
    func ask(
        about digests: [Digest],
        since start: ContinuousClock.Instant
    ) async throws -> [Digest: LayerSource] {
        var sources: [Digest: LayerSource] = [:]
        for digest in digests { sources[digest] = try await source(of: digest, since: start) }
        return sources
    }

    private func source(
        of digest: Digest,
        since start: ContinuousClock.Instant
    ) async throws -> LayerSource {
        let snapshot: ComponentSnapshot
        do {
            let answer = try await http.collect(
                ClientRequest(
                    .get,
                    "\(agent)/status?swarm=\(digest)",
                    timeout: Self.answerTimeout
                ),
                upTo: Self.answerBytesMax
            )
            snapshot = try TelemetryJSON.decode(
                ComponentSnapshot.self,
                from: answer.body.readableBytesView
            )
        } catch {
            throw Failure("cannot tell where \(digest) came from", why: "\(error)")
        }
        guard snapshot.kind == .agent else {
            throw Failure(
                "cannot tell where \(digest) came from",
                why: "\(agent) is no agent, but \(snapshot.kind.rawValue)"
            )
        }
        guard let swarm = snapshot.swarms?.first(where: { $0.digest == digest }) else {
            return .held
        }
        let (agents, origins) = (swarm.bytesDownloadedFromAgents, swarm.bytesDownloadedFromOrigins)
        // A swarm that has fetched nothing seeds what was on the disk.
        if agents + origins == 0 { return .held }
        let isEarlier = swarm.ageSeconds > start.duration(to: .now).seconds
        return .fetched(agents: agents, origins: origins, isEarlier: isEarlier)
    }
}
