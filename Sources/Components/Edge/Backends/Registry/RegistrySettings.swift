// SPDX-License-Identifier: Apache-2.0

package import ClusterConfiguration
import HTTPKit
import Primitives

/// The keys of `registry_blob:`.
/// - Source: uber/kraken lib/backend/registrybackend.
package struct RegistryBlobSettings: BackendSettings {
    package static let kind = "registry_blob"
    let registry: RegistrySettings

    /// Reads the keys.
    package init(
        _ table: inout ConfigurationTable,
        credentials: BackendCredentials
    ) throws(ConfigurationError) {
        registry = try RegistrySettings(&table)
    }

    package func makeBackend(_ context: BackendContext) -> any Backend {
        RegistryBlobBackend(RegistrySource(registry, context: context))
    }
}

/// The keys of `registry_tag:`, which are the same.
package struct RegistryTagSettings: BackendSettings {
    package static let kind = "registry_tag"
    let registry: RegistrySettings

    /// Reads the keys.
    package init(
        _ table: inout ConfigurationTable,
        credentials: BackendCredentials
    ) throws(ConfigurationError) {
        registry = try RegistrySettings(&table)
    }

    package func makeBackend(_ context: BackendContext) -> any Backend {
        RegistryTagBackend(RegistrySource(registry, context: context))
    }
}

/// Which registry, and how to show who asks.
/// - Source: uber/kraken lib/backend/registrybackend/security.
struct RegistrySettings: Hashable, Sendable {
    /// `host` or `host:port`.
    let address: String
    /// Whether it is asked over TLS.
    let usesTLS: Bool
    /// Whether it is asked without TLS when it has none.
    let fallsBackToHTTP: Bool
    /// Whose word is taken for its certificate besides that of the system's authorities, and what it is shown of ours; nil:
    /// nobody's, and nothing.
    let trust: ClusterConfiguration.TransportSettings?
    let login: RegistryLogin
    /// What namespaces begin with besides the registry's own names for its repositories, with a slash; empty: nothing.
    let prefix: String
    let transport: TransportSettings

    init(_ table: inout ConfigurationTable) throws(ConfigurationError) {
        var address = try table.requiredText("address")
        var usesTLS = true
        if address.hasPrefix("http://") {
            (usesTLS, address) = (false, String(address.dropFirst(7)))
        }
        if address.hasPrefix("https://") { address = String(address.dropFirst(8)) }
        self.address = address
        var login = RegistryLogin.none
        var fallsBack = false
        var trust: ClusterConfiguration.TransportSettings?
        if var security = try table.table("security") {
            if var section = try security.table("tls") {
                var tls = try ClusterConfiguration.TransportSettings(section: &section)
                usesTLS = usesTLS && !tls.isClientDisabled
                // Its certificate has to be for its address, and it asks nothing of us.
                (tls.name, tls.server) = (nil, nil)
                if usesTLS, tls.isClientSecure { trust = tls }
            }
            fallsBack = try security.flag("enableHTTPFallback") ?? false
            let helper = try security.text("credsStore") ?? ""
            let password = try security.table("basic").map(RegistryPassword.init)
            if helper == "ecr-login" {
                login = .elasticContainerRegistry
            } else if !helper.isEmpty {
                login = .helper(helper, else: password)
            } else if let password {
                login = .password(password)
            }
            try security.finish()
        }
        // Who names authorities wants to know whom it speaks to.
        (self.usesTLS, fallsBackToHTTP) = (usesTLS, fallsBack && trust == nil)
        (self.trust, self.login) = (trust, login)
        let prefix = try table.text("prefix") ?? ""
        self.prefix = prefix.isEmpty || prefix.hasSuffix("/") ? prefix : prefix + "/"
        transport = try TransportSettings(&table)
    }
}

extension RegistrySettings {
    /// Whether `url` is the registry's, and as safe as it is to be asked: then it may be told who asks.
    func mayKnow(_ url: String) -> Bool {
        switch TransportHops.authority(of: url) {
        case "https://\(address)": true
        case "http://\(address)": !usesTLS || fallsBackToHTTP
        default: false
        }
    }

    /// `location`, which the registry has named in an answer from `url`: its own name is reached as it was there, whatever a
    /// registry behind a proxy that ends TLS takes itself for.
    func resolved(_ location: String, from url: String) -> String? {
        guard let absolute = TransportHops.absolute(location, from: url) else { return nil }
        let (there, here) = (
            TransportHops.authority(of: absolute), TransportHops.authority(of: url)
        )
        guard there == "http://\(address)", here == "https://\(address)" else { return absolute }
        return here + absolute.dropFirst(there.count)
    }
}

/// How to show a registry who asks.
enum RegistryLogin: Hashable, Sendable {
    /// As nobody.
    case none
    /// With a password.
    case password(RegistryPassword)
    /// With what the program `docker-credential-<name>` says, or a password when it fails.
    case helper(String, else: RegistryPassword?)
    /// With a token that AWS gives for its keys.
    case elasticContainerRegistry
}

/// A user's name with what proves it.
struct RegistryPassword: Hashable, Sendable, CustomStringConvertible {
    let username: String
    let password: String
    /// A token in place of the password, to be exchanged for others.
    let identityToken: String

    /// The name only.
    var description: String { username }

    init(username: String, password: String, identityToken: String = "") {
        (self.username, self.password) = (username, password)
        self.identityToken = identityToken
    }

    fileprivate init(_ table: ConfigurationTable) throws(ConfigurationError) {
        var table = table
        username = try table.text("username") ?? ""
        password = try table.text("password") ?? ""
        identityToken = try table.text("identitytoken") ?? ""
        try table.finish(ignoring: ["auth", "email", "serveraddress", "registrytoken"])
    }

    /// Whether nothing is filled in, as in Kraken's examples: then it is asked as nobody.
    var isEmpty: Bool { username.isEmpty && password.isEmpty && identityToken.isEmpty }
}
