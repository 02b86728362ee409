// SPDX-License-Identifier: Apache-2.0

package import ClusterConfiguration
package import Content
import Primitives
package import RegistryAPI

/// Who sends a request.
package enum Visitor: Hashable, Sendable {
    /// Somebody who does not say.
    case anonymous
    /// A user of that name, with a password or a token that says no more.
    case user(String)
    /// Whoever has a token that says what it is good for.
    case bearer([TokenGrant])
}

/// One entry of a token's `access`.
/// - Source: Docker Registry v2 authentication, "Docker Registry Token Authentication Implementation".
package struct TokenGrant: Hashable, Sendable, Codable {
    /// `repository`, or `registry` for its list of repositories.
    let type: String
    /// The repository, or `catalog`.
    let name: String
    /// `pull`, `push`, `delete`, or `*`.
    let actions: [String]
}

/// Who may do what: rules that allow; what none allows is forbidden.
package struct AccessPolicy: Sendable {
    private let anonymous: AnonymousAccess
    private let rows: [Row]

    private struct Row: Sendable {
        let repository: WildcardPattern
        let users: [String]?
        let actions: Set<AccessAction>

        func isFor(_ visitor: Visitor) -> Bool {
            guard let users else { return true }
            guard case .user(let name) = visitor else { return false }
            return users.contains(name) || users.contains("*")
        }
    }

    /// What `configuration` says.
    package init(_ configuration: AccessConfiguration) {
        anonymous = configuration.anonymous
        let everything = AccessRule(
            repository: "*",
            users: ["*"],
            actions: Set(AccessAction.allCases)
        )
        let rules = configuration.rules.isEmpty ? [everything] : configuration.rules
        rows = rules.map {
            Row(repository: WildcardPattern($0.repository), users: $0.users, actions: $0.actions)
        }
    }

    /// Whether `visitor` may do `action` in `repository`. Who may push may pull.
    package func allows(
        _ visitor: Visitor,
        _ action: AccessAction,
        in repository: RepositoryName
    ) -> Bool {
        if anonymous == .push || (anonymous == .pull && action == .pull) { return true }
        if case .bearer(let grants) = visitor {
            return grants.contains { grant in
                grant.type == "repository" && grant.name == repository.name
                    && grant.actions.contains { $0 == "*" || Self.covers($0, action) }
            }
        }
        return rows.contains { row in
            row.isFor(visitor) && row.repository.matches(repository.name)
                && row.actions.contains { Self.covers($0.rawValue, action) }
        }
    }

    private static func covers(_ granted: String, _ action: AccessAction) -> Bool {
        granted == action.rawValue || (granted == AccessAction.push.rawValue && action == .pull)
    }

    /// Whether there is anything that some may do and nobody unknown may: then clients are asked who they are before they
    /// ask for anything, because many don't say so later.
    package var asksAtTheDoor: Bool { anonymous != .push }

    /// Whether `visitor` sees a list of repositories at all, each only if it may be pulled from.
    package func allowsCatalog(_ visitor: Visitor) -> Bool {
        switch visitor {
        case .anonymous:
            return anonymous != .none || rows.contains { $0.users == nil }
        case .user: return true
        case .bearer(let grants):
            return anonymous != .none || grants.contains { $0.isCatalog }
        }
    }

    /// What of the list of repositories `visitor` sees.
    package func pass(_ visitor: Visitor) -> RegistryPass {
        if anonymous != .none { return .all }
        if case .bearer(let grants) = visitor, grants.contains(where: \.isCatalog) { return .all }
        return RegistryPass { allows(visitor, .pull, in: $0) }
    }
}

extension TokenGrant {
    /// Whether it is good for the list of repositories.
    var isCatalog: Bool { type == "registry" && name == "catalog" && actions.contains("*") }
}

extension RegistryRequest {
    /// What it takes to be let through; nil where the repository has no part in that.
    var action: AccessAction {
        switch self {
        case .ping, .repositories, .tags, .manifest, .blob, .referrers: .pull
        case .putManifest, .startUpload, .uploadStatus, .appendChunk, .finishUpload, .cancelUpload:
            .push
        case .deleteManifest, .deleteBlob: .delete
        }
    }
}
