// SPDX-License-Identifier: Apache-2.0

import Content
import Files
import Foundation
import HTTPKit
import Hummingbird
import Logging
import NIOCore
import NIOPosix
import Primitives
import Synchronization
import Telemetry
import Testing

@Suite("Standard routes", .timeLimit(.minutes(1))) struct StandardRoutesTests {
    private func environment(_ limits: Limits = Limits()) -> ComponentEnvironment {
        let group = MultiThreadedEventLoopGroup.singleton
        return ComponentEnvironment(
            id: "agent-7",
            eventLoopGroup: group,
            pool: .singleton,
            httpClient: HTTPClient(eventLoopGroup: group, pool: .singleton),
            log: Logger(label: "test"),
            events: EventLog(component: "agent-7", limits: limits),
            counters: Counters(kind: .agent)
        )
    }

    private func ask(
        _ client: RawClient,
        _ path: String,
        _ headers: String = ""
    ) async throws
        -> RawResponse
    {
        client.send("GET \(path) HTTP/1.1\r\nHost: x\r\n\(headers)\r\n")
        return try await client.response()
    }

    @Test("tell health, readiness, the snapshot and the counters")
    func documents() async throws {
        let environment = environment()
        environment.counters.counter("bytes_uploaded").add(42)
        let isReady = Mutex(true)
        let settings = [SettingStatus(key: "zone", value: "b", isChanged: true)]
        try await TestServer.with { router in
            StandardRoutes(
                environment,
                okBody: "OK",
                readiness: {
                    guard isReady.withLock({ $0 }) else { throw ClientFailure(why: "no tracker") }
                },
                snapshot: {
                    var snapshot = ComponentSnapshot(
                        kind: .agent,
                        id: environment.id,
                        health: .ok,
                        counters: environment.counters.all()
                    )
                    snapshot.settings = settings
                    return snapshot
                }
            ).add(to: router)
        } body: { server in
            let client = try RawClient(port: server.port)
            #expect(try await ask(client, "/health").text == "OK")
            #expect(try await ask(client, "/readiness").text == "OK")
            isReady.withLock { $0 = false }
            let unready = try await ask(client, "/readiness")
            #expect(unready.status == 503 && unready.text.contains("no tracker"))
            let status = try await ask(client, "/status")
            #expect(status["content-type"] == "application/json")
            let snapshot = try TelemetryJSON.decode(ComponentSnapshot.self, from: status.body)
            #expect(snapshot.id == "agent-7" && snapshot.counters["bytes_uploaded"] == 42)
            // The configuration has a door of its own: it is not repeated with each status.
            #expect(snapshot.settings == nil)
            let configuration = try await ask(client, "/config")
            #expect(
                try TelemetryJSON.decode([SettingStatus].self, from: configuration.body)
                    == settings
            )
            let metrics = try await ask(client, "/metrics")
            #expect(metrics.text.contains("bytes_uploaded"))
        }
        try await environment.httpClient.shutdown()
    }

    @Test("tell one swarm's peers alone, and nothing anew while nothing has changed")
    func swarm() async throws {
        let environment = environment()
        let first = Digest(hex: String(repeating: "a", count: 64))
        let second = Digest(hex: String(repeating: "b", count: 64))
        let digests = [first, second].compactMap { $0 }
        let uploaded = Mutex(0)
        try await TestServer.with { router in
            StandardRoutes(
                environment,
                snapshot: {
                    var snapshot = ComponentSnapshot(
                        kind: .agent,
                        id: environment.id,
                        health: .ok,
                        uptimeSeconds: Double.random(in: 0...1000)
                    )
                    snapshot.swarms = digests.map { digest in
                        SwarmStatus(
                            digest: digest,
                            infoHash: InfoHash(hashing: digest.bytes),
                            phase: .seeding,
                            blobBytes: 1,
                            pieceBytes: 1,
                            pieces: PieceMap(Bitfield.full(pieceCount: 1)),
                            ageSeconds: Double.random(in: 0...1000),
                            bytesUploaded: uploaded.withLock { $0 },
                            peers: [
                                PeerStatus(
                                    peerID: PeerID(hashOfAddress: "10.0.0.1", port: 1),
                                    state: .active,
                                    direction: .incoming
                                )
                            ]
                        )
                    }
                    return snapshot
                }
            ).add(to: router)
        } body: { server in
            let client = try RawClient(port: server.port)
            let path = "/status?swarm=\(digests[1])"
            let answer = try await ask(client, path)
            let snapshot = try TelemetryJSON.decode(ComponentSnapshot.self, from: answer.body)
            #expect(snapshot.swarms?.map(\.peers.count) == [0, 1])
            let tag = try #require(answer["etag"])
            #expect(try await ask(client, path, "If-None-Match: \(tag)\r\n").status == 304)
            uploaded.withLock { $0 = 7 }
            #expect(try await ask(client, path, "If-None-Match: \(tag)\r\n").status == 200)
            #expect(try await ask(client, "/status?swarm=cat").status == 400)
        }
        try await environment.httpClient.shutdown()
    }

    @Test("stream events from where a reader left off, to as many readers as allowed")
    func events() async throws {
        var limits = Limits()
        limits.eventReadersMax = 1
        let environment = environment(limits)
        for _ in 0..<3 { environment.events.record(ClusterEvent(.push)) }
        try await TestServer.with { router in
            StandardRoutes(environment) {
                ComponentSnapshot(kind: .agent, id: "agent-7", health: .ok)
            }.add(to: router)
        } body: { server in
            let client = try RawClient(port: server.port)
            client.send("GET /events HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 1\r\n\r\n")
            let text = try await client.text(until: "id: 3\n")
            #expect(text.contains("text/event-stream"))
            #expect(text.contains("id: 2\n") && !text.contains("id: 1\n"))
            let second = try RawClient(port: server.port)
            #expect(try await ask(second, "/events").status == 503)
            environment.events.record(ClusterEvent(.pull))
            #expect(try await client.text(until: "id: 4\n").contains("\"pull\""))
        }
        try await environment.httpClient.shutdown()
    }
}
