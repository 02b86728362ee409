// SPDX-License-Identifier: Apache-2.0

import Content
import Foundation
import HTTPKit
import HTTPTypes
import NIOCore
import TestServers

/// Docker's registry.
struct DockerRegistry: Sendable {
    let address: String
    /// `user:password`, where it wants some.
    let password: String?
    private let process: ServerProcess

    /// One that everybody may use.
    static let open = Task { try await start(nil) }
    /// One that deletes what it is told to.
    static let deleting = Task { try await start(nil, deletes: true) }
    /// One that wants the name herd and the password herd-secret.
    static let closed = Task { try await start(.herd) }
    /// One that wants what moto gives out as Amazon's password.
    static let amazon = Task { try await start(.amazon) }

    /// Passwords, with their sums by bcrypt.
    enum Login {
        case herd, amazon

        var text: String {
            switch self {
            case .herd: "herd:herd-secret"
            case .amazon: "AWS:123456789012-auth-token"
            }
        }

        var sum: String {
            switch self {
            case .herd: "herd:$2b$05$abcdefghijklmnopqrstuu1KSiQRvuXt/eLDrQ3A/uW4jAy7yXnLm"
            case .amazon: "AWS:$2b$05$abcdefghijklmnopqrstuu/4ofrUS75HrKu6f.iuRo0I/XlrmpqlC"
            }
        }
    }

    private static func start(
        _ login: Login?,
        deletes: Bool = false
    ) async throws -> DockerRegistry {
        let folder = NSTemporaryDirectory() + "herd-registry-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        var configuration = """
            version: 0.1
            storage: {filesystem: {rootdirectory: \(folder)/data}, delete: {enabled: \(deletes)}}
            http: {addr: "127.0.0.1:0"}

            """
        if let login {
            try (login.sum + "\n").write(
                toFile: folder + "/htpasswd",
                atomically: true,
                encoding: .utf8
            )
            configuration += "auth: {htpasswd: {realm: herd, path: \(folder)/htpasswd}}\n"
        }
        try configuration.write(toFile: folder + "/c.yml", atomically: true, encoding: .utf8)
        let (process, line) = try await ServerProcess.start(
            [try ServerTools.path("docker-registry"), "serve", folder + "/c.yml"]
        ) { $0.contains("listening on ") }
        guard let range = line.range(of: "listening on ") else {
            throw ServerFailure(description: "no address in \(line)")
        }
        let address = line[range.upperBound...].prefix { $0 != "\"" && !$0.isWhitespace }
        return DockerRegistry(address: String(address), password: login?.text, process: process)
    }

    private var headers: HTTPFields {
        guard let password else { return [:] }
        return [.authorization: "Basic " + Data(password.utf8).base64EncodedString()]
    }

    /// Pushes `bytes` as a blob of `repository`.
    @discardableResult
    func push(_ bytes: [UInt8], to repository: String) async throws -> Digest {
        let digest = Digest(hashing: bytes)
        let (begun, _) = try await testClient.collect(
            ClientRequest(
                .post,
                "http://\(address)/v2/\(repository)/blobs/uploads/",
                headers: headers,
                acceptedStatuses: [202]
            ),
            upTo: 1 << 20
        )
        let location = begun.headers[.location] ?? ""
        _ = try await testClient.collect(
            ClientRequest(
                .put,
                "\(location)&digest=\(digest)",
                headers: headers,
                body: .bytes(ByteBuffer(bytes: bytes)),
                acceptedStatuses: [201]
            ),
            upTo: 1 << 20
        )
        return digest
    }

    /// Pushes an image of one layer and tags it; answers the manifest's digest and length.
    func push(tag: String, of repository: String) async throws -> (Digest, bytes: Int) {
        let config = Array("{}".utf8)
        let digest = try await push(config, to: repository)
        let type = "application/vnd.docker.distribution.manifest.v2+json"
        let manifest = """
            {"schemaVersion":2,"mediaType":"\(type)","config":{"mediaType":
            "application/vnd.docker.container.image.v1+json","size":2,"digest":"\(digest)"},
            "layers":[],"tag":"\(tag)"}
            """
        var headers = headers
        headers[.contentType] = type
        _ = try await testClient.collect(
            ClientRequest(
                .put,
                "http://\(address)/v2/\(repository)/manifests/\(tag)",
                headers: headers,
                body: .bytes(ByteBuffer(string: manifest)),
                acceptedStatuses: [201]
            ),
            upTo: 1 << 20
        )
        return (Digest(hashing: Array(manifest.utf8)), manifest.utf8.count)
    }
}
