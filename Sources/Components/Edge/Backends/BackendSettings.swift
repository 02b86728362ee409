// SPDX-License-Identifier: Apache-2.0

package import ClusterConfiguration
package import Files
package import HTTPKit
package import Logging
package import Primitives
package import Telemetry

/// What a kind of backend reads from a configuration, checked, and the backend it makes of it.
///
/// With its line in ``BackendCatalog/kinds`` that is all that a new kind needs.
package protocol BackendSettings: Sendable {
    /// The key of this kind below `backend:`.
    static var kind: String { get }

    /// Reads the keys below that; whoever calls checks that none is left over.
    /// - Throws: `ConfigurationError`.
    init(
        _ table: inout ConfigurationTable,
        credentials: BackendCredentials
    ) throws(ConfigurationError)

    /// The backend. Connects to nothing yet.
    func makeBackend(_ context: BackendContext) -> any Backend
}

/// What a backend gets from the component it works for.
package struct BackendContext: Sendable {
    /// How it asks servers.
    package let http: HTTPClient
    /// Where its blocking calls run.
    package let pool: BlockingPool
    /// What it must stay within.
    package let limits: Limits
    /// The variables of the process, where clouds leave credentials.
    package let environment: [String: String]
    /// Where the component counts; nil where nobody does.
    package let counters: Counters?
    /// Whose calls are measured, and where; nil: nobody's.
    package let measures: (component: String, registry: PrometheusRegistry)?
    /// Where it is told what goes wrong besides what is asked of it.
    package let log: Logger
    /// How connections to its server begin where that is not like those to others.
    var trust: ServerTrust?

    /// The surroundings of backends.
    package init(
        http: HTTPClient,
        pool: BlockingPool,
        limits: Limits = Limits(),
        environment: [String: String] = [:],
        counters: Counters? = nil,
        measures: (component: String, registry: PrometheusRegistry)? = nil,
        log: Logger = Logger(label: "backends") { _ in SwiftLogNoOpLogHandler() }
    ) {
        (self.http, self.pool, self.limits) = (http, pool, limits)
        (self.environment, self.counters) = (environment, counters)
        (self.measures, self.log) = (measures, log)
    }
}

/// What a configuration says under `auth:`, mostly laid over it from the file of secrets:
/// `auth: {<kind>: {<username>: {<kind>: {…}}}}`.
/// - Source: uber/kraken lib/backend/manager.go and its clients' UserAuthConfig.
package struct BackendCredentials: Sendable {
    /// The node under `auth:`.
    let node: ConfigurationNode?

    /// The credentials of `user` at a backend of `kind`; nil when there are none.
    func entry(_ kind: String, user: String) throws(ConfigurationError) -> ConfigurationTable? {
        guard var users = try kindTable(kind), var entry = try users.table(user) else {
            return nil
        }
        return try entry.table(kind)
    }

    /// The same for a user who must have some.
    func require(
        _ kind: String,
        user: ConfigurationNode
    ) throws(ConfigurationError) -> ConfigurationTable {
        let name = try user.text()
        guard let table = try entry(kind, user: name) else {
            throw user.defect(
                "no credentials of \(name)",
                remedy: "set auth.\(kind).\(name).\(kind), best in the file of --secrets"
            )
        }
        return table
    }

    private func kindTable(_ kind: String) throws(ConfigurationError) -> ConfigurationTable? {
        guard let node else { return nil }
        var kinds = try node.table()
        return try kinds.table(kind)
    }
}

extension ConfigurationTable {
    /// The absolute path under `key`, which must be there.
    mutating func absolutePath(_ key: String) throws(ConfigurationError) -> String {
        let node = try require(key)
        let path = try node.text()
        guard path.hasPrefix("/") else { throw node.defect("\(path) is not absolute") }
        return path
    }

    /// The text under `key`, which must be there and not be empty.
    mutating func requiredText(_ key: String) throws(ConfigurationError) -> String {
        let node = try require(key)
        let text = try node.text()
        guard !text.isEmpty else { throw node.defect("is empty") }
        return text
    }
}
