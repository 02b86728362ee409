// SPDX-License-Identifier: Apache-2.0

/// Work that outlives the request that asked for it and ends with its component.
///
/// Whoever adds work bounds how much there is of it.
final class BackgroundTasks: Sendable {
    private let jobs: AsyncStream<@Sendable () async -> Void>
    private let submission: AsyncStream<@Sendable () async -> Void>.Continuation

    init() { (jobs, submission) = AsyncStream.makeStream() }

    /// Runs `job` beside all others; without effect after ``stop()``.
    func add(_ job: @escaping @Sendable () async -> Void) { submission.yield(job) }

    /// Runs what is added until ``stop()`` or the task is cancelled; then what runs is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            for await job in jobs { group.addTask { await job() } }
            group.cancelAll()
        }
    }

    /// Ends ``run()``.
    func stop() { submission.finish() }
}
