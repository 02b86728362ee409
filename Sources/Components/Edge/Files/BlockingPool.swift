// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import NIOPosix

/// A fixed number of threads for calls that block: file system, checksums of whole files.
///
/// One pool serves a whole process. Work waits in order of arrival; callers bound what they submit by awaiting it.
package struct BlockingPool: Sendable {
    /// The pool itself, for libraries that want one.
    package let nio: NIOThreadPool
    private let hashing: HashLanes

    /// A started pool of `threadCount` threads; end it with ``shutdown()``.
    package init(threadCount: Int) {
        nio = NIOThreadPool(numberOfThreads: threadCount)
        hashing = HashLanes(threadsMax: min(threadCount, System.coreCount))
        nio.start()
    }

    /// The pool over `nio`, which is started and ended elsewhere.
    package init(nio: NIOThreadPool) {
        self.nio = nio
        hashing = HashLanes(threadsMax: System.coreCount)
    }

    /// NIO's pool for the whole process, which never ends.
    package static let singleton = BlockingPool(nio: .singleton)

    /// Runs `body` on one of the threads and returns what it returns.
    /// - Throws: what `body` throws; `CancellationError` when the task was cancelled before `body` began.
    package func run<Result: Sendable>(
        _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        try await nio.runIfActive(body)
    }

    /// Runs `body` on one of the threads even if the task is cancelled: for steps whose outcome must not stay open.
    /// - Throws: what `body` throws; `CancellationError` when the pool has ended.
    package func runUncancelled<Result: Sendable>(
        _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            execute { isActive in
                guard isActive else { return continuation.resume(throwing: CancellationError()) }
                continuation.resume(with: Swift.Result { try body() })
            }
        }
    }

    /// Runs `body` on one of the threads and completes a future of `eventLoop`.
    package func submit<Result: Sendable>(
        on eventLoop: any EventLoop,
        _ body: @escaping @Sendable () throws -> Result
    ) -> EventLoopFuture<Result> {
        nio.runIfActive(eventLoop: eventLoop, body)
    }

    /// Runs `body` on one of the threads some time; it is told `false`, on any thread, when the pool has ended.
    package func execute(_ body: @escaping @Sendable (_ isActive: Bool) -> Void) {
        nio.submit { state in
            switch state {
            case .active: body(true)
            case .cancelled: body(false)
            }
        }
    }

    /// Carries `hash` on with the bytes of `file` up to `end`; ``HashLanes`` says how. `completion` is called once,
    /// on one of the threads; with `CancellationError` when the pool has ended.
    package func hash(
        _ file: SharedFile,
        _ hash: RunningHash,
        upTo end: Int,
        _ completion: @escaping HashLanes.Completion
    ) {
        hashing.submit(file, hash, upTo: end, on: self, completion)
    }

    /// Ends the threads after their current work; work that still waits is cancelled.
    package func shutdown() async {
        do {
            try await nio.shutdownGracefully()
        } catch {
            // Only a pool that can't be ended (NIO's singleton) refuses, and that one is meant to stay.
        }
    }
}
