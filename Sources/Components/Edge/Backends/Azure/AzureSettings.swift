// SPDX-License-Identifier: Apache-2.0

package import ClusterConfiguration
import FoundationEssentials
import Primitives

/// The keys of `azure:`. Kraken has no such backend; they follow those of its others.
package struct AzureSettings: BackendSettings, Hashable {
    package static let kind = "azure"

    let account: String
    let container: String
    /// What all names begin with; empty, or ends with a slash.
    let prefix: String
    let namePath: NamePath
    /// `https://<account>.blob.core.windows.net`, or what imitates it.
    let endpoint: String
    /// Bytes from which an upload is cut into blocks, and of each block.
    let uploadPartBytes: Int
    let uploadConcurrency: Int
    /// Names on one page of a list.
    let listKeysMax: Int
    let login: AzureLogin
    let transport: TransportSettings

    /// Reads the keys.
    package init(
        _ table: inout ConfigurationTable,
        credentials: BackendCredentials
    ) throws(ConfigurationError) {
        account = try table.requiredText("account")
        container = try table.requiredText("container")
        let root = try table.absolutePath("root_directory").split(separator: "/")
        prefix = root.isEmpty ? "" : root.joined(separator: "/") + "/"
        namePath = try table.require("name_path").namePath()
        var endpoint = try table.text("endpoint") ?? "https://\(account).blob.core.windows.net"
        if endpoint.hasSuffix("/") { endpoint.removeLast() }
        self.endpoint = endpoint
        uploadPartBytes = max(1, try table.size("upload_part_size")?.bytes ?? 64 << 20)
        uploadConcurrency = try table.integer("upload_concurrency", in: 1...64) ?? 10
        listKeysMax = try table.integer("list_max_keys", in: 1...5000) ?? 250
        var entry = try credentials.require(Self.kind, user: table.require("username"))
        login = try AzureLogin(&entry)
        try entry.finish()
        transport = try TransportSettings(&table)
    }

    package func makeBackend(_ context: BackendContext) -> any Backend {
        AzureBackend(self, context: context)
    }
}

/// How to show Azure who asks.
enum AzureLogin: Hashable, Sendable {
    /// With a signature by the account's key.
    case key([UInt8])
    /// With a shared access signature: a query that is sent along.
    case sharedAccess(String)

    fileprivate init(_ entry: inout ConfigurationTable) throws(ConfigurationError) {
        let (key, signature) = (entry.take("account_key"), try entry.text("sas_token"))
        switch (key, signature) {
        case (let key?, nil):
            guard let bytes = Data(base64Encoded: try key.text()) else {
                throw key.defect("it is not in base64")
            }
            self = .key(Array(bytes))
        case (nil, let signature?):
            self = .sharedAccess(String(signature.drop { $0 == "?" }))
        default: throw entry.defect("either account_key or sas_token is needed")
        }
    }
}

extension AzureLogin: CustomStringConvertible {
    /// Which way it is; no secret.
    var description: String {
        switch self {
        case .key: "account key"
        case .sharedAccess: "shared access signature"
        }
    }
}
