// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Telemetry
import Testing

@testable import Herd

@Suite("Configuration commands") struct ConfigCommandTests {
    private func options(_ text: String, secrets: String? = nil) throws -> ConfigurationOptions {
        let folder = FileManager.default.temporaryDirectory.path + "/config-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try text.write(toFile: folder + "/f.yaml", atomically: true, encoding: .utf8)
        var arguments = [folder + "/f.yaml"]
        if let secrets {
            try secrets.write(toFile: folder + "/s.yaml", atomically: true, encoding: .utf8)
            arguments += ["--secrets", folder + "/s.yaml"]
        }
        return try ConfigurationOptions.parse(arguments)
    }

    private static let origin = """
        castore: {cache_dir: /var/herd/cache}
        blobserver: {}
        hashring: {max_replica: 3}
        backends:
        - namespace: .*
          backend: {s3: {username: u, region: r, bucket: b, root_directory: /x, name_path: identity}}
        """

    @Test("prints what is set and what is not, without secrets")
    func print() throws {
        let secrets = "auth: {s3: {u: {s3: {aws_access_key_id: i, aws_secret_access_key: hidden}}}}"
        let (kind, settings) = try options(Self.origin, secrets: secrets).load()
        #expect(kind == .origin)
        let lines = ConfigPrintCommand.lines(settings)
        #expect(lines.contains("data_dir: /var/herd"))
        #expect(lines.contains("backends[0]: .* → s3 b/x (identity)"))
        #expect(lines.contains { $0.hasPrefix("healthcheck.fails: ") && $0.hasSuffix("# default") })
        #expect(!lines.joined().contains("hidden"))
    }

    @Test("a backend that cannot be used is found without starting")
    func check() throws {
        let error = #expect(throws: Failure.self) { try options(Self.origin).load() }
        #expect("\(String(describing: error))".contains("no credentials of u"))
    }

    @Test(
        "a registry that tags are replicated to is checked, too, with what the file of secrets adds"
    )
    func registryRemotes() throws {
        func file(_ registry: String) -> String {
            """
            data_dir: /b
            tagserver: {}
            origin: {hosts: {static: ["a:1"]}}
            backends: [{namespace: .*, backend: {testfs: {addr: "t:1", name_path: docker_tag}}}]
            remotes: {harbor: {tags: ["^team/"], registry: \(registry)}}
            """
        }
        let secrets =
            "remotes: {harbor: {registry: {security: {basic: {username: u, password: hidden}}}}}"
        let (kind, settings) = try options(file("{address: h.example}"), secrets: secrets).load()
        #expect(kind == .buildIndex)
        let lines = ConfigPrintCommand.lines(settings)
        #expect(lines.contains("remotes.harbor: [^team/] → registry h.example/{repository}"))
        #expect(!lines.joined().contains("hidden"))
        let error = #expect(throws: Failure.self) { try options(file("{adress: h}")).load() }
        #expect("\(String(describing: error))".contains("remotes.harbor.registry"))
    }
}
