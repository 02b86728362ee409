// SPDX-License-Identifier: Apache-2.0

import Backends
import ClusterConfiguration
import Content
import Files
import Foundation
import TestServers
import TestSupport
import Testing

/// What Google's storage, databases and shadows do beside the contract of all backends.
@Suite("Other backends") struct SpecialBackendTests {
    @Test(
        "Google's tokens are given for a signed statement, once",
        .enabled(if: ServerTools.has(GCSServer.program))
    )
    func tokens() async throws {
        try await GCSServer.shared.value.withYAML("identity") { yaml, service async throws in
            let backend = try backend(yaml: yaml)
            for name in ["a", "b", "c"] { try await backend.put(name, name) }
            #expect(try await backend.text("b") == "b")
            #expect(service.accepted.count == 1)
            let claims = try #require(service.accepted.first)
            #expect(claims.contains("\"iss\":\"herd@test\""))
            #expect(claims.contains("devstorage.read_write"))
        }
    }

    @Test("a key that is none is refused without being shown")
    func badKey() throws {
        let yaml = """
            backends:
            - namespace: .*
              backend: {gcs: {username: u, bucket: b, root_directory: /, name_path: identity}}
            auth: {gcs: {u: {gcs: {access_blob: '{"private_key":"hidden"}'}}}}
            """
        let error = #expect(throws: ConfigurationError.self) {
            try BackendCatalog.check(rules(yaml))
        }
        #expect(error?.why == "it is no service account's key")
        #expect(error?.description.contains("hidden") == false)
    }

    @Test(
        "a directory on the file system of what is uploaded gets a link to it, unless its bytes are to be counted out"
    )
    func linkedFile() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = "\(folder)/source"
            // Small ones are copied, in one visit to the pool's threads.
            let text = String(repeating: "some bytes", count: 10_000)
            try Data(text.utf8).write(to: URL(filePath: path))
            let file = try SharedFile.openForReading(path)
            let source = BackendSource.file(file, count: text.utf8.count)
            var paced = source
            paced.pace = { _ in }
            let backend = try backend("file: {root: \(folder)/root, name_path: identity}")
            for (name, source, links) in [("linked", source, 2), ("copied", paced, 1)] {
                try await backend.upload(name, namespace: anyNamespace, from: source)
                #expect(try await backend.text(name) == text)
                let attributes = try FileManager.default.attributesOfItem(
                    atPath: "\(folder)/root/\(name)"
                )
                #expect(attributes[.referenceCount] as? Int == links)
            }
            // An object is replaced as a name, so what it was linked to stays as it is.
            try await backend.put("linked", "others")
            #expect(try String(contentsOfFile: path, encoding: .utf8) == text)
            #expect(throws: Never.self) { try FileManager.default.removeItem(atPath: path) }
            await backend.close()
        }
    }

    @Test("tags in a database are those that Kraken reads, and outlive the process")
    func database() async throws {
        try await withTemporaryFolder { folder async throws in
            let row = "sql: {dialect: sqlite3, connection_string: 'file:\(folder)/tags.db'}"
            let first = try backend(row)
            try await first.put("a/b:1", "sha256:x")
            try await first.put("a/b:1", "sha256:y")
            await first.close()
            let second = try backend(row)
            #expect(try await second.text("a/b:1") == "sha256:y")
            #expect(try await second.list(.init()).names == ["a/b:1"])
            #expect(try await second.stat("a/b:2", namespace: anyNamespace) == nil)
            for name in ["no-tag", "../x:1"] {
                let error = await #expect(throws: BackendError.self) {
                    try await second.put(name, "x")
                }
                #expect(error?.code == .invalidName)
            }
            await #expect(throws: BackendError.self) {
                try await second.put("a/b:1", String(repeating: "x", count: 3000))
            }
            await second.close()
            let elsewhere = try backend(
                "sql: {dialect: sqlite3, connection_string: '\(folder)/none/tags.db'}"
            )
            let error = await #expect(throws: BackendError.self) {
                try await elsewhere.put("a:1", "x")
            }
            #expect(error?.remedy.contains("directory") == true)
        }
    }

    @Test(
        "databases without a client are refused with what to do",
        arguments: ["mysql", "postgres"]
    )
    func dialects(_ dialect: String) throws {
        let error = #expect(throws: ConfigurationError.self) {
            try BackendCatalog.check(
                rules(
                    "backends: [{namespace: .*, backend: {sql: {dialect: \(dialect), connection_string: x}}}]"
                )
            )
        }
        #expect(error?.description.contains("there is no client for it") == true)
        #expect(error?.remedy?.contains("use sqlite3") == true)
    }

    @Test("a shadow gets everything, and what only one has is missing")
    func shadow() async throws {
        try await withTemporaryFolder { folder async throws in
            func file(_ name: String) -> String {
                "file: {root: \(folder)/\(name), name_path: identity}"
            }
            let both = try backend(
                "shadow: {active_backend: {\(file("a"))}, shadow_backend: {\(file("b"))}}"
            )
            let (active, shadow) = (try backend(file("a")), try backend(file("b")))
            try await both.put("x", "text")
            #expect(try await active.text("x") == "text")
            #expect(try await shadow.text("x") == "text")
            try await active.put("y", "text")
            #expect(try await both.stat("y", namespace: anyNamespace) == nil)
            #expect(try await both.text("y") == "text")
            try await both.put("y", "text")
            #expect(try await both.stat("y", namespace: anyNamespace)?.bytes == 4)
        }
        let nested =
            "shadow: {active_backend: {file: {root: r, name_path: identity}}, shadow_backend: {}}"
        let error = #expect(throws: ConfigurationError.self) {
            try BackendCatalog.check(rules("backends: [{namespace: .*, backend: {\(nested)}}]"))
        }
        #expect(error?.description.contains("active_backend.file.root: r is not absolute") == true)
    }
}
