// SPDX-License-Identifier: Apache-2.0

import Backends
import ClusterConfiguration
import Content
import Files
import Primitives
import Testing

@Suite("Backend table") struct BackendTableTests {
    private func table(_ rows: [(String, String)]) throws -> BackendTable {
        try BackendTable(
            rules: rows.map {
                BackendRule(namespacePattern: $0.0, backend: .file(root: $0.1, namePath: .identity))
            },
            context: testContext
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

    @Test(
        "a row that cannot be read is named with its line",
        arguments: [
            ("{s4: {bucket: b}}", "the kind s4 is not supported; use one of file, testfs, s3"),
            ("{file: {root: r, name_path: identity}}", "file.root: r is not absolute"),
            ("{file: {root: /r}}", "the key name_path is missing"),
            (
                "{file: {root: /r, name_path: identity, rot: 1}}",
                "rot: unknown key; did you mean root?"
            ),
            ("{http: {download_url: 'http://u:p@h/%s'}}", "credentials in an address are not used"),
            ("{file: {}, testfs: {}}", "expected exactly one kind of backend"),
            (
                "{s3: {username: u, region: r, bucket: b, root_directory: /, name_path: identity}}",
                "no credentials of u; set auth.s3.u.s3, best in the file of --secrets"
            ),
        ]
    )
    func unreadable(_ backend: String, _ why: String) throws {
        let error = #expect(throws: ConfigurationError.self) {
            try BackendCatalog.check(rules("backends:\n- namespace: .*\n  backend: \(backend)"))
        }
        #expect(error?.description.hasPrefix("f.yaml:3: backends[0].backend") == true)
        #expect(error?.description.contains(why) == true, "\(error?.description ?? "")")
    }

    @Test("equal rows share a backend's configuration, and secrets stay out of texts")
    func equality() throws {
        let row = "{namespace: .*, backend: {file: {root: /r, name_path: identity}}}"
        let read = try rules("backends: [\(row), \(row)]\nauth: {s3: {u: {s3: {key: hidden}}}}")
        #expect(read[0] == read[1])
        #expect(!"\(read)".contains("hidden"))
    }

    @Test("bandwidth is read as Kraken writes it")
    func bandwidth() throws {
        let file = "backend: {file: {root: /r, name_path: identity}}"
        func read(_ text: String) throws -> BackendBandwidth? {
            try rules("backends: [{namespace: .*, \(file), bandwidth: \(text)}]")[0].bandwidth
        }
        let both = try read("{enable: true, egress_bits_per_sec: 8000, ingress_bits_per_sec: 80}")
        #expect(both?.egress.bytesPerSecond == 1000 && both?.ingress.bytesPerSecond == 10)
        #expect(try read("{enable: false, egress_bits_per_sec: 8000}") == nil)
        #expect(try read("{enabled: true}") == .unsaid)
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
