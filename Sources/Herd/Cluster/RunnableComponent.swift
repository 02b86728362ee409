// SPDX-License-Identifier: Apache-2.0

import AgentService
import BuildIndexService
import ClusterConfiguration
import HTTPKit
import OriginService
import Primitives
import ProxyService
import ServiceLifecycle
import Telemetry
import TestfsService
import TrackerService

/// A component that a command can run by itself.
protocol RunnableComponent: Service {
    associatedtype Configuration: FileConfiguration
    init(configuration: Configuration, environment: ComponentEnvironment)
}

/// A configuration that can stand in a file.
protocol FileConfiguration: Sendable {
    /// The address to listen on.
    var host: String { get set }
    /// What is in force, secrets left out.
    var settings: [SettingStatus] { get }
    init(yaml: ConfigurationNode) throws(ConfigurationError)
}

extension AgentConfiguration: FileConfiguration {}
extension OriginConfiguration: FileConfiguration {}
extension TrackerConfiguration: FileConfiguration {}
extension BuildIndexConfiguration: FileConfiguration {}
extension ProxyConfiguration: FileConfiguration {}
extension TestfsConfiguration: FileConfiguration {}

extension AgentComponent: RunnableComponent {}
extension OriginComponent: RunnableComponent {}
extension TrackerComponent: RunnableComponent {}
extension ProxyComponent: RunnableComponent {}
extension TestfsComponent: RunnableComponent {}
extension BuildIndexComponent: RunnableComponent {
    init(configuration: BuildIndexConfiguration, environment: ComponentEnvironment) {
        self.init(configuration: configuration, environment: environment, limits: Limits())
    }
}
