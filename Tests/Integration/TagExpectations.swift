// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content

/// What tags shall name in the end that are changed while a build-index is killed.
struct TagExpectations {
    /// What a tag shall name; nil: it shall be gone.
    struct Wanted {
        /// What was acknowledged last.
        var acknowledged: Digest?
        /// What was asked for last without an answer, if that came later.
        var open: Digest??
    }

    /// The tags that were changed.
    private(set) var tags: [QualifiedTag: Wanted] = [:]

    /// Puts `tag`, or deletes it when `digest` is nil; that there is no answer is noted.
    mutating func change(_ tag: QualifiedTag, _ digest: Digest?, at index: BuildIndexClient) async {
        do {
            try await Self.make(tag, digest, at: index)
            tags[tag] = Wanted(acknowledged: digest)
        } catch {
            // It was killed: the change may have been made or not.
            tags[tag, default: Wanted()].open = .some(digest)
        }
    }

    /// Asks again for what got no answer.
    mutating func askAgain(at index: BuildIndexClient) async throws {
        for (tag, change) in tags {
            guard let digest = change.open else { continue }
            try await Self.make(tag, digest, at: index)
            tags[tag] = Wanted(acknowledged: digest)
        }
    }

    /// Makes the change; that there is no such tag is an answer, too.
    private static func make(
        _ tag: QualifiedTag,
        _ digest: Digest?,
        at index: BuildIndexClient
    ) async throws {
        do {
            if let digest {
                try await index.put(tag, digest, replicating: true)
            } else {
                try await index.delete(tag, replicating: true)
            }
        } catch let error as ClusterError where error.code == .notFound && digest == nil {}
    }
}
