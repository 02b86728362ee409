// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import Glibc
import HTTPKit
import Primitives
import Synchronization

/// One blob that agents are to have.
struct PreheatBlob: Hashable, Sendable {
    /// What it is known by in its repository.
    let name: ContentDigest
    let bytes: Int
}

/// What came of one agent.
struct PreheatResult: Sendable {
    let agent: String
    var fetchedBytes = 0
    var heldBytes = 0
    var time = Duration.zero
    var failure: String?

    var line: String {
        let seconds = Double(time.nanoseconds / 1_000_000) / 1000
        let text =
            failure
            ?? "fetched \(ByteCount(fetchedBytes)) in \(seconds) s, had \(ByteCount(heldBytes))"
        return "\(agent) \(text)".printable
    }

    var json: JSON {
        var members: [JSON.Member] = [
            .init("agent", .string(agent)), .init("bytes_fetched", .integer(fetchedBytes)),
            .init("bytes_held", .integer(heldBytes)),
            .init("took_ms", .integer(Int(time.nanoseconds / 1_000_000))),
        ]
        if let failure { members.append(.init("failure", .string(failure))) }
        return .object(members)
    }
}

/// Has agents fetch blobs, several agents and blobs at a time.
struct Preheat: Sendable {
    let repository: RepositoryName
    let blobs: [PreheatBlob]
    let http: HTTPClient
    let progress: PreheatProgress

    /// Agents that fetch at a time; the swarm does best with many.
    private static let agentsMax = 64
    /// Blobs that one agent fetches at a time.
    private static let blobsMax = 4

    func run(at agents: [String]) async -> [PreheatResult] {
        await withTaskGroup(of: (Int, PreheatResult).self) { group in
            var results = agents.map { PreheatResult(agent: $0) }
            for (index, agent) in agents.enumerated() {
                if index >= Self.agentsMax, let (done, result) = await group.next() {
                    results[done] = result
                }
                group.addTask { (index, await run(at: agent)) }
            }
            for await (done, result) in group { results[done] = result }
            progress.end()
            return results
        }
    }

    private func run(at agent: String) async -> PreheatResult {
        let start = ContinuousClock.now
        let client = AgentClient(address: agent, http: http)
        var result = PreheatResult(agent: agent)
        do {
            try await withThrowingTaskGroup(of: (Int, PrefetchOutcome).self) { group in
                var rest = blobs[...]
                var running = 0
                while running > 0 || !rest.isEmpty {
                    while running < Self.blobsMax, let blob = rest.popFirst() {
                        running += 1
                        group.addTask { [repository] in
                            let outcome = try await client.prefetch(
                                blob.name,
                                namespace: Namespace(repository)
                            )
                            return (blob.bytes, outcome)
                        }
                    }
                    guard let (bytes, outcome) = try await group.next() else { return }
                    running -= 1
                    if outcome == .held {
                        result.heldBytes += bytes
                    } else {
                        result.fetchedBytes += bytes
                    }
                    progress.add(bytes)
                }
            }
            progress.finishAgent(agent)
        } catch {
            result.failure = "\(error)"
        }
        result.time = start.duration(to: .now)
        return result
    }
}

/// How far a preheat has come, on standard error: a bar that is redrawn on a terminal, else a line for each agent.
final class PreheatProgress: Sendable {
    private struct State {
        var doneBytes = 0
        var finishedCount = 0
    }

    private let state = Mutex(State())
    private let agentCount: Int
    private let totalBytes: Int
    private let isTerminal: Bool
    private let write: @Sendable (String) -> Void

    init(
        agents: Int,
        blobs: [PreheatBlob],
        isTerminal: Bool = isatty(STDERR_FILENO) == 1,
        write: @escaping @Sendable (String) -> Void = { StandardError.write($0) }
    ) {
        agentCount = agents
        totalBytes = agents * blobs.reduce(0) { $0 + $1.bytes }
        self.isTerminal = isTerminal && LogFormat.current == .text
        self.write = write
    }

    /// An agent has `bytes` more.
    func add(_ bytes: Int) {
        let picture = state.withLock { state in
            state.doneBytes += bytes
            return "\r" + bar(state)
        }
        if isTerminal { write(picture) }
    }

    /// An agent has everything.
    func finishAgent(_ agent: String) {
        let text = state.withLock { state in
            state.finishedCount += 1
            return "\(agent) has all of it (\(state.finishedCount) of \(agentCount))\n"
        }
        if !isTerminal, LogFormat.current == .text { write(text) }
    }

    /// All is done; the bar stays as it is.
    func end() { if isTerminal { write("\n") } }

    private func bar(_ state: State) -> String {
        let width = 30
        let filled = totalBytes == 0 ? width : state.doneBytes * width / totalBytes
        let bar =
            String(repeating: "=", count: filled) + String(repeating: " ", count: width - filled)
        let bytes = "\(ByteCount(state.doneBytes)) of \(ByteCount(totalBytes))"
        return "preheat [\(bar)] \(bytes), \(state.finishedCount) of \(agentCount) agents"
            .padded(to: 78)
    }
}
