// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// One number that any thread may move at the cost of one relaxed atomic operation.
package final class Counter: Sendable {
    /// What it counts, in snake case with the unit in the name: `bytes_uploaded`.
    package let name: String
    private let storage = Atomic<Int>(0)

    fileprivate init(name: String) { self.name = name }

    /// The number now.
    package var value: Int { storage.load(ordering: .relaxed) }

    /// Moves the number up by `amount`, which is negative only for levels such as open connections. Wraps, never traps.
    package func add(_ amount: Int = 1) { storage.wrappingAdd(amount, ordering: .relaxed) }

    /// Makes the number `value`, for levels that are measured rather than counted.
    package func set(_ value: Int) { storage.store(value, ordering: .relaxed) }
}

/// A component's counters by name.
///
/// Look a counter up once and keep it: `let uploaded = counters.counter("bytes_uploaded")`, then `uploaded.add(n)`.
package final class Counters: Sendable {
    private let table: Mutex<[String: Counter]>

    /// Counters that start with `names` at zero; others appear when they are first looked up.
    package init(names: [String] = []) {
        var table: [String: Counter] = [:]
        for name in names { table[name] = Counter(name: name) }
        self.table = Mutex(table)
    }

    /// The counters that every component of `kind` shows, from zero.
    package convenience init(kind: ComponentKind) {
        self.init(names: kind.counterNames)
    }

    /// The counter `name`, made at zero when there is none yet.
    package func counter(_ name: String) -> Counter {
        table.withLock { table in
            if let counter = table[name] { return counter }
            let counter = Counter(name: name)
            table[name] = counter
            return counter
        }
    }

    /// Every counter's value now.
    package func all() -> [String: Int] {
        table.withLock { $0.mapValues(\.value) }
    }
}

extension ComponentKind {
    /// The counters that every snapshot of this kind has, even before anything was counted.
    package var counterNames: [String] {
        switch self {
        case .agent:
            [
                "bytes_downloaded_from_agents", "bytes_downloaded_from_origins", "bytes_uploaded",
                "pieces_received", "pieces_duplicate", "pieces_bad", "pieces_sent",
                "blobs_completed", "blobs_failed", "announces", "announces_failed",
                "connections_active",
            ]
        case .origin:
            [
                "bytes_uploaded", "pieces_sent", "blobs_committed", "blobs_written_back",
                "blobs_refreshed", "blobs_replicated", "blobs_replication_failed", "blobs_healed",
                "connections_active",
            ]
        case .tracker:
            [
                "announces", "announces_rejected", "announces_left", "peers_handed_out",
                "metainfo_requests", "metainfo_cache_hits", "swarms_tracked", "peers_tracked",
            ]
        case .buildIndex:
            [
                "tags_put", "tags_read", "tags_deleted", "tags_replicated",
                "tag_deletions_replicated", "tag_deletions_refused",
                "registry_blobs_sent", "registry_blobs_mounted", "registry_blobs_resumed",
                "registry_bytes_sent",
                "duplicate_put_failures", "duplicate_replicate_failures",
            ]
        case .proxy:
            ["blobs_uploaded", "blobs_downloaded", "manifests_put", "bytes_uploaded"]
        case .testfs:
            ["files_put", "files_read"]
        }
    }
}
