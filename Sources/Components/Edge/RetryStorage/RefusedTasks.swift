// SPDX-License-Identifier: Apache-2.0

import Primitives
import RetryCore
import Telemetry

/// Work that the disk had no room for. Whoever asked for it was told so; but what it is about may be owed all the same, so it is
/// queued as soon as there is room.
struct RefusedTasks: Sendable {
    /// What was asked for.
    struct Entry: Hashable, Sendable {
        let task: NewRetryTask
        let due: Instant
        let event: ClusterEvent?
    }

    private struct Key: Hashable {
        let scope, name: String

        init(_ task: NewRetryTask) { (scope, name) = (task.scope, task.name) }
    }

    private var entries: [Key: Entry] = [:]
    private var failureCount = 0
    private var generator: Generator
    /// When it is to be tried to queue them; nil when there are none.
    private(set) var nextTry: Instant?

    /// Tasks that are kept, some 500 B each; of further ones owners remind at the next start.
    static let countMax = 1000

    /// None; chance comes from `seed`.
    init(seed: UInt64) { generator = Generator(seed: seed) }

    /// All of them, in no order.
    var all: [Entry] { Array(entries.values) }

    /// Notes what has been refused at `now`.
    mutating func note(_ entry: Entry, at now: Instant, _ rules: RetryRules) {
        let key = Key(entry.task)
        guard entries[key] != nil || entries.count < Self.countMax else { return }
        entries[key] = entry
        nextTry = nextTry ?? pause(from: now, rules)
    }

    /// Notes that the disk has taken `task` at `now`: then there may be room for all.
    mutating func settle(_ task: NewRetryTask, at now: Instant) {
        guard !entries.isEmpty else { return }
        entries[Key(task)] = nil
        nextTry = entries.isEmpty ? nil : now
    }

    /// Notes that `taken`, which were ``all``, are in the queue.
    mutating func settle(_ taken: [Entry], at now: Instant) {
        // One may have been refused anew meanwhile, with something else in it.
        for entry in taken where entries[Key(entry.task)] == entry {
            entries[Key(entry.task)] = nil
        }
        failureCount = 0
        nextTry = entries.isEmpty ? nil : now
    }

    /// Notes that there is no room yet at `now`.
    mutating func fail(at now: Instant, _ rules: RetryRules) {
        failureCount += 1
        nextTry = pause(from: now, rules)
    }

    private mutating func pause(from now: Instant, _ rules: RetryRules) -> Instant {
        now.advanced(by: rules.pause(after: failureCount + 1, &generator))
    }
}
