// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestServers

/// A backend that is a server beside the tests, as the configuration of origins and build-indexes names it.
struct ServedBackend: Sendable {
    /// Which server it is.
    enum Kind: String, CaseIterable, Sendable {
        case seaweedfs, moto, gcs, hdfs

        /// Those whose server is installed, and in CI all.
        static let available = allCases.filter(\.isThere)

        private var isThere: Bool {
            switch self {
            case .seaweedfs: ServerTools.has("weed")
            case .moto: ServerTools.has("moto_server")
            case .gcs: ServerTools.has(GCSServer.program)
            case .hdfs: ServerTools.hasFile(HDFSServer.program)
            }
        }

        /// Runs `body` with an empty backend.
        func serve(_ body: (ServedBackend) async throws -> Void) async throws {
            let (blobs, tags) = ("sharded_docker_blob", "docker_tag")
            switch self {
            case .seaweedfs, .moto:
                let server = try await (self == .moto ? S3Server.moto : S3Server.seaweed).value
                try await body(
                    ServedBackend(kind: self, address: server.address, yaml: server.yaml)
                )
            case .gcs:
                let server = try await GCSServer.shared.value
                try await server.withYAML(blobs) { blobs, _ async throws in
                    try await server.withYAML(tags) { tags, _ async throws in
                        try await body(
                            ServedBackend(
                                kind: self,
                                address: server.address,
                                blobs: blobs,
                                tags: tags
                            )
                        )
                    }
                }
            case .hdfs:
                let server = try await HDFSServer.shared.value
                try await body(
                    ServedBackend(kind: self, address: server.address) { namePath, _ in
                        "backends: [{namespace: .*, backend: {\(server.settings(namePath))}}]"
                    }
                )
            }
        }
    }

    private let kind: Kind
    /// The server's.
    private let address: String
    /// What the configuration of an origin says of it.
    let blobs: String
    /// What the configuration of a build-index says of it.
    let tags: String

    private init(kind: Kind, address: String, blobs: String, tags: String) {
        (self.kind, self.address, self.blobs, self.tags) = (kind, address, blobs, tags)
    }

    private init(
        kind: Kind,
        address: String,
        yaml: (_ namePath: String, _ more: [String: String]) -> String
    ) {
        self.init(
            kind: kind,
            address: address,
            blobs: yaml("sharded_docker_blob", [:]),
            tags: yaml("docker_tag", [:])
        )
    }

    /// Whether the server itself has the blob `digest`, asked without a word of ours between.
    func has(_ digest: String) async throws -> Bool {
        guard let root = blobs.firstMatch(of: /root_directory: \/([^\s,]+)/)?.output.1 else {
            throw CommandFailure(description: "no root directory in \(blobs)")
        }
        let hex = digest.dropFirst("sha256:".count)
        let path = "\(root)/docker/registry/v2/blobs/sha256/\(hex.prefix(2))/\(hex)/data"
        let arguments: [String]
        switch kind {
        case .seaweedfs, .moto:
            arguments = [
                "-I", "--aws-sigv4", "aws:amz:us-east-1:s3", "-u", S3Server.login,
                "http://\(address)/\(S3Server.bucket)/\(path)",
            ]
        case .gcs:
            // Its names begin with a slash, as Kraken's do.
            let name = "/\(path)".replacing("/", with: "%2F")
            arguments = ["http://\(address)/storage/v1/b/\(GCSServer.bucket)/o/\(name)"]
        case .hdfs:
            arguments = ["http://\(address)/webhdfs/v1/\(path)?op=GETFILESTATUS&user.name=herd"]
        }
        let (status, body) = try await Clients.curl(arguments)
        guard status == 200 || status == 404 else {
            throw CommandFailure(description: "\(kind) answers \(status): \(body)")
        }
        return status == 200
    }
}
