// SPDX-License-Identifier: Apache-2.0

import Files
import NIOCore
import NIOPosix

/// One client's connection, as the tasks that answer its requests see it.
final class ServerConnection: Sendable {
    /// The connection whose request the current task answers; nil outside of a server with file bodies.
    @TaskLocal static var current: ServerConnection?

    /// Runs tasks on the connection's event loop.
    let executor: LoopExecutor
    private let eventLoop: any EventLoop
    private let handler: NIOLoopBound<ConnectionHandler>
    private let isEncrypted: Bool

    /// Bytes of a file that are encrypted at a time.
    private static let chunkBytes = 256 << 10

    /// The connection that `handler` handles; on its event loop. What is encrypted passes through this process.
    init(handler: ConnectionHandler, eventLoop: any EventLoop, isEncrypted: Bool = false) {
        executor = LoopExecutor(eventLoop)
        self.eventLoop = eventLoop
        self.isEncrypted = isEncrypted
        self.handler = NIOLoopBound(handler, eventLoop: eventLoop)
    }

    /// Sends `range` of `file` as the next part of the body; returns when the kernel has taken all of it.
    func send(_ file: SharedFile, _ range: Range<Int>) async throws {
        guard !range.isEmpty else { return }
        guard !isEncrypted else {
            var start = range.lowerBound
            while start < range.upperBound {
                let (offset, count) = (start, min(Self.chunkBytes, range.upperBound - start))
                let chunk = try await NIOThreadPool.singleton.runIfActive {
                    try file.chunk(at: offset, count: count)
                }
                try await send(chunk)
                start += count
            }
            return
        }
        try await withCheckedThrowingContinuation { continuation in
            eventLoop.execute {
                self.handler.value.send(file, range) { continuation.resume(with: $0) }
            }
        }
    }

    /// Sends `buffer` as the next part of the body; returns when the kernel has taken all of it.
    func send(_ buffer: ByteBuffer) async throws {
        try await withCheckedThrowingContinuation { continuation in
            eventLoop.execute {
                self.handler.value.send(buffer) { continuation.resume(with: $0) }
            }
        }
    }

    /// Runs `operation`, and cancels it once the client has gone away; `endsWithServer`: or once the server stops.
    func whileClientStays(
        endsWithServer: Bool = false,
        _ operation: @escaping @Sendable () async throws -> Void
    ) async throws {
        // Unstructured, because it is the event loop that cancels it; on the loop, because it waits for that most of the time.
        let task = Task(executorPreference: executor) { try await operation() }
        let watch = WatchID()
        eventLoop.execute {
            self.handler.value.watch(watch, endsWithServer: endsWithServer) { task.cancel() }
        }
        defer { eventLoop.execute { self.handler.value.forget(watch) } }
        try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }
}

/// Names one who wants to know that a client is gone.
final class WatchID: Sendable {}
