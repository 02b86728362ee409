// SPDX-License-Identifier: Apache-2.0

import Telemetry
import Testing

@Suite("Metrics of snapshots") struct SnapshotMetricsTests {
    @Test("tells the parts that a component has, and no others")
    func parts() {
        var snapshot = ComponentSnapshot(kind: .origin, id: "origin-0", health: .ok)
        snapshot.uptimeSeconds = 1.5
        #expect(
            SnapshotMetrics.exposition(of: snapshot) == """
                # TYPE herd_healthy gauge
                herd_healthy{component="origin-0"} 1
                # TYPE herd_uptime_seconds gauge
                herd_uptime_seconds{component="origin-0"} 1.5

                """
        )
        snapshot.health = .starting
        snapshot.storage = StorageStatus(blobCount: 3, blobBytes: 70, diskFreeBytes: 9)
        let text = SnapshotMetrics.exposition(of: snapshot)
        #expect(text.contains("herd_healthy{component=\"origin-0\"} 0\n"))
        #expect(text.contains("herd_storage_bytes{component=\"origin-0\"} 70\n"))
        #expect(text.contains("herd_disk_free_bytes{component=\"origin-0\"} 9\n"))
        #expect(!text.contains("herd_disk_size_bytes"))
    }

    @Test("tells each member of the ring and each queue apart, under one type line")
    func labels() {
        var snapshot = ComponentSnapshot(kind: .origin, id: "o", health: .ok)
        snapshot.ring = RingStatus(
            kind: .origin,
            replicasMax: 2,
            members: [
                .init(address: "a:1", isHealthy: true), .init(address: "b:1", isHealthy: false),
            ]
        )
        var queue = QueueStatus(name: "write-back", target: "s3 \"x\"", pendingCount: 4)
        (queue.deadCount, queue.circuit, queue.oldestSeconds) = (2, .open, 61)
        snapshot.queues = [queue, QueueStatus(name: "replication", pendingCount: 0)]
        let lines = SnapshotMetrics.exposition(of: snapshot).split(separator: "\n")
        for line in [
            #"herd_ring_member_healthy{component="o",member="a:1"} 1"#,
            #"herd_ring_member_healthy{component="o",member="b:1"} 0"#,
            #"herd_queue_tasks{component="o",queue="write-back",state="pending",target="s3 \"x\""} 4"#,
            #"herd_queue_tasks{component="o",queue="write-back",state="dead",target="s3 \"x\""} 2"#,
            #"herd_queue_oldest_seconds{component="o",queue="write-back",target="s3 \"x\""} 61"#,
            #"herd_queue_circuit_open{component="o",queue="write-back",target="s3 \"x\""} 1"#,
            #"herd_queue_circuit_open{component="o",queue="replication",target=""} 0"#,
        ] {
            #expect(lines.contains { $0 == line }, "no \(line)")
        }
        let types = lines.filter { $0.hasPrefix("# TYPE") }
        #expect(types.count == Set(types).count)
    }
}
