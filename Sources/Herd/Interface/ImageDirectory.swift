// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import Synchronization
import TUI
import Telemetry

/// Finds out what images consist of, so that blobs can be called by their images: reads each tagged manifest once.
final class ImageDirectory: Sendable {
    /// Reads the manifest that a tag names.
    typealias Read = @Sendable (_ reference: String) async throws -> ImageDocument

    private struct State {
        var asked: Set<Digest> = []
        var found: [ImageContent] = []
    }
    private let state = Mutex(State())
    private let read: Read
    private let tasks = TaskBag()
    /// Manifests asked for at most; later images keep their digests as names.
    private static let imagesMax = 1024

    init(read: @escaping Read) { self.read = read }

    /// Looks for tags in `snapshot` that are new; answers what was found out since the last call.
    func update(_ snapshot: ClusterSnapshot) -> [ImageContent] {
        for component in snapshot.components {
            for tag in component.tags?.latest ?? [] { ask(tag) }
        }
        return state.withLock { state in
            defer { state.found = [] }
            return state.found
        }
    }

    /// Ends what is being read.
    func stop() async { await tasks.cancelAll() }

    private func ask(_ tag: TagStatus.Entry) {
        let isNew = state.withLock { state in
            state.asked.count < Self.imagesMax && state.asked.insert(tag.digest).inserted
        }
        guard isNew else { return }
        tasks.add { [self] in
            do {
                guard let content = Self.content(tag, try await read(tag.tag)) else { return }
                state.withLock { $0.found.append(content) }
            } catch {
                // It keeps its digest as its name; the next look tries again.
                _ = state.withLock { $0.asked.remove(tag.digest) }
            }
        }
    }

    private static func content(_ tag: TagStatus.Entry, _ document: ImageDocument) -> ImageContent?
    {
        guard case .image(let manifest) = document.content else { return nil }
        return ImageContent(
            reference: tag.tag,
            manifest: document.digest,
            config: manifest.config.digest,
            layers: manifest.layers.map(\.digest)
        )
    }
}
