// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import TUI
import Telemetry

/// One moment of one cluster, for tests of screens: 24 agents pull `demo/web:v42`, a20 is down, origin-2 cannot write
/// back. The same at every run.
enum SamplePicture {
    static let layer = digest("9f3c41d07a")
    static let second = digest("02be77a1c94e")
    static let third = digest("c7714e0b5291")
    static let takenAt =
        Timestamp(parsing: "2026-08-14T14:03:27.450Z") ?? Timestamp(unixNanoseconds: 1)

    static func make() -> ClusterPicture {
        var picture = ClusterPicture()
        picture.name = "devcluster"
        picture.version = 1
        picture.takenAt = takenAt
        picture.components = components()
        for row in picture.components {
            if let peer = row.peerID { picture.names[peer] = row.shortName }
        }
        picture.blobs = blobs()
        picture.queues = queues()
        picture.ring = ring()
        picture.totals = totals()
        picture.faults = [
            FaultRow(
                id: 1,
                kind: "kill",
                targets: ["agent-20"],
                detail: "a20 is down",
                remainingSeconds: 16
            )
        ]
        picture.components[27].faults = ["killed"]
        picture.tags = [TagStatus.Entry(tag: "demo/web:v42", digest: digest("5d0c"))]
        SampleEvents.fill(&picture.events)
        SampleLogs.fill(&picture.logs)
        picture.marks = [
            TimeMark(at: second(-22), label: "push"),
            TimeMark(at: second(-16), label: "first seed a00"),
            TimeMark(at: second(-14), label: "kill a20"),
        ]
        return picture
    }

    /// A view of `screen` at a size.
    static func view(_ screen: Screen, _ width: Int, _ height: Int) -> ViewState {
        var view = ViewState()
        view.screen = screen
        view.size = Size(width: width, height: height)
        view.blob = layer
        return view
    }

    static func digest(_ start: String) -> Digest {
        let hex = start + String(repeating: "0", count: 64 - start.count)
        guard let digest = Digest(hex: hex) else {
            preconditionFailure("not hexadecimal: \(start)")
        }
        return digest
    }

    static func peer(_ name: String) -> PeerID { PeerID(hashOfAddress: name, port: 1) }

    static func second(_ seconds: Double) -> Timestamp {
        Timestamp(unixNanoseconds: takenAt.unixNanoseconds + Int64(seconds * 1e9))
    }

    // MARK: - Components

    private static func components() -> [ComponentRow] {
        var rows = [
            row("proxy", "proxy", .proxy, 15000),
            row("build-index", "build-index", .buildIndex, 15004),
            row("tracker", "tracker", .tracker, 15003),
        ]
        rows[1].tagCount = 128
        rows[2].tracking = TrackingStatus(swarmCount: 9, peerCount: 27, swarms: [])
        rows[2].rates["announces"] = 41
        for index in 0..<3 { rows.append(origin(index)) }
        rows.append(row("testfs", "testfs", .testfs, 14000))
        let done = [
            100, 91, 91, 100, 43, 41, 83, 79, 39, 37, 70, 35, 33, 33, 31, 58, 29, 79, 54, 25, 0, 22,
            41, 41,
        ]
        for (index, percent) in done.enumerated() { rows.append(agent(index, percent)) }
        return rows
    }

    private static func row(
        _ id: String,
        _ short: String,
        _ kind: ComponentKind,
        _ port: Int
    ) -> ComponentRow {
        var row = ComponentRow(id: id, shortName: short, kind: kind)
        row.health = .ok
        row.addresses["http"] = "127.0.0.1:\(port)"
        row.uptimeSeconds = 252
        row.latencies = (0..<30).map { 0.3 + Double($0 % 5) / 10 }
        row.gauges = ["resident_bytes": 38 * 1_048_576, "open_files": 64]
        return row
    }

    private static func origin(_ index: Int) -> ComponentRow {
        var row = row("origin-\(index)", "o\(index)", .origin, 15002 + index * 10)
        row.addresses["peer"] = "127.0.0.1:\(15001 + index * 10)"
        row.peerID = peer(row.shortName)
        row.storage = StorageStatus(blobCount: 40 + index % 2, blobBytes: 2 << 30)
        (row.swarmCount, row.connectionCount) = (41, 10)
        row.uploadRate = 22 * 1_048_576
        row.counters["bytes_uploaded"] = 118 << 20
        row.counters["blobs_replicated"] = 1
        row.settings = [
            .init(key: "scheduler.conn_ttl", value: "1h", isChanged: false),
            .init(key: "scheduler.conn_tti", value: "30s", isChanged: false),
            .init(key: "hashring.max_replica", value: "2", isChanged: true),
            .init(key: "writeback.retry_interval", value: "30s", isChanged: true),
            .init(key: "metainfogen.piece_lengths", value: "0: 4MB", isChanged: false),
            .init(key: "connstate.max_open_conn", value: "10", isChanged: false),
            .init(key: "blacklist_duration", value: "30s", isChanged: false),
            .init(key: "cluster.static", value: "3 hosts", isChanged: true),
            .init(key: "dispatch.policy", value: "rarest_first", isChanged: false),
        ]
        if index == 2 {
            row.health = .failing
            row.healthReason = "write-back: 503 service unavailable"
        }
        return row
    }

    private static func agent(_ index: Int, _ percent: Int) -> ComponentRow {
        let short = "a\(index < 10 ? "0" : "")\(index)"
        var row = row("agent-\(index)", short, .agent, 16000 + index * 10)
        row.addresses["peer"] = "127.0.0.1:\(16001 + index * 10)"
        row.peerID = peer(short)
        row.completion = Double(percent) / 100
        row.leechingCount = percent == 100 ? 0 : 1
        (row.swarmCount, row.connectionCount) = (4, 10)
        row.downloadRate = percent == 100 ? 0 : Double(10 + index) * 1_048_576
        row.uploadRate = Double(30 - index) * 500_000
        if index == 20 { row.freshness = .down(seconds: 14) }
        return row
    }

    private static func ring() -> RingPicture {
        let shards = [21_889, 21_758, 21_889]
        return RingPicture(
            members: shards.enumerated().map { index, count in
                .init(
                    name: "o\(index)",
                    address: "127.0.0.1:\(15002 + index * 10)",
                    isHealthy: index != 2,
                    shards: count
                )
            },
            replicasMax: 2
        )
    }

    private static func blobs() -> [BlobRow] {
        let rows: [(Digest, Int, Int, Int, Int, Double, Double)] = [
            (layer, 192, 48, 5, 21, 0.54, 421), (second, 64, 16, 12, 14, 0.81, 142),
            (third, 28, 7, 26, 0, 1, 49),
        ]
        return rows.map { digest, size, pieces, seeders, leechers, done, rate in
            var row = BlobRow(digest: digest)
            row.infoHash = InfoHash(hashing: Array(digest.hex.utf8))
            row.label = "demo/web:v42"
            (row.blobBytes, row.pieceBytes, row.pieceCount) = (size << 20, 4 << 20, pieces)
            (row.seederCount, row.leecherCount, row.done) = (seeders, leechers, done)
            (row.rate, row.copies) = (rate * 1_048_576, 10.98)
            row.secondsLeft = leechers > 0 ? 4 : nil
            row.shares = (0..<pieces).map { Float($0 % 5 + 4) / 10 }
            return row
        }
    }

    private static func totals() -> Totals {
        var totals = Totals()
        (totals.downloadRate, totals.peakDownloadRate) = (612 * 1_048_576, 734 * 1_048_576)
        (totals.originUploadRate, totals.agentUploadRate) = (55 * 1_048_576, 557 * 1_048_576)
        (totals.agentShare, totals.downloadedBytes) = (0.91, 2_609_192_632)
        (totals.announceRate, totals.pieceRate, totals.eventRate) = (41, 153, 213)
        (totals.connectionCount, totals.connectionsMax, totals.banCount) = (118, 240, 1)
        (totals.pendingTasks, totals.failedTasks, totals.oldestTaskSeconds) = (3, 2, 41)
        totals.pullSeconds = [1.8, 4.1, 5]
        return totals
    }

    // MARK: - Queues

    private static func queues() -> [QueueRow] {
        var rows = [
            queue("origin-0", "write-back", "demo/.*", 0, 0, 14),
            queue("origin-1", "write-back", "demo/.*", 1, 0, 13),
            queue("origin-2", "write-back", "demo/.*", 2, 2, 11),
            queue("build-index", "replication", "zone-b", 2, 0, 9),
            queue("build-index", "replication", "zone-c", 0, 0, 9),
        ]
        rows[1].status.oldestSeconds = 0.3
        rows[1].status.tasks = [.init(name: layer.description, ageSeconds: 0.3)]
        rows[2].status.oldestSeconds = 41
        rows[2].status.nextAttemptSeconds = 11
        rows[2].status.lastError = "503 service unavailable: testfs is out on purpose"
        rows[2].status.tasks = [
            .init(
                name: second.description,
                failureCount: 2,
                ageSeconds: 41,
                nextAttemptSeconds: 12,
                lastError: "503 service unavailable"
            ),
            .init(
                name: third.description,
                failureCount: 1,
                ageSeconds: 22,
                nextAttemptSeconds: 11,
                lastError: "503 service unavailable"
            ),
        ]
        rows[2].status.tasks?[0].bytes = 64 << 20
        rows[2].status.tasks?[1].bytes = 28 << 20
        rows[2].status.tasks?[0].lastAttemptSeconds = 18
        rows[2].status.tasks?[1].lastAttemptSeconds = 19
        rows[3].status.oldestSeconds = 1.1
        rows[3].status.tasks = [
            .init(name: "demo/web:v42", ageSeconds: 1.1, nextAttemptSeconds: 0),
            .init(name: "demo/web:latest", ageSeconds: 0.9),
        ]
        rows[3].status.tasks?[0].missingCount = 6
        rows[3].status.tasks?[0].missing = [layer, second, third]
        return rows
    }

    private static func queue(
        _ component: String,
        _ name: String,
        _ target: String,
        _ pending: Int,
        _ failed: Int,
        _ done: Int
    ) -> QueueRow {
        var status = QueueStatus(
            name: name,
            target: target,
            pendingCount: pending,
            failedCount: failed,
            doneCount: done * 4,
            capacity: 1000
        )
        status.tasks = []
        var row = QueueRow(component: component, status: status)
        row.doneLastMinute = done
        var generator = Generator(seed: UInt64(component.count * 8 + target.count))
        row.pendingHistory = (0..<60).map {
            max(0, $0 / 12 * (pending + 1) / 2 - generator.below(3))
        }
        row.failedHistory = (0..<60).map { $0 < 20 ? 0 : min(failed, ($0 - 20) / 6) }
        return row
    }
}

/// Lines of a log.
enum SampleLogs {
    static func fill(_ logs: inout LogWindow) {
        for (index, line) in lines.enumerated() {
            logs.lines.append(
                LogLine(
                    at: SamplePicture.second(-0.15 + Double(index) / 100),
                    level: line.0,
                    component: "origin-1",
                    text: line.1
                )
            )
            logs.lines.append(
                LogLine(
                    at: SamplePicture.second(-0.1),
                    level: "info",
                    component: "tracker",
                    text: "announce"
                )
            )
        }
    }

    private static let lines = [
        ("info", "blob stored digest=02be77a1c94e bytes=67108864"),
        ("info", "owners of 02be77a1 are origin-2, origin-0"),
        ("info", "copied a blob to origin-0 took=96ms"),
        ("debug", "connection a05 9f3c41d0 active (10/10)"),
        ("notice", "at capacity 9f3c41d0: reject a19"),
        ("warning", "write-back of 02be77a1 failed attempt=1 error=503 service unavailable"),
        ("info", "sent piece 31 to a03 bytes=4194304"),
        ("info", "sent piece 7 to a05 bytes=4194304"),
        ("error", "could not ask 127.0.0.1:15022 for its health: connection refused"),
    ]
}
