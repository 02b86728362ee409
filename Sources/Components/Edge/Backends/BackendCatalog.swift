// SPDX-License-Identifier: Apache-2.0

package import ClusterConfiguration

/// The kinds of backends there are.
package enum BackendCatalog {
    /// One line a kind.
    static let kinds: [any BackendSettings.Type] = [
        FileSettings.self,
        TestfsSettings.self,
        S3Settings.self,
        HTTPBackendSettings.self,
        RegistryBlobSettings.self,
        RegistryTagSettings.self,
        ShadowSettings.self,
        GCSSettings.self,
        SQLSettings.self,
        HDFSSettings.self,
        AzureSettings.self,
    ]

    /// What `configuration` says, read by its kind.
    /// - Throws: `ConfigurationError` with file and line.
    package static func settings(
        _ configuration: BackendConfiguration
    ) throws(ConfigurationError) -> any BackendSettings {
        guard let kind = kinds.first(where: { $0.kind == configuration.kind }) else {
            throw configuration.settings.defect(
                "the kind \(configuration.kind) is not supported",
                remedy: "use one of \(kinds.map { $0.kind }.joined(separator: ", "))"
            )
        }
        var table = try configuration.settings.table()
        let credentials = BackendCredentials(node: configuration.credentials)
        let settings = try kind.init(&table, credentials: credentials)
        try table.finish()
        return settings
    }

    /// Reads every row's backend, to find what is wrong before anything starts.
    /// - Throws: `ConfigurationError` with file and line.
    package static func check(_ rules: [BackendRule]) throws(ConfigurationError) {
        for rule in rules { _ = try settings(rule.backend) }
    }
}
