// SPDX-License-Identifier: Apache-2.0

import CChecksum

/// A SHA-256 that can be taken up at any block from the state it was in there, and whose state can be read at any block:
/// what no library offers, and what piece proofs are made of.
///
/// Uses the processor's SHA instructions where it has them. Two running hashes are updated together in the time of one.
package struct RunningHash: Sendable {
    private var lane: herd_sha256
    /// Bytes after the last whole block.
    private var tail: [UInt8] = []
    /// How many bytes of the message have been taken in, or came before.
    package private(set) var bytes: Int

    /// Bytes of a block.
    package static let blockBytes = 64
    /// Bytes of a state and of a digest.
    package static let stateBytes = 32

    /// A hash of no bytes yet.
    package init() { (lane, bytes) = (herd_sha256_begin(), 0) }

    /// A hash that stands in `state`, 32 bytes, after `bytes` bytes in whole blocks; nil for other numbers.
    package init?(after bytes: Int, state: some Collection<UInt8>) {
        guard bytes >= 0, bytes.isMultiple(of: Self.blockBytes), state.count == Self.stateBytes
        else { return nil }
        lane = herd_sha256_load(Array(state))
        self.bytes = bytes
    }

    /// The state after the last whole block, 32 bytes.
    package var state: [UInt8] {
        [UInt8](unsafeUninitializedCapacity: Self.stateBytes) { state, count in
            count = Self.stateBytes
            guard let base = state.baseAddress else { return }
            withUnsafePointer(to: lane) { herd_sha256_store($0, base) }
        }
    }

    /// The digest of the message if it ends here, 32 bytes.
    package var digest: [UInt8] {
        var last = lane
        return [UInt8](unsafeUninitializedCapacity: Self.stateBytes) { digest, count in
            count = Self.stateBytes
            guard let base = digest.baseAddress else { return }
            herd_sha256_finish(&last, tail, tail.count, UInt64(bytes), base)
        }
    }

    /// Takes in the bytes that follow.
    package mutating func update(_ next: UnsafeRawBufferPointer) {
        take(completeBlock(next))
    }

    /// Takes in the bytes that follow in each of two messages: what they have in common side by side.
    package static func update(
        _ first: inout RunningHash,
        _ firstNext: UnsafeRawBufferPointer,
        _ second: inout RunningHash,
        _ secondNext: UnsafeRawBufferPointer
    ) {
        let (one, other) = (first.completeBlock(firstNext), second.completeBlock(secondNext))
        let common = min(one.count, other.count) / blockBytes
        if common > 0, let oneBase = one.baseAddress, let otherBase = other.baseAddress {
            herd_sha256_update_pair(&first.lane, oneBase, &second.lane, otherBase, common)
        }
        first.take(one, from: common)
        second.take(other, from: common)
    }

    /// Fills up the block that was begun; answers what is left of `next`.
    private mutating func completeBlock(
        _ next: UnsafeRawBufferPointer
    ) -> UnsafeRawBufferPointer {
        bytes += next.count
        guard !tail.isEmpty else { return next }
        let count = min(Self.blockBytes - tail.count, next.count)
        tail += next[..<count]
        if tail.count == Self.blockBytes {
            herd_sha256_update(&lane, tail, 1)
            tail.removeAll(keepingCapacity: true)
        }
        return UnsafeRawBufferPointer(rebasing: next[count...])
    }

    /// Takes in the whole blocks of `rest` from the one at `start` on, and keeps what follows them.
    private mutating func take(_ rest: UnsafeRawBufferPointer, from start: Int = 0) {
        let end = rest.count / Self.blockBytes
        if end > start, let base = rest.baseAddress {
            herd_sha256_update(&lane, base + start * Self.blockBytes, end - start)
        }
        tail += rest[(end * Self.blockBytes)...]
    }
}
