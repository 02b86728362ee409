// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import Telemetry
import TestSupport
import Testing

@Suite("Snapshots") struct SnapshotTests {
    private func pieces(_ text: String) -> PieceMap {
        var bitfield = Bitfield(pieceCount: text.count)
        for (index, character) in text.enumerated() where character == "#" {
            bitfield.insert(PieceIndex(index))
        }
        return PieceMap(bitfield)
    }

    private func full() throws -> ComponentSnapshot {
        let digest = try #require(Digest(hex: String(repeating: "ab", count: 32)))
        let infoHash = InfoHash(hashing: [1])
        let peer = PeerStatus(
            peerID: PeerID(hashOfAddress: "10.0.0.1", port: 1),
            address: "10.0.0.1:1",
            state: .active,
            direction: .outgoing,
            isOrigin: true,
            pieces: pieces("####"),
            requestedPieces: [1, 3],
            requestsMax: 5,
            bytesDownloaded: 7,
            ageSeconds: 1.5
        )
        var swarm = SwarmStatus(
            digest: digest,
            infoHash: infoHash,
            namespace: "library/busybox",
            phase: .leeching,
            blobBytes: 13,
            pieceBytes: 4,
            pieces: pieces("#.#."),
            peers: [peer]
        )
        swarm.bans = [BanStatus(peerID: peer.peerID, reason: "badPiece", remainingSeconds: 30)]
        swarm.arrivingPieces = [1]
        var snapshot = ComponentSnapshot(
            kind: .agent,
            id: "agent-0",
            takenAt: Timestamp(unixNanoseconds: 0),
            health: .ok,
            addresses: ["http": "127.0.0.1:16002"],
            uptimeSeconds: 2,
            counters: Counters(kind: .agent).all()
        )
        snapshot.gauges = ["download_bytes_per_second": 0.5]
        snapshot.eventSequence = 9
        snapshot.swarms = [swarm]
        snapshot.storage = StorageStatus(blobCount: 1, blobBytes: 13)
        snapshot.ring = RingStatus(
            kind: .tracker,
            replicasMax: 3,
            members: [.init(address: "t:1", isHealthy: false, shardCount: 65_536)]
        )
        var queue = QueueStatus(name: "write-back", target: "ns", pendingCount: 1, failedCount: 1)
        queue.tasks = [
            .init(name: "\(digest)", ageSeconds: 3, nextAttemptSeconds: 1, lastError: "x")
        ]
        snapshot.queues = [queue]
        snapshot.tags = TagStatus(tagCount: 1, latest: [.init(tag: "a:b", digest: digest)])
        snapshot.tracking = TrackingStatus(
            swarmCount: 1,
            peerCount: 2,
            swarms: [.init(infoHash: infoHash, digest: digest, peerCount: 2, completeCount: 1)]
        )
        snapshot.faults = ["throttled"]
        return snapshot
    }

    @Test("survive their JSON with every part")
    func roundTrip() throws {
        let snapshot = try full()
        let cluster = ClusterSnapshot(takenAt: snapshot.takenAt, components: [snapshot])
        let bytes = try TelemetryJSON.encode(cluster)
        #expect(try TelemetryJSON.decode(ClusterSnapshot.self, from: bytes) == cluster)
    }

    @Test("have keys in snake case only")
    func keys() throws {
        func check(_ json: JSON, path: String) {
            for member in json.members ?? [] {
                #expect(
                    member.key.wholeMatch(of: /[a-z][a-z0-9_]*/) != nil,
                    "\(path).\(member.key)"
                )
                check(member.value, path: "\(path).\(member.key)")
            }
            for element in json.array ?? [] { check(element, path: path) }
        }
        check(try JSON(parsing: try TelemetryJSON.encode(try full())), path: "")
    }

    @Test("leave out the parts that do not concern a component, and read without them")
    func absent() throws {
        let snapshot = ComponentSnapshot(
            kind: .buildIndex,
            id: "build-index-0",
            takenAt: Timestamp(unixNanoseconds: 0),
            health: .starting
        )
        let text = String(decoding: try TelemetryJSON.encode(snapshot), as: UTF8.self)
        #expect(
            text
                == #"{"addresses":{},"counters":{},"health":"starting","id":"build-index-0","#
                + #""kind":"build-index","taken_at":"1970-01-01T00:00:00.000000000Z","#
                + #""uptime_seconds":0,"version":1}"#
        )
        let newer = text.replacing("\"version\":1", with: "\"version\":2,\"new_key\":[1]")
        let read = try TelemetryJSON.decode(ComponentSnapshot.self, from: newer.utf8)
        #expect(read.version == 2)
    }

    @Test("write pieces as base64, the first piece in the lowest bit")
    func pieceMap() throws {
        let text = String(decoding: try TelemetryJSON.encode(pieces("#.#......#")), as: UTF8.self)
        #expect(text == #"{"bits":"BQI=","count":10,"held":3}"#)
        for hostile in [
            #"{"count":-1,"held":0,"bits":""}"#, #"{"count":9,"held":0,"bits":"AA=="}"#,
            #"{"count":9000000000,"held":0,"bits":"AA=="}"#, #"{"count":8,"held":0,"bits":"!"}"#,
        ] {
            #expect(throws: DecodingError.self) {
                try TelemetryJSON.decode(PieceMap.self, from: hostile.utf8)
            }
        }
    }

    @Test("keep pieces of any number", arguments: Seeds.fresh(4))
    func pieceMaps(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        for _ in 0..<50 {
            var bitfield = Bitfield(pieceCount: generator.below(300))
            for index in 0..<bitfield.pieceCount where generator.chance(Ratio(1, in: 3)) {
                bitfield.insert(PieceIndex(index))
            }
            let bytes = try TelemetryJSON.encode(PieceMap(bitfield))
            #expect(try TelemetryJSON.decode(PieceMap.self, from: bytes).bitfield == bitfield)
        }
    }
}

@Suite("Counters") struct CountersTests {
    @Test("of an agent are all there from the start, at zero")
    func agent() {
        let all = Counters(kind: .agent).all()
        for name in [
            "bytes_downloaded_from_agents", "bytes_downloaded_from_origins", "bytes_uploaded",
            "pieces_received", "pieces_duplicate", "pieces_bad", "blobs_completed",
        ] {
            #expect(all[name] == 0)
        }
    }

    @Test("count exactly from many tasks at once", .timeLimit(.minutes(1)))
    func concurrency() async {
        let counters = Counters()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<1000 { counters.counter("x").add(2) }
                }
            }
        }
        #expect(counters.all() == ["x": 16_000])
        counters.counter("x").set(-1)
        #expect(counters.counter("x").value == -1)
    }
}
