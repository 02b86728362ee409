// SPDX-License-Identifier: Apache-2.0

import Backends
import ClusterConfiguration
import Content
import Files
import NIOCore
import Primitives
import Synchronization
import TestSupport
import Testing

/// What every backend must do, whatever stands behind it.
@Suite("Backend contract") struct BackendContractTests {
    @Test("an object that was never written is not found", arguments: BackendKind.available)
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
        arguments: BackendKind.available,
        [0, 1, 70_000, 13 << 20]
    )
    func roundTrip(_ kind: BackendKind, bytes count: Int) async throws {
        var generator = Generator(seed: UInt64(count) + 1)
        let content = generator.bytes(count)
        let folder = try TemporaryFolder()
        let path = folder.path + "/source"
        try AtomicFile.write(content, to: path, durable: false)
        let source = try SharedFile.openForReading(path)
        try await kind.withBackend(.identity) { backend async throws in
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

    @Test("an upload replaces what the name held before", arguments: BackendKind.tagStores)
    func replacement(_ kind: BackendKind) async throws {
        try await kind.withBackend(.dockerTag) { backend async throws in
            for text in ["a long first value", "short"] {
                try await backend.put("library/app:v1", text)
                #expect(try await backend.text("library/app:v1") == text)
            }
            #expect(try await backend.stat("library/app:v1", namespace: anyNamespace)?.bytes == 5)
        }
    }

    @Test("what is removed is gone, and can be written again", arguments: BackendKind.tagStores)
    func removal(_ kind: BackendKind) async throws {
        try await kind.withBackend(.dockerTag) { backend async throws in
            for tag in ["repo:v1", "repo:v2"] { try await backend.put(tag, "x") }
            for _ in 0..<2 { try await backend.delete("repo:v1", namespace: anyNamespace) }
            #expect(try await backend.stat("repo:v1", namespace: anyNamespace) == nil)
            #expect(try await backend.list(.init(prefix: "repo:")).names == ["repo:v2"])
            try await backend.put("repo:v1", "y")
            #expect(try await backend.text("repo:v1") == "y")
            #expect(try await backend.list(.init(prefix: "repo:")).names == ["repo:v1", "repo:v2"])
        }
    }

    @Test(
        "concurrent uploads of one name leave one of them whole",
        arguments: BackendKind.available
    )
    func concurrentUploads(_ kind: BackendKind) async throws {
        try await kind.withBackend(.identity) { backend async throws in
            let contents = (0..<8).map { String(repeating: "\($0)", count: 300_000 + $0) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for content in contents { group.addTask { try await backend.put("same", content) } }
                try await group.waitForAll()
            }
            #expect(contents.contains(try await backend.text("same")))
        }
    }

    @Test("lists the tags of one repository and no other", arguments: BackendKind.tagStores)
    func listsTags(_ kind: BackendKind) async throws {
        try await kind.withBackend(.dockerTag) { backend async throws in
            #expect(try await backend.list(.init()).names.isEmpty)
            for tag in ["a/b:2", "a/b:1", "a/b/c:1", "ab:1", "a/bc:1"] {
                try await backend.put(tag, "x")
            }
            #expect(try await backend.list(.init(prefix: "a/b:")).names == ["a/b:1", "a/b:2"])
            let kraken = try await backend.list(.init(prefix: "/a/b/_manifests/tags"))
            #expect(kraken.names == ["a/b:1", "a/b:2"])
            #expect(try await backend.list(.init(prefix: "a/b")).names.count == 4)
            #expect(
                try await backend.list(.init()).names
                    == ["a/b/c:1", "a/b:1", "a/b:2", "a/bc:1", "ab:1"].sorted(by: backend.lists)
            )
            #expect(try await backend.list(.init(prefix: "none:")).names.isEmpty)
        }
    }

    @Test("pages of a list join to the whole", arguments: BackendKind.tagStores, [1, 2, 3, 7])
    func pages(_ kind: BackendKind, limit: Int) async throws {
        try await kind.withBackend(.dockerTag) { backend async throws in
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
        arguments: BackendKind.available,
        ["../escape", "a/../../escape", "/absolute", "a//b", "", ".", "a/\u{0}b", ".uploads/x"]
    )
    func unsafeNames(_ kind: BackendKind, name: String) async throws {
        try await kind.withBackend(.identity) { backend async throws in
            await #expect(throws: BackendError.self) { try await backend.put(name, "x") }
            await #expect(throws: BackendError.self) {
                _ = try await backend.stat(name, namespace: anyNamespace)
            }
        }
    }

    @Test(
        "a reader that gives up, and an upload that breaks, leave everything as it was",
        arguments: BackendKind.available
    )
    func broken(_ kind: BackendKind) async throws {
        struct Enough: Error {}
        try await kind.withBackend(.identity) { backend async throws in
            let whole = String(repeating: "0123456789abcdef", count: 13 << 16)
            try await backend.put("name", whole)
            await #expect(throws: Enough.self) {
                var taken = 0
                try await backend.download("name", namespace: anyNamespace) { part in
                    taken += part.readableBytes
                    if taken > 6 << 20 { throw Enough() }
                }
            }
            for name in ["name", "other"] {
                var source = BackendSource.bytes(ByteBuffer(repeating: 1, count: 13 << 20))
                let sent = Mutex(0)
                source.pace = { bytes in
                    let isEnough = sent.withLock { sent in
                        sent += bytes
                        return sent > 7 << 20
                    }
                    if isEnough { throw Enough() }
                }
                let breaking = source
                await #expect(throws: Enough.self) {
                    try await backend.upload(name, namespace: anyNamespace, from: breaking)
                }
            }
            #expect(try await backend.text("name") == whole)
            #expect(try await backend.stat("other", namespace: anyNamespace) == nil)
            #expect(try await backend.list(.init()).names == ["name"])
        }
    }

    @Test("an upload whose task is cancelled leaves nothing", arguments: BackendKind.available)
    func cancelled(_ kind: BackendKind) async throws {
        try await kind.withBackend(.identity) { backend async throws in
            var source = BackendSource.bytes(ByteBuffer(repeating: 1, count: 13 << 20))
            let (begun, note) = AsyncStream.makeStream(of: Void.self)
            source.pace = { _ in
                note.yield()
                // Never: until it is cancelled.
                for await _ in AsyncStream<Void>.makeStream().stream {}
                try Task.checkCancellation()
            }
            let task = Task { [source] in
                try await backend.upload("name", namespace: anyNamespace, from: source)
            }
            for await _ in begun { break }
            task.cancel()
            await #expect(throws: (any Error).self) { try await task.value }
            #expect(try await backend.stat("name", namespace: anyNamespace) == nil)
        }
    }
}
