// SPDX-License-Identifier: Apache-2.0

import Primitives

/// Who may do what at a registry (`access`).
package struct AccessConfiguration: Hashable, Sendable {
    /// What anybody may do, in every repository.
    package var anonymous = AnonymousAccess.none
    /// Where users and the hashes of their passwords are, as `htpasswd -B` writes them; nil without passwords.
    package var passwordFile: String?
    /// What clients are told that they log in to.
    package var realm = "herd"
    /// Which bearer tokens count; nil: none does.
    package var tokens: TokenConfiguration?
    /// Who may do what where; empty: whoever has logged in may do everything.
    package var rules: [AccessRule] = []

    /// Nobody may do anything.
    package init() {}
}

/// What those may do who don't say who they are.
package enum AnonymousAccess: String, Hashable, Sendable, CaseIterable {
    /// Nothing but what rules without users allow.
    case none
    /// Read.
    case pull
    /// Everything.
    case push
}

/// What can be done in a repository.
package enum AccessAction: String, Hashable, Sendable, CaseIterable {
    /// Read manifests, blobs and lists.
    case pull
    /// Write manifests, tags and blobs, for which clients also read.
    case push
    /// Remove them.
    case delete
}

/// One row of `access.rules`: allows something; nothing is forbidden that another row allows.
package struct AccessRule: Hashable, Sendable {
    /// The repositories: `*` stands for any letters, slashes too.
    package var repository: String
    /// The users, by their names in the file of passwords or a token's `sub`; `*` for all who have logged in. Nil: anybody.
    package var users: [String]?
    /// What they may do there.
    package var actions: Set<AccessAction>

    /// Lets `users` do `actions` in `repository`.
    package init(repository: String, users: [String]? = nil, actions: Set<AccessAction>) {
        (self.repository, self.users, self.actions) = (repository, users, actions)
    }
}

/// Which bearer tokens count, and where clients get them (`access.tokens`).
/// - Source: RFC 7519; Docker Registry v2 authentication, "Token Authentication".
package struct TokenConfiguration: Hashable, Sendable {
    /// Files with public keys: PEM, a JSON Web Key, or a set of them.
    package var keyFiles: [String] = []
    /// Where a set of JSON Web Keys is fetched; nil: nowhere.
    package var keySetURL: String?
    /// The age at which that set is fetched again.
    package var refreshInterval = Duration.hours(1)
    /// Whom tokens must come from (`iss`); nil: anybody who has one of the keys.
    package var issuer: String?
    /// Whom tokens must be for (`aud`), and what clients tell the token service that they want to use; nil: anybody.
    package var service: String?
    /// The URL of the token service that clients are sent to; nil: they bring their tokens along.
    package var realm: String?

    /// Tokens of no key.
    package init() {}
}
