// SPDX-License-Identifier: Apache-2.0

import Backends
import ClusterConfiguration
import Content
import Files
import Testing

@Suite("Backend table") struct BackendTableTests {
    private func table(_ rows: [(String, String)]) throws -> BackendTable {
        try BackendTable(
            rules: rows.map {
                BackendRule(namespacePattern: $0.0, backend: .file(root: $0.1, namePath: .identity))
            },
            http: testClient,
            pool: .singleton
        )
    }

    @Test("the first row whose pattern is found anywhere wins")
    func firstMatch() throws {
        let table = try table([
            ("library/.*", "/library"), ("^team-[0-9]+/", "/team"), (".*", "/rest"),
        ])
        #expect(try table.backend(for: "library/busybox").name == "file:/library")
        #expect(try table.backend(for: "mirror/library/busybox:1").name == "file:/library")
        #expect(try table.backend(for: "team-7/app").name == "file:/team")
        #expect(try table.backend(for: "x/team-7/app").name == "file:/rest")
        #expect(try table.backend(for: Namespace.proxyUploads).name == "file:/rest")
        #expect(try table.backend(for: "").name == "file:/rest")
    }

    @Test("a namespace without a row is an error that names it and the remedy")
    func noMatch() throws {
        let table = try table([("^library/", "/library")])
        let error = #expect(throws: BackendError.self) { try table.backend(for: "other") }
        #expect(error?.code == .noBackend)
        #expect(error?.description.contains("other") == true)
        #expect(error?.description.contains("add a row") == true)
    }

    @Test("__noop__ always has the backend that keeps nothing")
    func noop() async throws {
        let backend = try table([]).backend(for: "__noop__")
        try await backend.put("name", "text")
        #expect(try await backend.stat("name", namespace: anyNamespace) == nil)
    }

    @Test("a pattern that is none is refused at once")
    func badPattern() {
        #expect(throws: BackendError.self) { try table([("(", "/x")]) }
    }

    @Test(
        "names become the paths that Kraken gives them",
        arguments: [
            (
                NamePath.dockerTag, "library/redis:6.2",
                "docker/registry/v2/repositories/library/redis/_manifests/tags/6.2/current/link"
            ),
            (
                .shardedDockerBlob,
                "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
                "docker/registry/v2/blobs/sha256/2c/"
                    + "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824/data"
            ),
            (.identity, "a/b:c", "a/b:c"),
        ]
    )
    func namePaths(_ namePath: NamePath, name: String, path: String) throws {
        #expect(try namePath.path(of: name) == path)
        #expect(namePath.name(at: path) == name)
    }

    @Test(
        "names of another form have no path",
        arguments: [
            (NamePath.dockerTag, "no-tag"), (.dockerTag, "UPPER:1"), (.dockerTag, "a/../b:1"),
            (.shardedDockerBlob, "2cf2"), (.identity, "../x"),
        ]
    )
    func badNames(_ namePath: NamePath, name: String) {
        #expect(throws: BackendError.self) { try namePath.path(of: name) }
    }

    @Test("backend URLs say which backend and where")
    func urls() throws {
        #expect(
            try BackendConfiguration(url: "file:/var/backend", purpose: .blobs)
                == .file(root: "/var/backend", namePath: .shardedDockerBlob)
        )
        #expect(
            try BackendConfiguration(url: "file:///var/backend", purpose: .tags)
                == .file(root: "/var/backend", namePath: .dockerTag)
        )
        #expect(
            try BackendConfiguration(url: "testfs://h:14000/a/b/", purpose: .tags)
                == .testfs(address: "h:14000", root: "a/b", namePath: .dockerTag)
        )
        for bad in [
            "file:relative", "testfs://host/x", "testfs://:1/x", "s3://x", "", "testfs://h:99999",
        ] {
            #expect(throws: BackendURLError.self) {
                try BackendConfiguration(url: bad, purpose: .tags)
            }
        }
    }
}
