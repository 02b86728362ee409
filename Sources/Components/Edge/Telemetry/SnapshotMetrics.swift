// SPDX-License-Identifier: Apache-2.0

/// The levels in a component's snapshot as gauges in Prometheus's text format, beside its counters: what waits, who is there,
/// how full it is. `docs/metrics.md` lists them.
package enum SnapshotMetrics {
    private typealias Sample = (labels: [(String, String)], value: Double)

    /// The text, version 0.0.4, of what `snapshot` says; parts that do not concern the component are left out.
    package static func exposition(of snapshot: ComponentSnapshot) -> String {
        var text = ""
        for (name, samples) in families(of: snapshot) {
            text += "# TYPE \(name) gauge\n"
            for sample in samples {
                PrometheusText.sample(
                    name,
                    PrometheusText.labels(sample.labels),
                    PrometheusText.number(sample.value),
                    to: &text
                )
            }
        }
        return text
    }

    /// The same as points.
    static func points(of snapshot: ComponentSnapshot) -> [MetricPoint] {
        families(of: snapshot).flatMap { name, samples in
            samples.map { MetricPoint(name, PrometheusText.labels($0.labels), .level($0.value)) }
        }
    }

    /// The names of all levels with their samples, whose first label is the component's.
    private static func families(of snapshot: ComponentSnapshot) -> [(String, [Sample])] {
        var families: [(String, [Sample])] = []
        func gauge(_ name: String, _ samples: [Sample]) {
            guard !samples.isEmpty else { return }
            let own = (PrometheusRegistry.componentLabel, snapshot.id)
            families.append((name, samples.map { ([own] + $0.labels, $0.value) }))
        }
        func level(_ name: String, _ value: Int?) {
            if let value { gauge(name, [([], Double(value))]) }
        }
        level("herd_healthy", snapshot.health == .ok ? 1 : 0)
        gauge("herd_uptime_seconds", [([], snapshot.uptimeSeconds)])
        level("herd_swarms", snapshot.swarms?.count)
        level("herd_storage_blobs", snapshot.storage?.blobCount)
        level("herd_storage_bytes", snapshot.storage?.blobBytes)
        level("herd_storage_unfinished", snapshot.storage?.unfinishedCount)
        level("herd_disk_free_bytes", snapshot.storage?.diskFreeBytes)
        level("herd_disk_size_bytes", snapshot.storage?.diskTotalBytes)
        level("herd_tags", snapshot.tags?.tagCount)
        if let ring = snapshot.ring {
            gauge(
                "herd_ring_member_healthy",
                ring.members.map { ([("member", $0.address)], $0.isHealthy ? 1 : 0) }
            )
        }
        level("herd_healing_blobs", snapshot.ring?.healing?.blobCount)
        level("herd_healing_checked_blobs", snapshot.ring?.healing?.checkedCount)
        level("herd_healing_failed_blobs", snapshot.ring?.healing?.failedCount)
        let queues = snapshot.queues ?? []
        gauge("herd_queue_tasks", queues.flatMap(tasks))
        gauge("herd_queue_oldest_seconds", queues.map { (labels($0), $0.oldestSeconds ?? 0) })
        gauge(
            "herd_queue_circuit_open",
            queues.map { (labels($0), ($0.circuit ?? .closed) == .closed ? 0 : 1) }
        )
        return families
    }

    private static func labels(_ queue: QueueStatus) -> [(String, String)] {
        [("queue", queue.name), ("target", queue.target ?? "")]
    }

    private static func tasks(_ queue: QueueStatus) -> [Sample] {
        let counts = [
            ("pending", queue.pendingCount), ("failed", queue.failedCount),
            ("dead", queue.deadCount ?? 0),
        ]
        return counts.map { (labels(queue) + [("state", $0.0)], Double($0.1)) }
    }
}
