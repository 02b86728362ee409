// SPDX-License-Identifier: Apache-2.0

import Content
import Telemetry

/// Which origins are known to hold which blobs: those that seed it, and those that owe it to a backend themselves.
///
/// An origin tells only of swarms that are open, so that nothing here means "not known", never "no".
struct OriginHolders {
    private var origins: [(id: String, name: String, blobs: Set<String>)] = []

    init(_ snapshot: ClusterSnapshot, _ rows: [String: ComponentRow]) {
        let origins = snapshot.components.filter { $0.kind == .origin }
        // Without a task there is nothing to look for, and there may be many swarms.
        guard origins.contains(where: { !Self.tasks($0).isEmpty }) else { return }
        self.origins = origins.map { origin in
            let seeded = (origin.swarms ?? []).lazy.filter { $0.phase == .seeding }
                .map(\.digest.description)
            let name = rows[origin.id]?.shortName ?? origin.id
            return (origin.id, name, Set(seeded).union(Self.tasks(origin)))
        }
    }

    private static func tasks(_ origin: ComponentSnapshot) -> [String] {
        (origin.queues ?? []).filter { $0.name == writeBack }.flatMap {
            ($0.tasks ?? []).map(\.name)
        }
    }

    /// Of each task of `queue` at `component`, the other origins that hold its blob; those that nobody else is known to hold are
    /// left out.
    func others(than component: String, of queue: QueueStatus) -> [String: [String]] {
        guard queue.name == Self.writeBack, !origins.isEmpty else { return [:] }
        var holders: [String: [String]] = [:]
        for task in queue.tasks ?? [] {
            let names = origins.filter { $0.id != component && $0.blobs.contains(task.name) }
            if !names.isEmpty { holders[task.name] = names.map(\.name) }
        }
        return holders
    }

    private static let writeBack = "write-back"
}
