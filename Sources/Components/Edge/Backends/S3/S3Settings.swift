// SPDX-License-Identifier: Apache-2.0

package import ClusterConfiguration
import Primitives

/// The keys of `s3:`.
/// - Source: uber/kraken lib/backend/s3backend/config.go.
package struct S3Settings: BackendSettings, Hashable {
    package static let kind = "s3"

    /// `us-east-1`.
    let region: String
    let bucket: String
    /// What all keys begin with; empty, or ends with a slash.
    let prefix: String
    let namePath: NamePath
    /// `https` or `http`.
    let scheme: String
    /// `host` or `host:port`, without the bucket.
    let endpoint: String
    /// Whether the bucket is in the path, not in the host's name.
    let usesPathStyle: Bool
    /// Bytes from which an upload is cut into parts, and of each part.
    let uploadPartBytes: Int
    let uploadConcurrency: Int
    /// Bytes asked for at a time.
    let downloadPartBytes: Int
    let downloadConcurrency: Int
    /// Keys on one page of a list.
    let listKeysMax: Int
    /// Keys from the configuration; nil where they come from `places`.
    let credentials: AWSCredentials?
    let places: [AWSCredentialPlace]
    let transport: TransportSettings

    /// What S3 wants of all parts of an upload but the last.
    private static let uploadPartBytesMin = 5 << 20

    /// Reads the keys.
    package init(
        _ table: inout ConfigurationTable,
        credentials: BackendCredentials
    ) throws(ConfigurationError) {
        region = try table.requiredText("region")
        bucket = try table.requiredText("bucket")
        let root = try table.absolutePath("root_directory").split(separator: "/")
        prefix = root.isEmpty ? "" : root.joined(separator: "/") + "/"
        namePath = try table.require("name_path").namePath()
        (scheme, endpoint) = try Self.endpoint(&table, region: region)
        usesPathStyle = try table.flag("force_path_style") ?? bucket.contains(".")
        let partNode = table.take("upload_part_size")
        uploadPartBytes = try partNode?.size().bytes ?? 64 << 20
        if let partNode, uploadPartBytes < Self.uploadPartBytesMin {
            throw partNode.defect("S3 takes no parts below 5MB")
        }
        uploadConcurrency = try table.integer("upload_concurrency", in: 1...64) ?? 10
        downloadPartBytes = try table.size("download_part_size")?.bytes ?? 64 << 20
        downloadConcurrency = try table.integer("download_concurrency", in: 1...64) ?? 10
        listKeysMax = try table.integer("list_max_keys", in: 1...1000) ?? 250
        // Kraken's guard of memory: here no part is longer than one that fits.
        _ = table.take("buffer_guard")
        (self.credentials, places) = try Self.credentials(&table, credentials)
        transport = try TransportSettings(&table)
    }

    package func makeBackend(_ context: BackendContext) -> any Backend {
        S3Backend(self, context: context)
    }

    private static func endpoint(
        _ table: inout ConfigurationTable,
        region: String
    ) throws(ConfigurationError) -> (scheme: String, endpoint: String) {
        let isPlain = try table.flag("disable_ssl") ?? false
        let node = table.take("endpoint")
        var text = try node?.text() ?? ""
        var scheme = isPlain ? "http" : "https"
        for each in ["http", "https"] where text.hasPrefix(each + "://") {
            (scheme, text) = (each, String(text.dropFirst(each.count + 3)))
        }
        if text.hasSuffix("/") { text.removeLast() }
        if let node, text.contains("/") || text.contains("@") {
            throw node.defect("\(text) is no endpoint", remedy: "write it like https://host:port")
        }
        guard text.isEmpty else { return (scheme, text) }
        let domain = region.hasPrefix("cn-") ? "amazonaws.com.cn" : "amazonaws.com"
        return (scheme, "s3.\(region).\(domain)")
    }

    /// With a `username`, its keys, as in Kraken; without one, the first place that has some.
    private static func credentials(
        _ table: inout ConfigurationTable,
        _ credentials: BackendCredentials
    ) throws(ConfigurationError) -> (AWSCredentials?, [AWSCredentialPlace]) {
        let place = try table.take("credentials")?.choice(AWSCredentialPlace.self)
        guard let user = table.take("username") else {
            return (nil, place.map { [$0] } ?? AWSCredentialPlace.allCases)
        }
        guard place == nil else {
            throw user.defect("username and credentials exclude each other")
        }
        var entry = try credentials.require(kind, user: user)
        let keys = AWSCredentials(
            accessKeyID: try entry.requiredText("aws_access_key_id"),
            secretAccessKey: try entry.requiredText("aws_secret_access_key"),
            sessionToken: try entry.text("aws_session_token")
        )
        try entry.finish()
        return (keys, [])
    }
}
