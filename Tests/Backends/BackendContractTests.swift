// SPDX-License-Identifier: Apache-2.0

import Backends
import ClusterConfiguration
import Content
import Files
import NIOCore
import Primitives
import TestSupport
import Testing

/// What every backend must do, whatever stands behind it.
@Suite("Backend contract") struct BackendContractTests {
    @Test("an object that was never written is not found", arguments: BackendKind.allCases)
    func missing(_ kind: BackendKind) async throws {
        try await kind.withBackend(.identity) { backend async throws in
            #expect(try await backend.stat("a/b", namespace: anyNamespace) == nil)
            await #expect(throws: BackendError.self) { _ = try await backend.text("a/b") }
            let error = await #expect(throws: BackendError.self) {
                try await backend.download("a/b", namespace: anyNamespace) { _ in }
            }
            #expect(error?.code == .notFound)
        }
    }

    @Test(
        "what is written is read back, byte for byte",
        arguments: BackendKind.allCases,
        [0, 1, 70_000, 3 << 20]
    )
    func roundTrip(_ kind: BackendKind, bytes count: Int) async throws {
        var generator = Generator(seed: UInt64(count) + 1)
        let content = generator.bytes(count)
        let folder = try TemporaryFolder()
        let path = folder.path + "/source"
        try AtomicFile.write(content, to: path, durable: false)
        let source = try SharedFile.openForReading(path)
        try await kind.withBackend(.identity) { backend in
            try await backend.upload(
                "blob",
                namespace: anyNamespace,
                from: .file(source, count: count)
            )
            #expect(try await backend.stat("blob", namespace: anyNamespace)?.bytes == count)
            #expect(try await backend.bytes("blob") == content)
            try await backend.upload(
                "copy",
                namespace: anyNamespace,
                from: .bytes(ByteBuffer(bytes: content))
            )
            #expect(try await backend.bytes("copy") == content)
        }
    }

    @Test("an upload replaces what the name held before", arguments: BackendKind.allCases)
    func replacement(_ kind: BackendKind) async throws {
        try await kind.withBackend(.dockerTag) { backend in
            for text in ["a long first value", "short"] {
                try await backend.put("library/app:v1", text)
                #expect(try await backend.text("library/app:v1") == text)
            }
            #expect(try await backend.stat("library/app:v1", namespace: anyNamespace)?.bytes == 5)
        }
    }

    @Test("what is removed is gone, and can be written again", arguments: BackendKind.allCases)
    func removal(_ kind: BackendKind) async throws {
        try await kind.withBackend(.dockerTag) { backend in
            for tag in ["repo:v1", "repo:v2"] { try await backend.put(tag, "x") }
            for _ in 0..<2 { try await backend.delete("repo:v1", namespace: anyNamespace) }
            #expect(try await backend.stat("repo:v1", namespace: anyNamespace) == nil)
            #expect(try await backend.list(.init(prefix: "repo:")).names == ["repo:v2"])
            try await backend.put("repo:v1", "y")
            #expect(try await backend.text("repo:v1") == "y")
            #expect(try await backend.list(.init()).names == ["repo:v1", "repo:v2"])
        }
    }

    @Test("concurrent uploads of one name leave one of them whole", arguments: BackendKind.allCases)
    func concurrentUploads(_ kind: BackendKind) async throws {
        try await kind.withBackend(.identity) { backend in
            let contents = (0..<8).map { String(repeating: "\($0)", count: 300_000 + $0) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for content in contents { group.addTask { try await backend.put("same", content) } }
                try await group.waitForAll()
            }
            #expect(contents.contains(try await backend.text("same")))
        }
    }

    @Test("lists the tags of one repository and no other", arguments: BackendKind.allCases)
    func listsTags(_ kind: BackendKind) async throws {
        try await kind.withBackend(.dockerTag) { backend in
            #expect(try await backend.list(.init()).names.isEmpty)
            for tag in ["a/b:2", "a/b:1", "a/b/c:1", "ab:1", "a/bc:1"] {
                try await backend.put(tag, "x")
            }
            #expect(try await backend.list(.init(prefix: "a/b:")).names == ["a/b:1", "a/b:2"])
            let kraken = try await backend.list(.init(prefix: "/a/b/_manifests/tags"))
            #expect(kraken.names == ["a/b:1", "a/b:2"])
            #expect(try await backend.list(.init(prefix: "a/b")).names.count == 4)
            #expect(
                try await backend.list(.init()).names == [
                    "a/b/c:1", "a/b:1", "a/b:2", "a/bc:1", "ab:1",
                ]
            )
            #expect(try await backend.list(.init(prefix: "none:")).names.isEmpty)
        }
    }

    @Test("pages of a list join to the whole", arguments: BackendKind.allCases, [1, 2, 3, 7])
    func pages(_ kind: BackendKind, limit: Int) async throws {
        try await kind.withBackend(.dockerTag) { backend in
            let tags = (1...7).map { "repo:v\($0)" }
            for tag in tags.reversed() { try await backend.put(tag, "x") }
            var request = BackendListRequest(prefix: "repo:", limit: limit)
            var names: [String] = []
            repeat {
                let page = try await backend.list(request)
                #expect(page.names.count <= limit)
                names += page.names
                request.token = page.nextToken
            } while request.token != nil
            #expect(names == tags)
        }
    }

    @Test(
        "names that climb or are of another form are refused",
        arguments: BackendKind.allCases,
        ["../escape", "a/../../escape", "/absolute", "a//b", "", ".", "a/\u{0}b", ".uploads/x"]
    )
    func unsafeNames(_ kind: BackendKind, name: String) async throws {
        try await kind.withBackend(.identity) { backend in
            await #expect(throws: BackendError.self) { try await backend.put(name, "x") }
            await #expect(throws: BackendError.self) {
                _ = try await backend.stat(name, namespace: anyNamespace)
            }
        }
    }
}
