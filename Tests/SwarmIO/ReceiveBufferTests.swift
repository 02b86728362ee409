// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import SwarmIO

@Suite("Receive buffers") struct ReceiveBufferTests {
    @Test("are long on small machines, and bounded together on large ones")
    func length() {
        #expect(ReceiveBuffers.readBytes(loops: 2) == 4 << 20)
        #expect(ReceiveBuffers.readBytes(loops: 8) == 4 << 20)
        #expect(ReceiveBuffers.readBytes(loops: 12) == 2 << 20)
        #expect(ReceiveBuffers.readBytes(loops: 16) == 2 << 20)
        #expect(ReceiveBuffers.readBytes(loops: 24) == 1 << 20)
        #expect(ReceiveBuffers.readBytes(loops: 32) == 1 << 20)
        #expect(ReceiveBuffers.readBytes(loops: 256) == 1 << 20)
    }

    @Test("come back, and only to a read of their length")
    func comeBack() {
        // An allocator rounds the second one up, to 128 KiB.
        for length in [128 << 10, 100_000] {
            let address = borrow(length)
            #expect(ReceiveBuffers.take(256 << 10, ByteBufferAllocator()).capacity == 256 << 10)
            #expect(borrow(length) == address)
        }
    }

    @Test("are freed once nothing was read for a while")
    func areFreed() {
        let length = 256 << 10
        let address = borrow(length)
        ReceiveBuffers.dropIfIdle()
        // It was in use just before, so it is still there.
        #expect(borrow(length) == address)
        ReceiveBuffers.dropIfIdle()
        ReceiveBuffers.dropIfIdle()
        #expect(ReceiveBuffers.keptCount == 0)
    }

    /// Where the bytes of a buffer of `length` bytes lie, that is taken and given back.
    private func borrow(_ length: Int) -> UnsafeRawPointer? {
        var buffer = ReceiveBuffers.take(length, ByteBufferAllocator())
        #expect(buffer.readableBytes == 0)
        buffer.writeInteger(UInt8(1))
        let address = buffer.withUnsafeReadableBytes { $0.baseAddress }
        ReceiveBuffers.giveBack(buffer)
        return address
    }
}
