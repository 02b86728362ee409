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
    @Suite("Tracker, announces") struct TrackerAnnounceTests {
        private let originPort = 15_001

        /// A tracker over one origin that serves.
        private func withTracker<Value: Sendable>(
            configure: (inout TrackerConfiguration) -> Void = { _ in },
            body: (TrackerUnderTest, TrackerOrigin) async throws -> Value
        ) async throws -> Value {
            let origin = TrackerOrigin(port: originPort)
            return try await origin.serving { address in
                try await TrackerUnderTest.with(origins: [address], configure: configure) {
                    try await body($0, origin)
                }
            }
        }

        @Test("hands out agents and origins, and never the requester")
        func handout() async throws {
            try await withTracker { tracker, _ in
                let first = try await tracker.announce(1)
                #expect(first.status == 200)
                #expect(try first.ports == [originPort])
                let second = try await tracker.announce(2)
                #expect(try second.ports == [originPort, 1])
                let again = try await tracker.announce(1)
                #expect(try again.ports == [originPort, 2])
            }
        }

        @Test("answers in Kraken's form: ids as integers, the interval in nanoseconds")
        func form() async throws {
            try await withTracker(configure: { $0.announceInterval = .milliseconds(2500) }) {
                tracker,
                _ in
                let answer = try await tracker.announce(1)
                let peerID = PeerID(hashOfAddress: "10.9.9.9", port: originPort)
                let ids = peerID.bytes.map { "\($0)" }.joined(separator: ",")
                #expect(
                    answer.text
                        == "{\"peers\":[{\"peer_id\":[\(ids)],\"ip\":\"10.9.9.9\",\"port\":15001,"
                        + "\"origin\":true,\"complete\":true}],\"interval\":2500000000}\n"
                )
            }
        }

        @Test("takes the first form, a GET with a body that names the swarm")
        func firstForm() async throws {
            try await withTracker { tracker, _ in
                _ = try await tracker.announce(1)
                let body = TrackerUnderTest.body(port: 2)
                let answer = try await tracker.send(.get, "/announce", body: body)
                #expect(answer.status == 200)
                #expect(try answer.ports == [originPort, 1])
            }
        }

        @Test("hands out nobody to a peer that is complete, and the peer before all others")
        func completeness() async throws {
            try await withTracker { tracker, _ in
                _ = try await tracker.announce(1)
                let complete = try await tracker.announce(2, isComplete: true)
                #expect(complete.text == "{\"peers\":null,\"interval\":3000000000}\n")
                #expect(try await tracker.announce(3).ports == [2, originPort, 1])
            }
        }

        @Test("forgets a peer that leaves")
        func leaving() async throws {
            try await withTracker { tracker, _ in
                _ = try await tracker.announce(1, isComplete: true)
                let left = try await tracker.announce(1, isComplete: true, isLeaving: true)
                #expect(left.text == "{\"peers\":null,\"interval\":3000000000}\n")
                #expect(try await tracker.announce(2).ports == [originPort])
            }
        }

        @Test("hands out at most so many agents, and all origins on top")
        func limit() async throws {
            try await withTracker(configure: { $0.handoutAgentsMax = 3 }) { tracker, _ in
                for port in 1...9 { _ = try await tracker.announce(port) }
                let ports = try await tracker.announce(10).ports
                #expect(ports.count == 4)
                #expect(ports.contains(originPort))
            }
        }

        @Test(
            "refuses what is no announce",
            arguments: [
                "", "{}", "[]", "{\"peer\":null}",
                "{\"digest\":\"sha256:00\",\"peer\":{\"peer_id\":[1],\"ip\":\"10.0.0.1\",\"port\":1}}",
                "{\"peer\":{\"peer_id\":[1],\"ip\":\"10.0.0.1\",\"port\":1}}",
            ]
        )
        func refusals(body: String) async throws {
            try await TrackerUnderTest.with(origins: ["127.0.0.1:1"]) { tracker in
                let path = "/announce/\(TrackerUnderTest.infoHash.hex)"
                let answer = try await tracker.send(.post, path, body: body)
                #expect(answer.status == 400)
                #expect(try answer.json["error"]?["detail"]?.string?.isEmpty == false)
            }
        }

        @Test("refuses paths that name no swarm, and bodies of the first form that name none")
        func infoHash() async throws {
            try await TrackerUnderTest.with(origins: ["127.0.0.1:1"]) { tracker in
                let body = TrackerUnderTest.body(port: 1)
                let badHash = try await tracker.send(.post, "/announce/00", body: body)
                #expect(badHash.status == 400)
                let badMethod = try await tracker.send(.put, "/announce/00", body: body)
                #expect(badMethod.status == 405)
                let hex = TrackerUnderTest.digest.hex
                let unnamed =
                    "{\"name\":\"\(hex)\",\"peer\":{\"peer_id\":[1],\"ip\":\"10.0.0.1\",\"port\":1}}"
                let nameless = try await tracker.send(.get, "/announce", body: unnamed)
                #expect(nameless.status == 400)
            }
        }

        @Test("hands out agents when no origin answers, and says 503 when nobody is left")
        func originDown() async throws {
            let port = try ReservedPort.make()
            try await TrackerUnderTest.with(origins: ["127.0.0.1:\(port)"]) { tracker in
                let alone = try await tracker.announce(1)
                #expect(alone.status == 503)
                #expect(alone.headers[.retryAfter] != nil)
                #expect(try await tracker.announce(2).ports == [1])
            }
        }

        @Test("names the owners that answer, and leaves out one that is down")
        func oneOwnerDown() async throws {
            try await withTracker { tracker, origin in
                let port = try ReservedPort.make()
                let address = await origin.address()
                origin.setLocations("127.0.0.1:\(port),\(address)")
                for _ in 0..<3 { #expect(try await tracker.announce(1).ports == [originPort]) }
            }
        }

        @Test("does not wait for an origin that accepts connections and says nothing")
        func silentOrigin() async throws {
            let silent = try await SilentServer.start()
            let configure = { (configuration: inout TrackerConfiguration) in
                configuration.originLookupTimeout = .milliseconds(200)
            }
            try await TrackerUnderTest.with(origins: [silent.address], configure: configure) {
                tracker in
                let first = try await tracker.announce(1)
                #expect(first.status == 503)
                // Who waited for the origin would wait for 5 s, each time.
                try await ServicesTests.eventually("an announce waits for a silent origin") { _ in
                    let start = ContinuousClock.now
                    let ports = try await tracker.announce(2).ports
                    #expect(ports == [1])
                    return start.duration(to: .now) < .seconds(4)
                }
            }
            try await silent.stop()
        }

        @Test("asks origins once for many announces, and again when an answer is old")
        func caching() async throws {
            try await withTracker { tracker, origin in
                try await withThrowingTaskGroup(of: [Int].self) { group in
                    for port in 1...40 { group.addTask { try await tracker.announce(port).ports } }
                    for try await ports in group { #expect(ports.contains(originPort)) }
                }
                #expect(origin.count("locations") == 1)
                #expect(origin.count("peercontext") == 1)
            }
        }

        @Test("finds an origin again soon after it has come back")
        func recovery() async throws {
            let port = try ReservedPort.make()
            let configure = { (configuration: inout TrackerConfiguration) in
                configuration.originUnavailableTimeToLive = .milliseconds(10)
                configuration.locationsErrorTimeToLive = .milliseconds(10)
            }
            try await TrackerUnderTest.with(origins: ["127.0.0.1:\(port)"], configure: configure) {
                tracker in
                let down = try await tracker.announce(1)
                #expect(down.status == 503)
                try await TrackerOrigin(port: originPort).serving(port: port) { _ in
                    // The failure is remembered for 10 ms: one of the next announces names the origin.
                    while try await tracker.announce(1).status == 503 {}
                    let ports = try await tracker.announce(1).ports
                    #expect(ports == [originPort])
                }
            }
        }

        @Test("understands our own client")
        func client() async throws {
            try await withTracker { tracker, _ in
                let client = TrackerClient(address: tracker.address, http: TrackerWorld.http)
                let peer = PeerInfo(
                    peerID: PeerID(hashOfAddress: "10.0.0.1", port: 7),
                    ip: "10.0.0.1",
                    port: 7
                )
                let handout = try await client.announce(
                    TrackerUnderTest.infoHash,
                    digest: TrackerUnderTest.digest,
                    peer: peer
                )
                #expect(handout.interval == .seconds(3))
                #expect(handout.peers.map(\.port) == [originPort])
                #expect(handout.peers.first?.isOrigin == true)
            }
        }
    }
}
