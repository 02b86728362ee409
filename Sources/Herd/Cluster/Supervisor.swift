// SPDX-License-Identifier: Apache-2.0

import HTTPKit
import HTTPTypes
import Primitives
import ServiceLifecycle
import Telemetry

/// Runs the components of a plan: starts them in the order of their dependencies, keeps them running, stops them in the
/// reverse order.
struct Supervisor: Sendable {
    private let plan: ClusterPlan
    private let resources: ProcessResources
    private let report: ClusterReport
    /// The components, in the order of the plan.
    let components: [SupervisedComponent]

    /// How long components may drain before they are cut off.
    static let drainTimeout = Duration.seconds(8)

    /// A supervisor of `plan`'s components, which `factory` makes.
    init(
        plan: ClusterPlan,
        resources: ProcessResources,
        report: ClusterReport,
        factory: ComponentFactory
    ) {
        (self.plan, self.resources, self.report) = (plan, resources, report)
        let limits = Limits().shared(among: plan.components.count)
        components = plan.components.map { planned in
            SupervisedComponent(
                planned,
                resources: resources,
                limits: limits,
                seed: .random(in: .min ... .max),
                make: { environment in try factory.make(planned, environment) }
            )
        }
    }

    /// What the components say of themselves, those that run.
    func snapshots() async -> [ComponentSnapshot] {
        var snapshots: [ComponentSnapshot] = []
        for component in components {
            if let snapshot = await component.snapshots.snapshot() { snapshots.append(snapshot) }
        }
        return snapshots
    }

    /// What can be done to single components while the cluster runs; `dataDirectory` is resolved.
    func control(dataDirectory: String) -> ClusterControl {
        ClusterControl(
            components: components,
            dataDirectory: dataDirectory,
            pool: resources.pool
        )
    }

    /// Runs the cluster until `stop` is requested; `onReady` is called once every component serves.
    /// - Throws: ``Failure`` when a component did not come up; then all of them have been stopped.
    func run(
        untilStopped stop: StopRequest,
        onReady: @Sendable () throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            let outcome: Result<Void, any Error>
            do {
                let begin = ContinuousClock.now
                // A stop in the middle of the start ends what waits to become ready.
                group.addTask {
                    await stop.wait()
                    if stop.isRequested { await stopAll() }
                }
                try await start(in: &group, unless: stop)
                if !stop.isRequested {
                    try await checkHealth()
                    try onReady()
                    report.ready(after: ContinuousClock.now - begin)
                }
                await stop.wait()
                outcome = .success(())
            } catch {
                // A start that was called off is no failure.
                outcome = stop.isRequested ? .success(()) : .failure(error)
            }
            await stopAll()
            group.cancelAll()
            while let _ = try await group.next() {}
            try outcome.get()
        }
    }

    private func start(
        in group: inout ThrowingTaskGroup<Void, any Error>,
        unless stop: StopRequest
    ) async throws {
        for kind in ComponentKind.startOrder where !stop.isRequested {
            let stage = components.filter { $0.planned.kind == kind }
            for component in stage {
                let report = report
                group.addTask {
                    await component.run { report.changed(component.planned, $0) }
                }
                group.addTask { await report.follow(component.events) }
            }
            for component in stage { try await waitUntilReady(component) }
        }
    }

    private func waitUntilReady(_ component: SupervisedComponent) async throws {
        do {
            try await component.waitUntilReady()
        } catch {
            throw Failure("\(component.planned.id) did not start", why: "\(error)")
        }
    }

    /// Asks every component for its health, at once.
    private func checkHealth() async throws {
        let client = resources.client
        try await withThrowingTaskGroup(of: Void.self) { group in
            for component in components {
                let (id, address) = (component.planned.id, component.planned.address("http"))
                let scheme =
                    component.planned.kind.speaksTLS ? ClientRequest.memberScheme : "http://"
                group.addTask {
                    do {
                        let request = ClientRequest(
                            .get,
                            "\(scheme)\(address)/health",
                            timeout: .seconds(10)
                        )
                        _ = try await client.collect(request, upTo: 4096)
                    } catch {
                        throw Failure("\(id) is not healthy", why: "\(error)")
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    /// Lets every component drain, the last started first; after ``drainTimeout`` the rest is left to cancellation.
    private func stopAll() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for kinds in ComponentKind.stopOrder {
                    await withTaskGroup(of: Void.self) { stage in
                        for component in components where kinds.contains(component.planned.kind) {
                            stage.addTask {
                                await component.stop()
                                await component.waitUntilStopped()
                            }
                        }
                    }
                }
            }
            group.addTask {
                // The bound of the drain; cancelled as soon as the drain is over.
                try? await Task.sleep(for: Self.drainTimeout)
            }
            await group.next()
            group.cancelAll()
        }
    }
}
