// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import ClusterConfiguration
import Content
import HTTPKit
import HTTPTypes
import Primitives
import Telemetry
import TestSupport
import Testing
import TrackerService

extension ServicesTests {
    @Suite("Tracker, meta info") struct TrackerMetaInfoTests {
        private let path = "/namespace/library%2Fbusybox/blobs/\(TrackerUnderTest.digest)/metainfo"

        @Test("passes on the origins' document, byte for byte, and remembers it")
        func document() async throws {
            try await TrackerUnderTest.withOrigin { tracker, origin in
                origin.answerMetaInfo(.document(try TrackerUnderTest.metaInfo()))
                for _ in 0..<3 {
                    let answer = try await tracker.send(.get, path)
                    #expect(answer.status == 200)
                    #expect(answer.headers[.contentType] == "application/json")
                    #expect(
                        answer.text
                            == String(decoding: try TrackerUnderTest.metaInfo().json, as: UTF8.self)
                    )
                }
                #expect(origin.count("metainfo") == 1)
                #expect(origin.namespaces == ["library/busybox"])
            }
        }

        @Test("keeps namespaces apart")
        func namespaces() async throws {
            try await TrackerUnderTest.withOrigin { tracker, origin in
                origin.answerMetaInfo(.document(try TrackerUnderTest.metaInfo()))
                _ = try await tracker.send(.get, path)
                _ = try await tracker.send(.get, path.replacing("busybox", with: "other"))
                #expect(origin.namespaces == ["library/busybox", "library/other"])
            }
        }

        @Test("passes on the origins' status", arguments: [202, 404, 503, 500, 599])
        func status(code: Int) async throws {
            try await TrackerUnderTest.withOrigin { tracker, origin in
                origin.answerMetaInfo(.status(code))
                let answer1 = try await tracker.send(.get, path)
                #expect(answer1.status == code)
            }
        }

        @Test("forgets a failure soon")
        func failure() async throws {
            try await TrackerUnderTest.withOrigin(configure: {
                $0.metaInfoErrorTimeToLive = .milliseconds(1)
            }) {
                tracker,
                origin in
                let answer2 = try await tracker.send(.get, path)
                #expect(answer2.status == 404)
                origin.answerMetaInfo(.document(try TrackerUnderTest.metaInfo()))
                while try await tracker.send(.get, path).status == 404 {}
                let answer3 = try await tracker.send(.get, path)
                #expect(answer3.status == 200)
            }
        }

        @Test("asks once for all who want the same document at the same time")
        func coalescing() async throws {
            try await TrackerUnderTest.withOrigin { tracker, origin in
                origin.answerMetaInfo(.document(try TrackerUnderTest.metaInfo()))
                let gate = TrackerSignal<Void>()
                origin.hold(until: gate)
                try await withThrowingTaskGroup(of: Int.self) { group in
                    for _ in 0..<50 {
                        group.addTask { try await tracker.send(.get, path).status }
                    }
                    await origin.metaInfoAsked()
                    gate.send(())
                    for try await status in group { #expect(status == 200) }
                }
                #expect(origin.count("metainfo") == 1)
            }
        }

        @Test("says 202 before agents give up on it, and answers when the slow origin has")
        func slowOrigin() async throws {
            try await TrackerUnderTest.withOrigin(configure: {
                $0.metaInfoTimeout = .milliseconds(50)
            }) {
                tracker,
                origin in
                origin.answerMetaInfo(.document(try TrackerUnderTest.metaInfo()))
                let gate = TrackerSignal<Void>()
                origin.hold(until: gate)
                let answer4 = try await tracker.send(.get, path)
                #expect(answer4.status == 202)
                gate.send(())
                while try await tracker.send(.get, path).status == 202 {}
                let answer5 = try await tracker.send(.get, path)
                #expect(answer5.status == 200)
                #expect(origin.count("metainfo") == 1)
            }
        }

        @Test("says 502 when no origin answers")
        func originDown() async throws {
            let port = try ReservedPort.make()
            try await TrackerUnderTest.with(origins: ["127.0.0.1:\(port)"]) { tracker in
                let answer = try await tracker.send(.get, path)
                #expect(answer.status == 502)
                #expect(try answer.json["error"]?["message"]?.string?.hasPrefix("origin: ") == true)
            }
        }

        @Test(
            "refuses names that are none",
            arguments: [
                "/namespace/ns/blobs/sha256:00/metainfo", "/namespace/ns/blobs/00/metainfo",
                "/namespace//blobs/\(TrackerUnderTest.digest)/metainfo",
                "/namespace/%zz/blobs/\(TrackerUnderTest.digest)/metainfo",
                "/namespace/%0a/blobs/\(TrackerUnderTest.digest)/metainfo",
            ]
        )
        func refusals(path: String) async throws {
            try await TrackerUnderTest.with(origins: ["127.0.0.1:1"]) { tracker in
                let answer6 = try await tracker.send(.get, path)
                #expect(answer6.status == 400)
            }
        }

        @Test("is understood by our own client")
        func client() async throws {
            try await TrackerUnderTest.withOrigin { tracker, origin in
                origin.answerMetaInfo(.document(try TrackerUnderTest.metaInfo()))
                let client = TrackerClient(address: tracker.address, http: TrackerWorld.http)
                let read = try await client.metaInfo(
                    of: TrackerUnderTest.digest,
                    namespace: try Namespace("library/busybox")
                )
                #expect(try read == TrackerUnderTest.metaInfo())
            }
        }
    }
}

extension ServicesTests {
    @Suite("Tracker, standard endpoints") struct TrackerStandardTests {
        @Test("is healthy whatever the origins do, and ready when one is")
        func probes() async throws {
            let origin = TrackerOrigin(port: 15_001)
            try await origin.serving { address in
                try await TrackerUnderTest.with(origins: [address]) { tracker in
                    let health = try await tracker.send(.get, "/health")
                    #expect((health.status, health.text) == (200, "OK\n"))
                    let ready = try await tracker.send(.get, "/readiness")
                    #expect((ready.status, ready.text) == (200, "OK\n"))
                }
                origin.setReady(false)
                try await TrackerUnderTest.with(origins: [address]) { tracker in
                    let unready = try await tracker.send(.get, "/readiness")
                    #expect(unready.status == 503)
                    #expect(unready.text.hasPrefix("not ready to serve traffic: "))
                }
            }
        }

        @Test("asks the origins once for many who want to know whether it is ready")
        func readinessIsShared() async throws {
            let origin = TrackerOrigin(port: 15_001)
            try await origin.serving { address in
                try await TrackerUnderTest.with(origins: [address]) { tracker in
                    try await withThrowingTaskGroup(of: Int.self) { group in
                        for _ in 0..<20 {
                            group.addTask { try await tracker.send(.get, "/readiness").status }
                        }
                        for try await status in group { #expect(status == 200) }
                    }
                    #expect(origin.count("readiness") < 20)
                }
            }
        }

        @Test("shows its swarms, counters, events and metrics")
        func observation() async throws {
            let origin = TrackerOrigin(port: 15_001)
            let metrics = PrometheusRegistry()
            try await origin.serving { address in
                try await TrackerUnderTest.with(origins: [address], metrics: metrics) { tracker in
                    _ = try await tracker.announce(1)
                    _ = try await tracker.announce(2, isComplete: true)
                    let status = try await tracker.send(.get, "/status")
                    let snapshot = try TelemetryJSON.decode(
                        ComponentSnapshot.self,
                        from: status.text.utf8
                    )
                    #expect(snapshot.kind == .tracker)
                    #expect(snapshot.health == .ok)
                    #expect(snapshot.addresses == ["http": tracker.address])
                    #expect(snapshot.counters["announces"] == 2)
                    #expect(snapshot.counters["peers_tracked"] == 2)
                    #expect(snapshot.counters["peers_handed_out"] == 1)
                    #expect(
                        snapshot.tracking?.swarms == [
                            .init(
                                infoHash: TrackerUnderTest.infoHash,
                                digest: TrackerUnderTest.digest,
                                peerCount: 2,
                                completeCount: 1
                            )
                        ]
                    )
                    #expect(snapshot.eventSequence == 2)
                    let text = try await tracker.send(.get, "/metrics").text
                    #expect(text.contains("herd_announces{component=\"tracker-0\"} 2\n"))
                    #expect(
                        text.contains(
                            "herd_tracker_total_seeders_bucket{component=\"tracker-0\",le=\"1\"} 1\n"
                        )
                    )
                }
            }
        }
    }
}
