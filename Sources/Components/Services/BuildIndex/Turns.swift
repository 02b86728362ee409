// SPDX-License-Identifier: Apache-2.0

import Content
import Synchronization

/// Whose turn it is to change what of a registry.
struct RegistryTurns: Sendable {
    /// Tags and what goes with them: a deletion by digest takes tags along, and an index of referrers is read, changed and
    /// written.
    let repositories = Turns<RepositoryName>()
    /// Content that is looked for and sent if it is missing, so that tags with content in common send it once.
    let content = Turns<ContentDigest>()
}

/// Has those who want the same do it one after another, in the order in which they came.
final class Turns<Key: Hashable & Sendable>: Sendable {
    /// What is being done, with those who wait; as many as there is work under way at most.
    private let waiting = Mutex<[Key: [CheckedContinuation<Void, Never>]]>([:])

    /// Runs `body` when nobody else does with `key`.
    func taking<Value>(_ key: Key, _ body: () async throws -> Value) async throws -> Value {
        await withCheckedContinuation { continuation in
            let isMine = waiting.withLock { waiting in
                guard waiting[key] == nil else {
                    waiting[key]?.append(continuation)
                    return false
                }
                waiting[key] = []
                return true
            }
            if isMine { continuation.resume() }
        }
        defer { passOn(key) }
        return try await body()
    }

    private func passOn(_ key: Key) {
        let next = waiting.withLock { waiting -> CheckedContinuation<Void, Never>? in
            guard var others = waiting[key], !others.isEmpty else {
                waiting[key] = nil
                return nil
            }
            let next = others.removeFirst()
            waiting[key] = others
            return next
        }
        next?.resume()
    }
}
