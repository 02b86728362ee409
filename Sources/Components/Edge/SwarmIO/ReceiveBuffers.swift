// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix
import Synchronization

/// Lends a channel, for each read, the large buffer that all channels of its event loop share.
///
/// Reads of a mebibyte halve the CPU that a byte costs, but NIO's allocators keep a buffer for each channel that ever read.
/// Here a loop has a few: a read's bytes are all consumed before the next channel of the loop reads, unless they wait to be
/// checked. Set `maxMessagesPerRead`
/// to 1 with it: more would make NIO keep buffers. Whoever gets a buffer from a read hands it back with
/// ``ReceiveBuffers/giveBack(_:)``; one that is lost costs an allocation.
struct SharedReceiveAllocator: RecvByteBufferAllocator {
    private final class Flag: Sendable { let isSet = Atomic(false) }

    /// NIO keeps a channel's first buffer for good, so that one is small.
    private static let firstBytes = 512
    private let bytes: Int
    private let hasBegun = Flag()

    /// An allocator for one channel, with reads of `bytes` bytes.
    init(bytes: Int) { self.bytes = bytes }

    func buffer(allocator: ByteBufferAllocator) -> ByteBuffer {
        guard hasBegun.isSet.exchange(true, ordering: .relaxed) else {
            return allocator.buffer(capacity: Self.firstBytes)
        }
        return ReceiveBuffers.take(bytes, allocator)
    }

    /// Nil makes NIO ask ``buffer(allocator:)`` instead of choosing among the buffers that it keeps.
    func nextBufferSize() -> Int? { nil }

    mutating func record(actualReadBytes: Int) -> Bool { true }
}

/// The receive buffers that a thread keeps between reads.
enum ReceiveBuffers {
    /// Only its own thread uses it, so the lock is never contended.
    private final class Kept: Sendable { let buffers = Mutex<[ByteBuffer]>([]) }
    private static let kept = ThreadSpecificVariable<Kept>()
    /// One that is read into and one that waits to be checked, of each of a few lengths: a limit of bandwidth has its own.
    private static let countMax = 6
    /// Smaller buffers are not worth keeping.
    private static let keptBytesMin = 4096

    /// An empty buffer of `bytes` bytes.
    static func take(_ bytes: Int, _ allocator: ByteBufferAllocator) -> ByteBuffer {
        let found = kept.currentValue?.buffers.withLock { buffers in
            buffers.firstIndex { $0.capacity == bytes }.map { buffers.remove(at: $0) }
        }
        guard var buffer = found ?? nil else { return allocator.buffer(capacity: bytes) }
        buffer.clear()
        return buffer
    }

    /// Keeps `buffer` for the next read on this thread.
    static func giveBack(_ buffer: ByteBuffer) {
        guard buffer.capacity >= keptBytesMin else { return }
        if kept.currentValue == nil { kept.currentValue = Kept() }
        kept.currentValue?.buffers.withLock { buffers in
            if buffers.count < countMax { buffers.append(buffer) }
        }
    }
}
