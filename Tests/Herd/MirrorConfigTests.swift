// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Content
import Foundation
import TestSupport
import Testing

@testable import Herd

@Suite("Mirror configuration") struct MirrorConfigTests {
    private static let registries = ["docker.io", "quay.io", "localhost:5000"]

    private func run(_ root: String, _ more: [String] = []) async throws {
        let words =
            ["mirror", "config", "--root", root, "--agent", "127.0.0.1:16010", "--registry"]
            + Self.registries + more
        var command = try #require(
            try HerdCommand.parseAsRoot(words) as? MirrorCommand.Config
        )
        try command.validate()
        try await command.run()
    }

    /// Every file below `root`, with what it holds.
    private func files(_ root: String) throws -> [String: String] {
        var files: [String: String] = [:]
        for path in try FileManager.default.subpathsOfDirectory(atPath: root) {
            guard let data = FileManager.default.contents(atPath: "\(root)/\(path)") else {
                continue
            }
            files[path] = String(decoding: data, as: UTF8.self)
        }
        return files
    }

    @Test("writes all files, a second time nothing, and removes what it has written")
    func fresh() async throws {
        try await withTemporaryFolder { root in
            try await run(root)
            let written = try files(root)
            #expect(
                written["etc/containerd/certs.d/localhost:5000/hosts.toml"] == """
                    # herd mirror config: begin 127.0.0.1:16010
                    [host."http://127.0.0.1:16010"]
                      capabilities = ["pull", "resolve"]
                    # herd mirror config: end 127.0.0.1:16010

                    """
            )
            let registries = try #require(
                written["etc/containers/registries.conf.d/50-herd-mirror.conf"]
            )
            #expect(registries.contains(#"location = "127.0.0.1:16010/localhost_5000""#))
            #expect(registries.contains(#"prefix = "quay.io""#))
            let daemon = try JSON(parsing: try #require(written["etc/docker/daemon.json"]))
            #expect(daemon["registry-mirrors"] == .array([.string("http://127.0.0.1:16010")]))
            #expect(written.count == 5)
            try await run(root)
            #expect(try files(root) == written)
            try await run(root, ["--remove"])
            #expect(try files(root) == [:])
            try await run(root, ["--remove"])
            #expect(try files(root) == [:])
        }
    }

    @Test("keeps what others have written, to the letter once it is removed")
    func others() async throws {
        try await withTemporaryFolder { root in
            let before = [
                "etc/docker/daemon.json":
                    #"{"debug":true,"registry-mirrors":["https://other"],"log-opts":{"a":"1"}}"#,
                "etc/containerd/certs.d/quay.io/hosts.toml":
                    "server = \"https://quay.io\"\n\n[host.\"https://other\"]\n  ca = \"x\"",
                "etc/containers/registries.conf.d/50-herd-mirror.conf": "# of somebody else",
                "etc/containers/registries.conf.d/000-shortnames.conf": "[aliases]\n",
            ]
            for (path, text) in before {
                let url = URL(filePath: "\(root)/\(path)")
                try FileManager.default.createDirectory(
                    at: url.deletingLastPathComponent(),
                    withIntermediateDirectories: true
                )
                try Data(text.utf8).write(to: url)
            }
            let secret = "\(root)/etc/docker/daemon.json"
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: secret)
            try await run(root)
            let after = try files(root)
            let hosts = try #require(after["etc/containerd/certs.d/quay.io/hosts.toml"])
            let place = try #require(hosts.firstRange(of: "# herd mirror config: begin"))
            #expect(hosts[..<place.lowerBound] == "server = \"https://quay.io\"\n\n")
            #expect(hosts.hasSuffix("[host.\"https://other\"]\n  ca = \"x\""))
            let daemon = try JSON(parsing: try #require(after["etc/docker/daemon.json"]))
            #expect(daemon["debug"] == .bool(true))
            #expect(
                daemon["registry-mirrors"]
                    == .array([.string("http://127.0.0.1:16010"), .string("https://other")])
            )
            let mode = try FileManager.default.attributesOfItem(atPath: secret)
            #expect(mode[.posixPermissions] as? Int == 0o600)
            for (path, text) in before where after[path] != text {
                #expect(after[path + ".herd-backup"] == text)
            }
            try await run(root, ["--remove"])
            #expect(try files(root) == before)
        }
    }

    @Test("changes nothing that it does not understand")
    func broken() async throws {
        try await withTemporaryFolder { root in
            let folder = "\(root)/etc/docker"
            try FileManager.default.createDirectory(
                atPath: folder,
                withIntermediateDirectories: true
            )
            for text in ["{", "[]", #"{"registry-mirrors": "x"}"#] {
                try Data(text.utf8).write(to: URL(filePath: "\(folder)/daemon.json"))
                await #expect(throws: Failure.self) {
                    try await run(root, ["--client", "docker"])
                }
                #expect(try files(root) == ["etc/docker/daemon.json": text])
            }
        }
    }

    @Test(
        "refuses what is no address or registry",
        arguments: [
            ["--agent", "127.0.0.1"], ["--registry", "docker.io/library"], ["--registry", "a\"b"],
            ["--client", "rkt"],
        ]
    )
    func usage(_ words: [String]) {
        #expect(throws: (any Error).self) {
            try HerdCommand.parseAsRoot(["mirror", "config"] + words)
        }
    }
}
