// SPDX-License-Identifier: Apache-2.0

import Files
import NIOCore
import NIOPosix
import Synchronization

/// Lends a channel, for each read, the large buffer that all channels of its event loop share.
///
/// Reads of mebibytes halve the CPU that a byte costs, but NIO's allocators keep a buffer for each channel that ever read.
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
    private struct State {
        var buffers: [ByteBuffer] = []
        /// Whether any was taken since ``dropIfIdle()`` looked last.
        var wasTaken = false
        /// Whether ``dropIfIdle()`` is due.
        var isWatched = false
    }

    /// Only its own thread uses it, so the lock is never contended.
    private final class Kept: Sendable { let state = Mutex(State()) }
    private static let kept = ThreadSpecificVariable<Kept>()
    /// One that is read into and one that waits to be checked, of each of a few lengths: a limit of bandwidth has its own.
    private static let countMax = 6
    /// Smaller buffers are not worth keeping.
    private static let keptBytesMin = 4096
    /// So long nothing is read before the buffers go.
    private static let idleTime = TimeAmount.seconds(5)

    /// Bytes of one read without a limit of bandwidth: the more, the less a byte costs, as long as the buffers of all loops, two
    /// each, stay below ``allBytesMax``.
    static let readBytes = readBytes(loops: EventLoops.count)

    static func readBytes(loops: Int) -> Int {
        var bytes = readBytesRange.upperBound
        while bytes > readBytesRange.lowerBound, 2 * bytes * loops > allBytesMax { bytes /= 2 }
        return bytes
    }

    private static let allBytesMax = 64 << 20
    private static let readBytesRange = 1 << 20...4 << 20

    /// An empty buffer of `bytes` bytes, or more where an allocator rounds that up: to less than twice as many.
    static func take(_ bytes: Int, _ allocator: ByteBufferAllocator) -> ByteBuffer {
        // With a second reference to it, it would be copied when it is written to.
        var found: ByteBuffer?
        kept.currentValue?.state.withLock { state in
            state.wasTaken = true
            let index = state.buffers.firstIndex { (bytes..<2 * bytes).contains($0.capacity) }
            if let index { found = state.buffers.remove(at: index) }
        }
        guard var buffer = found.take() else { return allocator.buffer(capacity: bytes) }
        buffer.clear()
        return buffer
    }

    /// Keeps `buffer` for the next read on this thread.
    static func giveBack(_ buffer: ByteBuffer) {
        guard buffer.capacity >= keptBytesMin else { return }
        if kept.currentValue == nil { kept.currentValue = Kept() }
        let isFirst = kept.currentValue?.state.withLock { state in
            if state.buffers.count < countMax { state.buffers.append(buffer) }
            defer { state.isWatched = true }
            return !state.isWatched
        }
        if isFirst == true { watch() }
    }

    /// How many the calling thread keeps.
    static var keptCount: Int { kept.currentValue?.state.withLock { $0.buffers.count } ?? 0 }

    /// Frees the thread's buffers unless one was taken since it was called last.
    static func dropIfIdle() {
        let isInUse = kept.currentValue?.state.withLock { state in
            defer { state.wasTaken = false }
            if !state.wasTaken { (state.buffers, state.isWatched) = ([], false) }
            return state.wasTaken
        }
        if isInUse == true { watch() }
    }

    private static func watch() {
        // Without a loop, nobody will read either.
        MultiThreadedEventLoopGroup.currentEventLoop?.scheduleTask(in: idleTime) { dropIfIdle() }
    }
}
