// SPDX-License-Identifier: Apache-2.0

package import Backends
import Foundation
import HTTPKit
import HTTPTypes
import NIOCore
import Telemetry
import TestSupport

/// A store of S3's kind that runs beside the tests.
package struct S3Server: Sendable {
    /// `127.0.0.1:port`.
    package let address: String
    /// What its buckets are below where they are in the host's name.
    package let domain: String?
    private let process: ServerProcess

    /// The bucket that is there.
    package static let bucket = "herd-tests"
    /// Who may use it.
    package static let keys = AWSCredentials(
        accessKeyID: "AKIDHERD",
        secretAccessKey: "secret/herd+key"
    )

    /// The same as curl takes it: a name, a colon and a secret.
    package static let login = "\(keys.accessKeyID):\(keys.secretAccessKey)"

    /// SeaweedFS, which checks signatures.
    package static let seaweed = Task { try await startSeaweed() }
    /// moto, which imitates AWS more closely but takes every signature.
    package static let moto = Task { try await startMoto() }

    private static func startSeaweed() async throws -> S3Server {
        let folder = NSTemporaryDirectory() + "herd-seaweed-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let identities = """
            {"identities":[{"name":"herd","credentials":[{"accessKey":"\(keys.accessKeyID)",
            "secretKey":"\(keys.secretAccessKey)"}],"actions":["Admin","Read","Write","List"]}]}
            """
        try identities.write(toFile: folder + "/s3.json", atomically: true, encoding: .utf8)
        let names = [
            "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port",
            "filer.port.grpc", "s3.port.grpc",
        ]
        let ports = try names.map { "-\($0)=\(try ReservedPort.make())" }
        let port = try ReservedPort.make()
        let domain = "s3.herd.test"
        let (process, _) = try await ServerProcess.start(
            [
                try ServerTools.path("weed"), "server", "-dir=\(folder)", "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1", "-filer", "-s3", "-s3.port=\(port)", "-s3.port.iceberg=0",
                "-s3.port.lance=0", "-s3.config=\(folder)/s3.json", "-s3.domainName=\(domain)",
                "-master.volumeSizeLimitMB=256",
                // As many volumes as the disk has room for, for blobs of several GiB.
                "-volume.max=0",
            ] + ports
        ) { $0.contains("Start Seaweed S3 API Server") }
        let server = S3Server(address: "127.0.0.1:\(port)", domain: domain, process: process)
        try await server.makeBucket()
        return server
    }

    private static func startMoto() async throws -> S3Server {
        let (process, line) = try await ServerProcess.start(
            [try ServerTools.path("moto_server"), "-H", "127.0.0.1", "-p", "0"],
            environment: ["PYTHONUNBUFFERED": "1"]
        ) { $0.contains("Running on http://") }
        guard let range = line.range(of: "http://") else {
            throw ServerFailure(description: "no address in \(line)")
        }
        let address = line[range.upperBound...].prefix { $0 != "/" && !$0.isWhitespace }
        let server = S3Server(address: String(address), domain: nil, process: process)
        try await server.makeBucket()
        return server
    }

    private func makeBucket() async throws {
        let signing = SigV4Request(method: "PUT", host: address, path: "/\(Self.bucket)")
        let headers = signing.signed(by: Self.keys, region: "us-east-1", service: "s3", at: .now)
        // Its parts come up one after another; a store that has no master yet says 500 or 503.
        let request = ClientRequest(
            .put,
            "http://\(address)/\(Self.bucket)",
            headers: headers,
            retry: RetryPolicy(
                attemptsMax: 40,
                pause: .milliseconds(100),
                pauseMax: .milliseconds(500),
                statuses: [500, 502, 503]
            )
        )
        _ = try await testClient.collect(request, upTo: 1 << 20)
    }

    /// The backend's configuration, with what `more` adds, below a root that no other test uses.
    package func yaml(_ namePath: String, _ more: [String: String] = [:]) -> String {
        var keys = [
            "username": "herd", "region": "us-east-1", "bucket": Self.bucket,
            "root_directory": "/\(UUID().uuidString)/root", "name_path": namePath,
            "endpoint": "http://\(address)", "force_path_style": "true",
            "upload_part_size": "5MB", "upload_concurrency": "3", "list_max_keys": "4",
        ]
        keys.merge(more) { $1 }
        let lines = keys.sorted { $0.key < $1.key }.map { "      \($0.key): \($0.value)" }
        return """
            backends:
            - namespace: .*
              backend:
                s3:
            \(lines.joined(separator: "\n"))
            auth: {s3: {herd: {s3: {aws_access_key_id: \(Self.keys.accessKeyID),
                   aws_secret_access_key: \(Self.keys.secretAccessKey)}}}}
            """
    }
}
