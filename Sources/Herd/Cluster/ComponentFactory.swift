// SPDX-License-Identifier: Apache-2.0

import AgentService
import BuildIndexService
import ClusterConfiguration
import HTTPKit
import OriginService
import ProxyService
import ServiceLifecycle
import SwarmCore
import Telemetry
import TestfsService
import TrackerService

/// Makes the components of a planned cluster: each kind's configuration follows from the plan.
struct ComponentFactory: Sendable {
    let plan: ClusterPlan
    /// The absolute directory of everything the herd writes.
    let dataDirectory: String
    let blobBackend: BackendConfiguration
    let tagBackend: BackendConfiguration

    /// A factory for the components of `plan`.
    /// - Throws: ``Failure`` when the backend's URL is none.
    init(plan: ClusterPlan, dataDirectory: String) throws(Failure) {
        (self.plan, self.dataDirectory) = (plan, dataDirectory)
        let url = Self.backendURL(plan, dataDirectory)
        do {
            blobBackend = try BackendConfiguration(url: url, purpose: .blobs)
            tagBackend = try BackendConfiguration(url: url, purpose: .tags)
        } catch {
            throw Failure("cannot use --backend \(url)", why: error.why)
        }
    }

    private static func backendURL(_ plan: ClusterPlan, _ dataDirectory: String) -> String {
        if plan.options.runsTestfs, let address = plan.addresses(.testfs, "http").first {
            return "testfs://\(address)/"
        }
        return plan.options.backend ?? "file:\(dataDirectory)/backend"
    }

    /// The component `planned` in `environment`.
    func make(
        _ planned: PlannedComponent,
        _ environment: ComponentEnvironment
    ) throws -> any Service {
        switch planned.kind {
        case .agent:
            AgentComponent(configuration: agent(planned), environment: environment)
        case .origin:
            OriginComponent(configuration: origin(planned), environment: environment)
        case .tracker:
            TrackerComponent(configuration: tracker(planned), environment: environment)
        case .buildIndex:
            BuildIndexComponent(configuration: buildIndex(planned), environment: environment)
        case .proxy:
            ProxyComponent(configuration: proxy(planned), environment: environment)
        case .testfs:
            TestfsComponent(configuration: testfs(planned), environment: environment)
        }
    }

    private func agent(_ planned: PlannedComponent) -> AgentConfiguration {
        var configuration = AgentConfiguration(
            dataDirectory: planned.directory,
            trackers: plan.addresses(.tracker, "http"),
            buildIndexes: plan.addresses(.buildIndex, "http")
        )
        planned.place("registry", &configuration.host, &configuration.registryPort)
        planned.place("peer", &configuration.host, &configuration.peerPort)
        planned.place("http", &configuration.host, &configuration.port)
        configuration.peerIP = planned.dialedHost
        configuration.pushAddress = plan.addresses(.proxy, "registry").first
        if plan.options.zones > 0 {
            configuration.zone = "zone-\(planned.index % plan.options.zones)"
        }
        configuration.mirrors = plan.options.mirrors.map(\.registry)
        configuration.swarm = plan.options.policy.policy
        configuration.egress = plan.options.bandwidth
        configuration.ingress = plan.options.bandwidth
        configuration.drainTimeout = planned.kind.drainTimeout
        return configuration
    }

    private func origin(_ planned: PlannedComponent) -> OriginConfiguration {
        var configuration = OriginConfiguration(dataDirectory: planned.directory)
        planned.place("http", &configuration.host, &configuration.port)
        planned.place("peer", &configuration.peerHost, &configuration.peerPort)
        configuration.peerIP = planned.dialedHost
        configuration.selfAddress = planned.address("http")
        configuration.cluster = plan.addresses(.origin, "http")
        configuration.backends =
            plan.options.mirrors.map { $0.rule(.blobs) } + [BackendRule(backend: blobBackend)]
        configuration.swarm = plan.options.policy.policy
        if plan.options.policy == .herd { configuration.pieceLengths = .fine }
        configuration.drainTimeout = planned.kind.drainTimeout
        return configuration
    }

    private func tracker(_ planned: PlannedComponent) -> TrackerConfiguration {
        var configuration = TrackerConfiguration(origins: plan.addresses(.origin, "http"))
        planned.place("http", &configuration.host, &configuration.port)
        configuration.drainTimeout = planned.kind.drainTimeout
        return configuration
    }

    private func buildIndex(_ planned: PlannedComponent) -> BuildIndexConfiguration {
        var configuration = BuildIndexConfiguration(
            dataDirectory: planned.directory,
            selfAddress: planned.address("http"),
            cluster: plan.addresses(.buildIndex, "http"),
            origins: plan.addresses(.origin, "http"),
            backends: plan.options.mirrors.map { $0.rule(.tags) }
                + [BackendRule(backend: tagBackend)]
        )
        planned.place("http", &configuration.host, &configuration.port)
        configuration.drainTimeout = planned.kind.drainTimeout
        return configuration
    }

    private func proxy(_ planned: PlannedComponent) -> ProxyConfiguration {
        var configuration = ProxyConfiguration(
            dataDirectory: planned.directory,
            origins: plan.addresses(.origin, "http"),
            buildIndexes: plan.addresses(.buildIndex, "http")
        )
        planned.place("registry", &configuration.host, &configuration.registryPort)
        planned.place("http", &configuration.host, &configuration.port)
        configuration.drainTimeout = planned.kind.drainTimeout
        // The command has asked whether that is meant.
        configuration.anonymousByDefault = true
        return configuration
    }

    private func testfs(_ planned: PlannedComponent) -> TestfsConfiguration {
        var configuration = TestfsConfiguration(directory: planned.directory)
        planned.place("http", &configuration.host, &configuration.port)
        configuration.drainTimeout = planned.kind.drainTimeout
        return configuration
    }
}

extension PlannedComponent {
    /// Sets `host` and `port` to those of the socket `name`.
    func place(_ name: String, _ host: inout String, _ port: inout Int) {
        guard let endpoint = sockets[name] else { return }
        (host, port) = (endpoint.host, endpoint.port)
    }
}
