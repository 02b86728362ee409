// SPDX-License-Identifier: Apache-2.0

package import Content
import Synchronization

/// Manifests in memory, by digest: what is in it is right for ever, so it is never asked again.
///
/// When it is full, the ones longest not asked for make room.
package final class ManifestCache: Sendable {
    private let bytesMax: Int
    private let state = Mutex(State())

    private struct State {
        var entries: [Digest: (bytes: [UInt8], usedAt: UInt64)] = [:]
        var bytes = 0
        var uses: UInt64 = 0
    }

    /// Besides its bytes an entry takes this much, or so; it bounds the number of entries.
    private static let entryBytes = 256

    /// A cache of about `bytesMax` bytes.
    package init(bytesMax: Int) { self.bytesMax = bytesMax }

    /// The manifest `digest`, if it is here.
    package func bytes(of digest: Digest) -> [UInt8]? {
        state.withLock { state in
            guard let entry = state.entries[digest] else { return nil }
            state.uses += 1
            state.entries[digest] = (entry.bytes, state.uses)
            return entry.bytes
        }
    }

    /// Keeps `bytes`, which hash to `digest`; not those that would take up more than an eighth of the room.
    package func insert(_ bytes: [UInt8], as digest: Digest) {
        let size = bytes.count + Self.entryBytes
        guard size <= bytesMax / 8 else { return }
        state.withLock { state in
            guard state.entries[digest] == nil else { return }
            state.uses += 1
            state.entries[digest] = (bytes, state.uses)
            state.bytes += size
            if state.bytes > bytesMax { Self.evict(from: &state, downTo: bytesMax / 4 * 3) }
        }
    }

    /// Removes a quarter at once, so that the sort is seldom.
    private static func evict(from state: inout State, downTo bytesMax: Int) {
        for (digest, entry) in state.entries.sorted(by: { $0.value.usedAt < $1.value.usedAt }) {
            guard state.bytes > bytesMax else { return }
            state.entries[digest] = nil
            state.bytes -= entry.bytes.count + entryBytes
        }
    }
}
