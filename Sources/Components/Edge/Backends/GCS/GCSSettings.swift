// SPDX-License-Identifier: Apache-2.0

package import ClusterConfiguration
import Content
import CryptoExtras
import Primitives

/// The keys of `gcs:`.
/// - Source: uber/kraken lib/backend/gcsbackend/config.go.
package struct GCSSettings: BackendSettings {
    package static let kind = "gcs"

    let bucket: String
    /// What all names begin with: absolute, as Kraken writes them, so that both find the same objects.
    let prefix: String
    let namePath: NamePath
    /// `https://storage.googleapis.com`, or what imitates it.
    let endpoint: String
    /// Bytes from which an upload is resumable, and that are sent between two answers.
    let uploadPartBytes: Int
    /// Names on one page of a list.
    let listKeysMax: Int
    /// Who asks; nil where the machine's own account does.
    let account: GCSAccount?
    let transport: TransportSettings

    /// All parts of an upload but the last are multiples of this.
    static let uploadGranule = 256 << 10

    /// Reads the keys.
    package init(
        _ table: inout ConfigurationTable,
        credentials: BackendCredentials
    ) throws(ConfigurationError) {
        bucket = try table.requiredText("bucket")
        let root = try table.absolutePath("root_directory").split(separator: "/")
        prefix = root.isEmpty ? "/" : "/" + root.joined(separator: "/") + "/"
        namePath = try table.require("name_path").namePath()
        var endpoint = try table.text("endpoint") ?? "https://storage.googleapis.com"
        if endpoint.hasSuffix("/") { endpoint.removeLast() }
        self.endpoint = endpoint
        let partBytes = try table.size("upload_part_size")?.bytes ?? 64 << 20
        uploadPartBytes = max(1, partBytes / Self.uploadGranule) * Self.uploadGranule
        listKeysMax = try table.integer("list_max_keys", in: 2...1000) ?? 250
        // Kraken reads neither, and guards here what it cuts objects at.
        for key in ["location", "buffer_guard"] { _ = table.take(key) }
        if let user = table.take("username") {
            var entry = try credentials.require(Self.kind, user: user)
            account = try GCSAccount(entry.require("access_blob"))
            try entry.finish()
        } else {
            account = nil
        }
        transport = try TransportSettings(&table)
    }

    package func makeBackend(_ context: BackendContext) -> any Backend {
        GCSBackend(self, context: context)
    }
}

/// A service account's key, as Google's console gives it out.
struct GCSAccount: Sendable {
    let email: String
    let keyID: String
    let key: _RSA.Signing.PrivateKey
    /// Where tokens are given for it.
    let tokenURL: String

    /// Reads the JSON document in `node`.
    init(_ node: ConfigurationNode) throws(ConfigurationError) {
        guard let document = try? JSON(parsing: node.text()),  // said below, without the text
            let email = document["client_email"]?.string,
            let pem = document["private_key"]?.string,
            let key = try? _RSA.Signing.PrivateKey(pemRepresentation: pem)  // said below
        else {
            throw node.defect(
                "it is no service account's key",
                remedy: "paste the JSON file that Google's console gives out, in single quotes"
            )
        }
        (self.email, self.key) = (email, key)
        keyID = document["private_key_id"]?.string ?? ""
        tokenURL = document["token_uri"]?.string ?? "https://oauth2.googleapis.com/token"
    }
}
