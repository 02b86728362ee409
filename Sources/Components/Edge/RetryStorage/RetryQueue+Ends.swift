// SPDX-License-Identifier: Apache-2.0

import Primitives
import RetryCore
import Telemetry
import Tracing

// Work that runs, and how it ends.
extension RetryQueue {
    /// The trace in which `task` was asked for, so that what came of a push is found with it, whenever that is.
    private nonisolated func surroundings(of task: RetryTask) -> ServiceContext {
        var context = ServiceContext.topLevel
        context.component = events.component
        context.trace = task.trace.flatMap { TraceContext(parent: $0) }
        return context
    }

    func execute(_ task: RetryTask) async {
        do {
            let event = try await withSpan(
                kind,
                context: surroundings(of: task),
                ofKind: .consumer
            ) { span in
                if span.isRecording { span.attributes["task.name"] = task.name }
                return try await handlers.perform(task)
            }
            settling.insert(task.id)
            _ = scheduler.finish(task.id, .done, at: now)
            done.append(task, at: now)
            armTimer()
            doneCounts[task.destination, default: 0] += 1
            // Whoever hears of it finds the queue without it: who asks has the ends written first.
            if let event { events.record(event) }
            if !isIdle || done.isFull || handedOver.isFull || isHandedOverDue { signal.yield() }
        } catch {
            await fail(task, error)
            wake()
        }
    }

    private func fail(_ task: RetryTask, _ error: any Error) async {
        // One that a stop has cut off has not failed.
        let outcome: RetryScheduler.Outcome =
            Task.isCancelled ? .interrupted : error is ImpossibleWork ? .impossible : .failed
        let now = now
        let verdict = scheduler.finish(task.id, outcome, at: now)
        let failure: RetryTable.Failure
        switch verdict {
        case .forget, .keep: return
        case .tryAgain(let due, let failureCount):
            failure = .init(
                state: .failed,
                failureCount: failureCount,
                due: due,
                now: now,
                error: "\(error)"
            )
        case .bury(let failureCount):
            failure = .init(
                state: .dead,
                failureCount: failureCount,
                due: now,
                now: now,
                error: "\(error)"
            )
        }
        lastErrors[task.destination] = failure.error
        await settle(task, failure)
        handlers.report(task, error, failure.failureCount)
    }

    /// Writes down that `task` has failed, as soon as the disk takes it. If the process ends before, the work is done once more.
    private func settle(_ task: RetryTask, _ failure: RetryTable.Failure) async {
        settling.insert(task.id)
        failing.insert(task.id)
        defer {
            settling.remove(task.id)
            failing.remove(task.id)
        }
        repeat {
            do {
                return try await database.write(
                    "note the end of \(task.name)",
                    isDurable: false
                ) { [table] database in try table.fail(task, failure, in: database) }
            } catch {
                lastErrors[task.destination] = "\(error)"
                // Back-off: a full disk does not tell when there is room again.
                do { try await Task.sleep(for: scheduler.rules.pauseMin) } catch { return }
            }
        } while !Task.isCancelled
    }

    // MARK: - What is done

    /// Removes what is done from the disk, also what others are just removing. If the process ends before, it is done once more.
    func flush() async {
        guard !settling.isEmpty else { return }
        let ended = done.take()
        do {
            let areGone = try await database.write("note what is done", isDurable: false) {
                [table] database in
                try ended.map { try table.complete($0, in: database) }
            }
            noteSettled(ended, areGone: areGone)
        } catch {
            keep(ended, after: error)
        }
    }

    func keep(_ ended: [RetryTask], after error: any Error) {
        for task in ended { lastErrors[task.destination] = "\(error)" }
        done.putBack(ended, until: now.advanced(by: scheduler.rules.pauseMin))
        armTimer()
    }

    func noteSettled(_ ended: [RetryTask], areGone: [Bool]) {
        guard !ended.isEmpty else { return }
        for task in ended { settling.remove(task.id) }
        // The rest has been added again meanwhile; and a stop waits for what others have written, too.
        if areGone.contains(false) || stopDeadline != nil {
            wake()
        } else if !isIdle {
            // A look may have ended because too many ends were waiting for the disk.
            signal.yield()
        }
    }
}
