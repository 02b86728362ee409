// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives

/// Does work on many things, a few at a time, again where that may help.
enum Transfers {
    /// Blobs on their way at a time: enough to fill a link, few enough to leave others their share.
    static let concurrencyMax = 4
    /// How often a transfer is tried.
    static let attemptsMax = 3

    /// Calls `work` for every item, at most ``concurrencyMax`` at a time; the first failure cancels the rest.
    static func forEach<Item: Sendable>(
        _ items: [Item],
        _ work: @escaping @Sendable (Item) async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            var rest = items[...]
            while let item = rest.popFirst() {
                if items.count - rest.count > concurrencyMax { try await group.next() }
                group.addTask { try await work(item) }
            }
            try await group.waitForAll()
        }
    }

    /// Calls `work` until it succeeds, at most ``attemptsMax`` times, where its failure may be a passing one.
    static func repeated(
        pause: Duration = .milliseconds(500),
        _ work: () async throws -> Void
    ) async throws {
        for attempt in 1... {
            do {
                return try await work()
            } catch let error as RegistryFailure {
                guard error.isTransient, attempt < attemptsMax else { throw error.failure }
                // Back-off: nobody tells us when the registry is well again.
                try await Task.sleep(for: pause * attempt)
            }
        }
    }
}

/// Which documents and blobs an image consists of.
struct ImageContents: Sendable {
    /// Manifests and indexes, each after those it lists; the root last.
    private(set) var documents: [ImageDocument] = []
    /// Configurations and layers, each once.
    private(set) var blobs: [Descriptor] = []

    /// Follows `root` to everything it consists of; `document` fetches the manifests an index lists.
    /// - Throws: what `document` throws, and ``Failure`` when indexes are nested too deeply.
    init(
        of root: ImageDocument,
        document: (Descriptor) async throws -> ImageDocument
    ) async throws {
        var known: Set<ContentDigest> = []
        try await add(root, depth: 0, &known, document)
    }

    private mutating func add(
        _ root: ImageDocument,
        depth: Int,
        _ known: inout Set<ContentDigest>,
        _ document: (Descriptor) async throws -> ImageDocument
    ) async throws {
        guard known.insert(root.name).inserted else { return }
        guard depth < 8 else {
            throw Failure("cannot use \(root.name)", why: "its indexes are nested too deeply")
        }
        switch root.content {
        case .index(let index):
            for child in index.manifests where !known.contains(child.name) {
                try await add(try await document(child), depth: depth + 1, &known, document)
            }
        case .image, .foreign:
            for blob in root.content.references where !blob.isForeign {
                if known.insert(blob.name).inserted { blobs.append(blob) }
            }
        }
        documents.append(root)
    }
}
