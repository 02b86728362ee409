// SPDX-License-Identifier: Apache-2.0

import Backends
import Content
import Files
import Foundation
import NIOCore
import Primitives
import TestServers
import TestSupport
import Testing

/// What the backends do that can only be read, each over a real server that was filled by other means.
@Suite("Read-only backends") struct ReadOnlyBackendTests {
    private static func needs(_ program: String) -> Bool { ServerTools.has(program) }

    private func expectUnsupported(
        _ backend: any Backend,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async {
        let upload = await #expect(throws: BackendError.self, sourceLocation: sourceLocation) {
            try await backend.put("a/b:c", "x")
        }
        #expect(upload?.code == .unsupported, sourceLocation: sourceLocation)
        let list = await #expect(throws: BackendError.self, sourceLocation: sourceLocation) {
            _ = try await backend.list(.init())
        }
        #expect(list?.code == .unsupported, sourceLocation: sourceLocation)
    }

    // MARK: - A web server

    @Test(
        "reads from a web server by a template",
        .enabled(if: needs("nginx")),
        arguments: ["files/%s", "moved/files/{name}", "{namespace}/%s"]
    )
    func web(_ template: String) async throws {
        let server = try await WebServer.shared.value
        var generator = Generator(seed: 7)
        for count in [0, 1, 3 << 20] {
            let bytes = generator.bytes(count)
            let name = "\(UUID().uuidString)-\(count)"
            try server.put("files/\(name)", bytes)
            try server.put("TODO/\(name)", bytes)
            let backend = try backend(
                "http: {download_url: 'http://\(server.address)/\(template)'}"
            )
            #expect(try await backend.stat(name, namespace: anyNamespace)?.bytes == count)
            #expect(try await backend.bytes(name) == bytes)
            await expectUnsupported(backend)
        }
    }

    @Test("says what a web server does not have, and what it refuses", .enabled(if: needs("nginx")))
    func webErrors() async throws {
        let server = try await WebServer.shared.value
        let files = try backend("http: {download_url: 'http://\(server.address)/files/%s'}")
        #expect(try await files.stat("missing", namespace: anyNamespace) == nil)
        let missing = await #expect(throws: BackendError.self) {
            _ = try await files.text("missing")
        }
        #expect(missing?.code == .notFound)
        await #expect(throws: BackendError.self) { _ = try await files.text("../../etc/passwd") }
        let secret = try backend("http: {download_url: 'http://\(server.address)/secret/%s'}")
        let refused = await #expect(throws: BackendError.self) { _ = try await secret.text("x") }
        #expect(refused?.code == .failed && refused?.remedy.contains("credentials") == true)
    }

    // MARK: - A registry

    private func security(_ registry: DockerRegistry, _ more: String) -> String {
        "{address: '\(registry.address)', security: {tls: {client: {disabled: true}}, \(more)}}"
    }

    /// A registry, filled, as seen through `settings`.
    private func check(
        _ registry: DockerRegistry,
        _ settings: String,
        context: BackendContext
    ) async throws {
        let repository = "library/\(UUID().uuidString.lowercased())"
        let namespace = try Namespace(repository)
        var generator = Generator(seed: 3)
        let bytes = generator.bytes(3 << 20)
        let digest = try await registry.push(bytes, to: repository)
        let (manifest, manifestBytes) = try await registry.push(tag: "v1", of: repository)
        _ = try await registry.push(tag: "v2", of: repository)

        let blobs = try backend(
            yaml: "backends: [{namespace: .*, backend: {registry_blob: \(settings)}}]",
            context: context
        )
        #expect(try await blobs.stat(digest.hex, namespace: namespace)?.bytes == bytes.count)
        #expect(try await blobs.bytes(digest.hex, namespace) == bytes)
        // A manifest is found by its digest, too.
        #expect(try await blobs.stat(manifest.hex, namespace: namespace)?.bytes == manifestBytes)
        #expect(try await blobs.bytes(manifest.hex, namespace).count == manifestBytes)
        let missing = Digest.random(&generator).hex
        #expect(try await blobs.stat(missing, namespace: namespace) == nil)
        let error = await #expect(throws: BackendError.self) {
            _ = try await blobs.bytes(missing, namespace)
        }
        #expect(error?.code == .notFound)
        #expect(try await blobs.stat(missing, namespace: Namespace(missing)) == nil)
        await expectUnsupported(blobs)

        let tags = try backend(
            yaml: "backends: [{namespace: .*, backend: {registry_tag: \(settings)}}]",
            context: context
        )
        #expect(try await tags.text("\(repository):v1") == manifest.description)
        #expect(try await tags.stat("\(repository):v1", namespace: namespace)?.bytes == 71)
        #expect(try await tags.stat("\(repository):v9", namespace: namespace) == nil)
        let names = ["\(repository):v1", "\(repository):v2"]
        #expect(try await tags.list(.init(prefix: "\(repository):")).names == names)
        #expect(
            try await tags.list(.init(prefix: "/\(repository)/_manifests/tags")).names == names
        )
        await expectUnsupported(tags)
    }

    @Test("reads from a registry that everybody may use", .enabled(if: needs("docker-registry")))
    func openRegistry() async throws {
        let registry = try await DockerRegistry.open.value
        for more in ["basic: {username: '', password: ''}", "credsStore: ''"] {
            try await check(registry, security(registry, more), context: testContext)
        }
        // It has no TLS, and may be asked without.
        let fallback = "{address: '\(registry.address)', security: {enableHTTPFallback: true}}"
        try await check(registry, fallback, context: testContext)
    }

    @Test("reads from a registry that wants a password", .enabled(if: needs("docker-registry")))
    func closedRegistry() async throws {
        let registry = try await DockerRegistry.closed.value
        let basic = "basic: {username: herd, password: herd-secret}"
        try await check(registry, security(registry, basic), context: testContext)
        for more in ["basic: {username: herd, password: wrong}", "credsStore: ''"] {
            let blobs = try backend("registry_blob: \(security(registry, more))")
            let error = await #expect(throws: BackendError.self) {
                _ = try await blobs.stat(
                    String(repeating: "a", count: 64),
                    namespace: Namespace("a/b")
                )
            }
            #expect(error?.code == .failed && error?.remedy.contains("credentials") == true)
            #expect(error?.description.contains("wrong") == false)
        }
    }

    @Test(
        "asks a credential helper, and the password when that fails",
        .enabled(if: needs("docker-registry"))
    )
    func credentialHelper() async throws {
        let registry = try await DockerRegistry.closed.value
        try await withTemporaryFolder { folder async throws in
            func install(_ name: String, _ script: String) throws {
                let path = "\(folder)/docker-credential-\(name)"
                try ("#!/bin/sh\n" + script).write(toFile: path, atomically: true, encoding: .utf8)
                try FileManager.default.setAttributes(
                    [.posixPermissions: 0o755],
                    ofItemAtPath: path
                )
            }
            let secret = "{\"Username\":\"herd\",\"Secret\":\"herd-secret\"}"
            try install(
                "good",
                "read server; test \"$1 $server\" = 'get \(registry.address)' && echo '\(secret)'\n"
            )
            try install("bad", "echo credentials not found in native keychain; exit 1\n")
            let context = BackendContext(
                http: testClient,
                pool: .singleton,
                environment: ["PATH": "\(folder):/usr/bin:/bin"]
            )
            try await check(registry, security(registry, "credsStore: good"), context: context)
            let basic = "basic: {username: herd, password: herd-secret}"
            let both = security(registry, "credsStore: bad, \(basic)")
            try await check(registry, both, context: context)
            for (name, why) in [("bad", "native keychain"), ("none", "no such program")] {
                let blobs = try backend(
                    yaml: """
                        backends: [{namespace: .*, backend: {registry_blob:
                          \(security(registry, "credsStore: \(name)"))}}]
                        """,
                    context: context
                )
                let error = await #expect(throws: BackendError.self) {
                    _ = try await blobs.stat(
                        String(repeating: "a", count: 64),
                        namespace: Namespace("a/b")
                    )
                }
                #expect(error?.why.contains(why) == true, "\(String(describing: error))")
            }
        }
    }

    @Test(
        "logs in to Amazon's registry with a token for AWS keys",
        .enabled(if: needs("docker-registry") && needs("moto_server"))
    )
    func amazonRegistry() async throws {
        let registry = try await DockerRegistry.amazon.value
        let moto = try await S3Server.moto.value
        let context = BackendContext(
            http: testClient,
            pool: .singleton,
            environment: [
                "AWS_ENDPOINT_URL_ECR": "http://\(moto.address)", "AWS_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret",
            ]
        )
        try await check(registry, security(registry, "credsStore: ecr-login"), context: context)
    }
}

extension Backend {
    func bytes(_ name: String, _ namespace: Namespace) async throws -> [UInt8] {
        var whole: [UInt8] = []
        try await download(name, namespace: namespace) { whole += $0.readableBytesView }
        return whole
    }
}
