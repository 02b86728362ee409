// SPDX-License-Identifier: Apache-2.0

import DequeModule
import Glibc
import NIOCore
import NIOPosix

/// Stands before what encrypts, which takes bytes only: reads the parts of files that are written, off the loop and a chunk at a
/// time, so that a piece never lies in memory as a whole. What is written meanwhile waits for its turn.
final class FileRegionReader: ChannelOutboundHandler {
    typealias OutboundIn = IOData
    typealias OutboundOut = ByteBuffer

    /// Bytes read at a time: 16 records of TLS.
    private static let chunkBytes = 256 << 10

    private var waiting: Deque<(data: IOData, promise: EventLoopPromise<Void>?)> = []
    private var isReading = false
    private var isGone = false

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let data = unwrapOutboundIn(data)
        if !isReading, case .byteBuffer(let buffer) = data {
            return context.write(wrapOutboundOut(buffer), promise: promise)
        }
        waiting.append((data, promise))
        if !isReading { writeNext(context) }
    }

    func flush(context: ChannelHandlerContext) {
        // What is read is flushed with each chunk.
        if !isReading { context.flush() }
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        end()
        context.close(mode: mode, promise: promise)
    }

    func handlerRemoved(context: ChannelHandlerContext) { end() }

    private func end() {
        isGone = true
        for (_, promise) in waiting { promise?.fail(ChannelError.ioOnClosedChannel) }
        waiting.removeAll()
    }

    /// Writes what waits up to the next part of a file, and begins with that.
    private func writeNext(_ context: ChannelHandlerContext) {
        isReading = false
        while let (data, promise) = waiting.popFirst() {
            switch data {
            case .byteBuffer(let buffer): context.write(wrapOutboundOut(buffer), promise: promise)
            case .fileRegion(let region):
                isReading = true
                return read(region, from: region.readerIndex, promise, context)
            }
        }
        context.flush()
    }

    private func read(
        _ region: FileRegion,
        from offset: Int,
        _ promise: EventLoopPromise<Void>?,
        _ context: ChannelHandlerContext
    ) {
        let count = min(Self.chunkBytes, region.endIndex - offset)
        let chunk = NIOThreadPool.singleton.runIfActive(eventLoop: context.eventLoop) {
            try region.chunk(at: offset, count: count)
        }
        chunk.assumeIsolated().whenComplete { result in
            let outcome = result.flatMap { chunk in
                self.isGone
                    ? .failure(ChannelError.ioOnClosedChannel) : Result.success(chunk)
            }
            switch outcome {
            case .failure(let error):
                promise?.fail(error)
                // Half a piece has gone out: what follows would be taken for the rest of it.
                if !self.isGone { context.close(promise: nil) }
            case .success(let chunk):
                self.write(chunk, of: region, until: offset + count, promise, context)
            }
        }
    }

    private func write(
        _ chunk: ByteBuffer,
        of region: FileRegion,
        until end: Int,
        _ promise: EventLoopPromise<Void>?,
        _ context: ChannelHandlerContext
    ) {
        let isLast = end >= region.endIndex
        let isTaken = context.eventLoop.makePromise(of: Void.self)
        isTaken.futureResult.assumeIsolated().whenComplete { result in
            guard case .success = result else {
                promise?.completeWith(result)
                return
            }
            // The next chunk is read once the kernel has this one, so that a slow peer costs one chunk of memory.
            guard !isLast else {
                promise?.succeed()
                return
            }
            self.read(region, from: end, promise, context)
        }
        context.writeAndFlush(wrapOutboundOut(chunk), promise: isTaken)
        if isLast { writeNext(context) }
    }
}

extension FileRegion {
    /// `count` bytes at `offset` of the file.
    /// - Throws: when they can't be read, or the file has become shorter.
    fileprivate func chunk(at offset: Int, count: Int) throws -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: count)
        try fileHandle.withUnsafeFileDescriptor { descriptor in
            while buffer.readableBytes < count {
                let done = buffer.readableBytes
                let got = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count - done) {
                    max(0, pread(descriptor, $0.baseAddress, count - done, off_t(offset + done)))
                }
                guard got > 0 else { throw ChannelError.inputClosed }
            }
        }
        return buffer
    }
}
