// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Files
import Foundation
import HTTPKit
import NIOPosix
import Primitives
import ServiceLifecycle
import Synchronization
import Telemetry
import Testing

@testable import Herd

/// A herd of components that do nothing but live, for what a supervisor does to them.
struct FaultHerd: Sendable {
    let control: ClusterControl
    let desk: FaultDesk
    /// How each life ended, by component: `agent-0 gracefully`.
    let ends: EndLog

    final class EndLog: Sendable {
        private let lines = Mutex<[String]>([])
        var all: [String] { lines.withLock { $0 } }
        func append(_ line: String) { lines.withLock { $0.append(line) } }
    }

    /// Lives until it is stopped or cut off.
    private struct Life: Service {
        let id: String
        let environment: ComponentEnvironment
        let ends: EndLog

        func run() async throws {
            environment.onReady([:])
            do {
                try await gracefulShutdown()
                ends.append("\(id) gracefully")
            } catch {
                ends.append("\(id) \(environment.faults.isKilled ? "killed" : "cancelled")")
                throw error
            }
        }
    }

    /// Runs `body` with `agents` agents, an origin and a tracker, whose directories are in `root`.
    static func with(
        agents: Int = 3,
        in root: String = "/nowhere",
        _ body: (FaultHerd) async throws -> Void
    ) async throws {
        let ends = EndLog()
        let counts: [(ComponentKind, Int)] = [(.agent, agents), (.origin, 1), (.tracker, 1)]
        let components = counts.flatMap { kind, count in
            (0..<count).map { component(kind, $0, in: root, ends) }
        }
        let control = ClusterControl(
            components: components,
            dataDirectory: root,
            pool: .singleton
        )
        let desk = FaultDesk(
            control,
            eventLoop: MultiThreadedEventLoopGroup.singleton.next()
        )
        let herd = FaultHerd(control: control, desk: desk, ends: ends)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for component in components { group.addTask { await component.run { _ in } } }
            let outcome: Result<Void, any Error>
            do {
                for component in components { try await component.waitUntilReady() }
                outcome = .success(try await body(herd))
            } catch {
                outcome = .failure(error)
            }
            for component in components { await component.stop() }
            try await group.waitForAll()
            desk.close()
            try outcome.get()
        }
    }

    private static func component(
        _ kind: ComponentKind,
        _ index: Int,
        in root: String,
        _ ends: EndLog
    ) -> SupervisedComponent {
        let base = 10_000 * (ComponentKind.startOrder.firstIndex(of: kind) ?? 0) + 10 * index
        let names = kind.socketNames.enumerated().map { offset, name in
            (name, Endpoint(host: "0.0.0.0", port: base + offset + 1))
        }
        let planned = PlannedComponent(
            kind: kind,
            index: index,
            sockets: Dictionary(uniqueKeysWithValues: names),
            directory: "\(root)/\(kind.rawValue)-\(index)"
        )
        return SupervisedComponent(
            planned,
            resources: SupervisedComponentTests.resources,
            seed: 1
        ) { environment in
            Life(id: planned.id, environment: environment, ends: ends)
        }
    }

    /// The component called `name`.
    func component(_ name: String) throws -> SupervisedComponent {
        try #require(try control.components(matching: [name]).first)
    }

    /// Returns once `component` has recorded a fault event with this state.
    func fault(_ state: String, of component: SupervisedComponent) async throws {
        let subscription = try #require(component.events.subscribe(after: 0))
        for await batch in subscription {
            let isThere = batch.events.contains {
                $0.kind == .fault && $0.detail?["state"] == state
            }
            if isThere { return }
        }
    }
}
