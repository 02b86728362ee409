// SPDX-License-Identifier: Apache-2.0

import Content
import Files
import HTTPKit
import HTTPTypes
import NIOCore
import Primitives
import TUI
import Telemetry

/// Pushing and pulling images, to have something to look at.
extension ClusterCommands {
    /// An image that was pushed.
    struct Pushed: Sendable {
        /// `demo/app:v3`.
        let reference: String
        /// Its configuration and layers.
        let blobs: [Descriptor]
        let bytes: Int
        let took: Duration

        var sentence: String {
            "pushed \(reference), \(ByteCount(bytes)) in \(Units.duration(took.seconds))"
        }
    }

    /// An image that agents have pulled.
    struct Pulled: Sendable {
        let reference: String
        let agentCount: Int
        /// Bytes that each of them got.
        let bytes: Int
        let took: Duration

        var sentence: String {
            let who = agentCount == 1 ? "1 agent" : "\(agentCount) agents"
            return
                "\(who) pulled \(reference), \(ByteCount(bytes)) each, in \(Units.duration(took.seconds))"
        }
    }

    /// Agents that pull at a time; the rest wait their turn.
    static let pullsMax = 256
    /// Agents up to which each layer comes in large reads, of a mebibyte of memory each.
    private static let bulkPullsMax = 16

    // MARK: - Push

    /// Makes an image of `bytes` random bytes and pushes it through the first proxy, under the first version that is free.
    /// - Throws: ``Failure``.
    func push(bytes: Int) async throws -> Pushed {
        let begin = ContinuousClock.now
        guard let proxy = control.components(.proxy).first else {
            throw Failure("cannot push", why: "this herd has no proxy")
        }
        let address = proxy.planned.address("registry")
        let (registry, number) = try await freeVersion(at: address)
        let directory = control.dataDirectory
        let image = try await resources.pool.run {
            try DemoImage(bytes: bytes, seed: UInt64(number), in: directory)
        }
        let push = ImagePush(
            image: image,
            name: "\(registry.reference)",
            registry: registry,
            pool: resources.pool
        )
        let contents = try await push.contents()
        try await push.send(contents, nil)
        return Pushed(
            reference: "\(registry.reference)",
            blobs: contents.blobs,
            bytes: bytes,
            took: ContinuousClock.now - begin
        )
    }

    private func freeVersion(at address: String) async throws -> (RegistryClient, Int) {
        var number = 1
        while true {
            let registry = try client("\(Self.repository):v\(number)", at: address)
            if try await !registry.hasDocument("v\(number)") { return (registry, number) }
            number += 1
        }
    }

    /// The manifest or index that `reference` names, such as `demo/app:v1`.
    /// - Throws: ``Failure``.
    func document(_ reference: String) async throws -> ImageDocument {
        guard let proxy = control.components(.proxy).first else {
            throw Failure("cannot read \(reference)", why: "this herd has no proxy")
        }
        let registry = try client(reference, at: proxy.planned.address("registry"))
        return try await registry.document(registry.reference.name)
    }

    private func client(_ reference: String, at address: String) throws(Failure) -> RegistryClient {
        RegistryClient(
            try ImageReference("\(ClientRequest.memberScheme)\(address)/\(reference)"),
            client: resources.client,
            pool: resources.pool
        )
    }

    // MARK: - Pull

    /// Pulls `reference` (nil: the image that was tagged last) by the agents that `patterns` mean (none: all), each `stagger`
    /// after the one before, and throws the bytes away.
    /// - Throws: ``Failure`` naming those that failed.
    func pull(
        _ reference: String?,
        by patterns: [String],
        stagger: Duration
    ) async throws -> Pulled {
        let begin = ContinuousClock.now
        let agents = try puller(patterns)
        let name: String
        if let reference { name = reference } else { name = try await latestReference() }
        var outcomes: [(agent: String, result: Result<Int, any Error>)] = []
        await withTaskGroup(of: (String, Result<Int, any Error>).self) { group in
            for (index, agent) in agents.enumerated() {
                if index >= Self.pullsMax, let outcome = await group.next() {
                    outcomes.append(outcome)
                }
                let isBulk = agents.count <= Self.bulkPullsMax
                group.addTask { [self] in
                    let due = begin.advanced(by: stagger * index)
                    return (agent.planned.id, await pull(name, by: agent, at: due, isBulk))
                }
            }
            for await outcome in group { outcomes.append(outcome) }
        }
        try Task.checkCancellation()
        return Pulled(
            reference: name,
            agentCount: agents.count,
            bytes: try Self.bytes(of: outcomes, name),
            took: ContinuousClock.now - begin
        )
    }

    private func puller(_ patterns: [String]) throws(Failure) -> [SupervisedComponent] {
        let components = try control.components(matching: patterns.isEmpty ? ["agents"] : patterns)
        let agents = components.filter { $0.planned.kind == .agent }
        guard !agents.isEmpty else {
            throw Failure("cannot pull", why: "none of these is an agent", remedy: "name agents")
        }
        return agents
    }

    /// The image that was tagged last, as the build-indexes tell it.
    private func latestReference() async throws -> String {
        for index in control.components(.buildIndex) {
            if let latest = await index.snapshots.snapshot()?.tags?.latest.first {
                return latest.tag
            }
        }
        throw Failure("cannot pull", why: "no image was pushed yet", remedy: "push one first")
    }

    private func pull(
        _ reference: String,
        by agent: SupervisedComponent,
        at due: ContinuousClock.Instant,
        _ isBulk: Bool
    ) async -> Result<Int, any Error> {
        do {
            // The stagger is wanted as such.
            try await Task.sleep(until: due)
            let registry = try client(reference, at: agent.planned.address("registry"))
            let root = try await registry.document(registry.reference.name)
            let contents = try await ImageContents(of: root) { child in
                try await registry.document(child.name.description)
            }
            try await Transfers.forEach(contents.blobs) { blob in
                try await Transfers.repeated { try await registry.drain(blob, isBulk: isBulk) }
            }
            let bytes = contents.blobs.reduce(0) { $0 + $1.bytes }
            agent.events.record(
                ClusterEvent(
                    .pull,
                    blob: root.digest,
                    bytes: bytes,
                    tookMilliseconds: Int(due.duration(to: .now).seconds * 1000),
                    detail: ["reference": reference]
                )
            )
            return .success(bytes)
        } catch {
            return .failure((error as? RegistryFailure)?.failure ?? error)
        }
    }

    private static func bytes(
        of outcomes: [(agent: String, result: Result<Int, any Error>)],
        _ reference: String
    ) throws(Failure) -> Int {
        var bytes = 0
        var failed: [(agent: String, error: any Error)] = []
        for (agent, result) in outcomes {
            switch result {
            case .success(let count): bytes = max(bytes, count)
            case .failure(let error): failed.append((agent, error))
            }
        }
        guard let first = failed.min(by: { $0.agent < $1.agent }) else { return bytes }
        throw Failure(
            "\(failed.count) of \(outcomes.count) pulls of \(reference) failed",
            why: "\(first.agent): \(first.error)"
        )
    }

    // MARK: - Looking

    /// What every component says of itself; one that does not run counts as stopped.
    func snapshot() async -> ClusterSnapshot {
        var cluster = ClusterSnapshot(components: [])
        for component in control.components {
            let planned = component.planned
            cluster.components.append(
                await component.snapshots.snapshot()
                    ?? ComponentSnapshot(kind: planned.kind, id: planned.id, health: .stopped)
            )
        }
        return cluster
    }
}
