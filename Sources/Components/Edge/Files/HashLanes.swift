// SPDX-License-Identifier: Apache-2.0

import DequeModule
import Synchronization

/// Hashes files on a pool's threads, two at a time on a thread, since two cost no more there than one.
///
/// Work that is submitted takes a free place on a thread that hashes already; only when there is none does another thread
/// begin, up to one a core.
package final class HashLanes: Sendable {
    /// Called once with the carried-on hash, on a thread of the pool.
    package typealias Completion = @Sendable (Result<RunningHash, any Error>) -> Void

    /// A file to hash up to `end`.
    fileprivate struct Job {
        let file: SharedFile
        var hash: RunningHash
        let end: Int
        let completion: Completion
    }

    private struct State {
        var waiting: Deque<Job> = []
        /// Jobs that threads have taken.
        var runningCount = 0
        var threadCount = 0
    }

    private let state = Mutex(State())
    private let threadsMax: Int
    private static let lanesPerThread = 2
    /// Bytes of a file read at a time: those of both lanes stay in the second-level cache until they are hashed.
    static let chunkBytes = 128 << 10

    /// Lanes on at most `threadsMax` threads.
    init(threadsMax: Int) { self.threadsMax = threadsMax }

    /// Carries `hash` on with the bytes of `file` up to `end`, on a thread of `pool`.
    package func submit(
        _ file: SharedFile,
        _ hash: RunningHash,
        upTo end: Int,
        on pool: BlockingPool,
        _ completion: @escaping Completion
    ) {
        let job = Job(file: file, hash: hash, end: end, completion: completion)
        let isThreadNeeded = state.withLock { state in
            state.waiting.append(job)
            let jobCount = state.waiting.count + state.runningCount
            guard state.threadCount < threadsMax,
                jobCount > Self.lanesPerThread * state.threadCount
            else { return false }
            state.threadCount += 1
            return true
        }
        if isThreadNeeded { pool.execute { self.work(isActive: $0) } }
    }

    private func next() -> Job? {
        state.withLock { state in
            guard let job = state.waiting.popFirst() else { return nil }
            state.runningCount += 1
            return job
        }
    }

    private func finish(_ job: Job, _ result: Result<RunningHash, any Error>) {
        // The place is free before the completion runs, since that may submit what follows.
        state.withLock { $0.runningCount -= 1 }
        job.completion(result)
    }

    /// Ends this thread's work unless there is more.
    private func retire() -> Bool {
        state.withLock { state in
            guard state.waiting.isEmpty else { return false }
            state.threadCount -= 1
            return true
        }
    }

    /// Hashes until nothing waits.
    private func work(isActive: Bool) {
        guard isActive else { return cancelAll() }
        withUnsafeTemporaryAllocation(
            byteCount: Self.lanesPerThread * Self.chunkBytes,
            alignment: RunningHash.blockBytes
        ) { buffer in
            var first = Lane(buffer[..<Self.chunkBytes])
            var second = Lane(buffer[Self.chunkBytes...])
            while true {
                if first.job == nil { first.job = next() }
                if second.job == nil { second.job = next() }
                if first.job == nil, second.job == nil {
                    if retire() { return }
                } else {
                    fill(&first)
                    fill(&second)
                    Lane.hash(&first, &second)
                    endIfDone(&first)
                    endIfDone(&second)
                }
            }
        }
    }

    /// Reads the lane's next chunk; a file that can't be read ends its job.
    private func fill(_ lane: inout Lane) {
        do { try lane.fill() } catch {
            guard let job = lane.job.take() else { return }
            finish(job, .failure(error))
        }
    }

    private func endIfDone(_ lane: inout Lane) {
        guard let job = lane.job, job.hash.bytes >= job.end else { return }
        lane.job = nil
        finish(job, .success(job.hash))
    }

    /// The pool has ended: nothing that waits is hashed any more.
    private func cancelAll() {
        let jobs = state.withLock { state in
            defer { state.waiting = [] }
            state.threadCount -= 1
            return state.waiting
        }
        for job in jobs { job.completion(.failure(CancellationError())) }
    }

    /// One of the two files that a thread hashes.
    private struct Lane {
        var job: Job?
        private let buffer: UnsafeMutableRawBufferPointer
        /// What has been read and not hashed.
        private var chunk = UnsafeRawBufferPointer(start: nil, count: 0)

        init(_ buffer: Slice<UnsafeMutableRawBufferPointer>) {
            self.buffer = UnsafeMutableRawBufferPointer(rebasing: buffer)
        }

        mutating func fill() throws {
            chunk = UnsafeRawBufferPointer(rebasing: chunk[..<0])
            guard let job else { return }
            let count = min(buffer.count, job.end - job.hash.bytes)
            guard count > 0 else { return }
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
            try job.file.readWhole(part, at: job.hash.bytes)
            chunk = UnsafeRawBufferPointer(part)
        }

        /// Hashes the chunks of both lanes side by side.
        static func hash(_ first: inout Lane, _ second: inout Lane) {
            if var one = first.job, var other = second.job {
                RunningHash.update(&one.hash, first.chunk, &other.hash, second.chunk)
                (first.job, second.job) = (one, other)
            } else {
                first.job?.hash.update(first.chunk)
                second.job?.hash.update(second.chunk)
            }
        }
    }
}

extension SharedFile {
    /// Fills `buffer` with the bytes from `offset` on.
    /// - Throws: ``FileError``, `.wrongSize` when the file ends before.
    package func readWhole(_ buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
        guard try read(into: buffer, at: offset) == buffer.count else {
            throw FileError(
                code: .wrongSize,
                what: "read \(path)",
                why: "it ends before byte \(offset + buffer.count)",
                remedy: "remove it; it will be fetched again"
            )
        }
    }
}
