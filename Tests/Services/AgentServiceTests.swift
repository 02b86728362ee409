// SPDX-License-Identifier: Apache-2.0

import AgentService
import ClusterConfiguration
import Content
import Foundation
import HTTPKit
import HTTPTypes
import NIOCore
import Primitives
import SwarmIO
import Telemetry
import TestSupport
import Testing

extension ServicesTests {
    @Suite("Agent: registry and service") struct AgentServiceTests {
        private let manifestType = "application/vnd.oci.image.manifest.v1+json"

        @Test("is a registry from which an image can be pulled, by tag and by digest")
        func pull() async throws {
            try await AgentCluster.with { cluster in
                let image = BuildIndexImage("agent")
                try await cluster.upload(image.config, image.layer, image.manifest)
                try await cluster.put("ns/repo:v1", image.digest)
                try await cluster.withAgent { agent in
                    func get(
                        _ path: String,
                        _ method: HTTPRequest.Method = .get
                    ) async throws -> OriginUnderTest.Answer {
                        try await agent.send(method, "/v2/\(path)", to: "registry")
                    }
                    #expect(try await get("").status == 200)
                    for reference in ["v1", "\(image.digest)"] {
                        let manifest = try await get("ns/repo/manifests/\(reference)")
                        #expect(manifest.status == 200)
                        #expect(manifest.bytes == image.manifest.bytes)
                        #expect(manifest.header("Content-Type") == manifestType)
                        #expect(manifest.header("Docker-Content-Digest") == "\(image.digest)")
                        let head = try await get("ns/repo/manifests/\(reference)", .head)
                        #expect(head.status == 200)
                        #expect(head.header("Content-Length") == "\(image.manifest.bytes.count)")
                    }
                    for blob in [image.config, image.layer] {
                        let answer = try await get("ns/repo/blobs/\(blob.digest)")
                        #expect(answer.status == 200 && answer.bytes == blob.bytes)
                    }
                    #expect(
                        try await agent.send(.get, "/tags/ns%2Frepo:v1").text == "\(image.digest)"
                    )
                }
            }
        }

        @Test("answers what it does not have with the registry's own error codes")
        func unknown() async throws {
            try await AgentCluster.with { cluster in
                let blob = OriginBlob("no such blob")
                try await cluster.withAgent { agent in
                    for (path, status, code) in [
                        ("ns/repo/blobs/\(blob.digest)", 404, "BLOB_UNKNOWN"),
                        ("ns/repo/manifests/v9", 404, "MANIFEST_UNKNOWN"),
                        ("ns/repo/manifests/\(blob.digest)", 404, "MANIFEST_UNKNOWN"),
                        ("ns/repo/blobs/sha256:12", 400, "DIGEST_INVALID"),
                        ("NS/repo/tags/list", 400, "NAME_INVALID"),
                    ] {
                        let answer = try await agent.send(.get, "/v2/\(path)", to: "registry")
                        #expect(answer.status == status, "\(path)")
                        let error = try answer.json["errors"]?.array?.first
                        #expect(error?["code"]?.string == code, "\(path)")
                    }
                    #expect(try await agent.send(.get, "/tags/ns%2Frepo:v9").status == 404)
                    #expect(try await agent.send(.get, "/tags/nonsense").status == 400)
                }
            }
        }

        @Test("refuses every write, and says where to push")
        func readOnly() async throws {
            try await AgentCluster.with { cluster in
                let blob = OriginBlob("pushed to the wrong door")
                try await cluster.withAgent { agent in
                    for (method, path) in [
                        (.post, "ns/repo/blobs/uploads/"), (.put, "ns/repo/manifests/v1"),
                        (.patch, "ns/repo/blobs/uploads/1"), (.delete, "ns/repo/manifests/v1"),
                        (.delete, "ns/repo/blobs/\(blob.digest)"),
                    ] as [(HTTPRequest.Method, String)] {
                        let answer = try await agent.send(
                            method,
                            "/v2/\(path)",
                            to: "registry",
                            body: "{}"
                        )
                        #expect(answer.status == 405, "\(method) \(path)")
                        let error = try answer.json["errors"]?.array?.first
                        #expect(error?["code"]?.string == "UNSUPPORTED")
                        let hasPushAddress = answer.text.contains("proxy.example:15000")
                        #expect(hasPushAddress, "\(method) \(path)")
                    }
                }
            }
        }

        @Test("tells health, readiness, its state and its bans, at both doors where it should")
        func probes() async throws {
            try await AgentCluster.with { cluster in
                try await cluster.withAgent { agent in
                    for purpose in ["http", "registry"] {
                        let health = try await agent.send(.get, "/health", to: purpose)
                        #expect(health.status == 200 && health.text == "OK")
                        let ready = try await agent.send(.get, "/readiness", to: purpose)
                        #expect(ready.status == 200 && ready.text == "OK")
                    }
                    let bans = try await agent.send(.get, "/x/blacklist")
                    #expect(bans.status == 200 && bans.text == "[]")
                    let snapshot = try await agent.status()
                    #expect(snapshot.kind == .agent && snapshot.health == .ok)
                    #expect(snapshot.addresses == agent.addresses)
                    #expect(Set(agent.addresses.keys) == ["http", "registry", "peer"])
                    for name in ComponentKind.agent.counterNames {
                        #expect(snapshot.counters[name] != nil, "\(name)")
                    }
                    let metrics = try await agent.send(.get, "/metrics")
                    #expect(metrics.text.contains("bytes_downloaded_from_agents"))
                }
            }
        }

        @Test("says so, and does not hang, when the cluster is away")
        func clusterAway() async throws {
            try await AgentCluster.with { cluster in
                let nobody = "127.0.0.1:\(try ReservedPort.make())"
                try await cluster.withAgent("agent-0") {
                    ($0.trackers, $0.buildIndexes) = ([nobody], [nobody])
                } body: { agent in
                    let blob = OriginBlob("whatever")
                    let missing = try await agent.send(.get, blob.path)
                    #expect(missing.status == 503 && missing.header("Retry-After") != nil)
                    let path = "/v2/ns/repo/blobs/\(blob.digest)"
                    #expect(try await agent.send(.get, path, to: "registry").status == 503)
                    #expect(try await agent.send(.get, "/tags/ns%2Frepo:v1").status == 503)
                    let ready = try await agent.send(.get, "/readiness")
                    #expect(ready.status == 503 && ready.text.hasPrefix("agent not ready: "))
                    #expect(try await agent.send(.get, "/health").status == 200)
                }
            }
        }

        @Test("ends with a reason when a port is taken, and leaves nothing running")
        func portTaken() async throws {
            try await AgentCluster.with { cluster in
                try await cluster.withAgent { agent in
                    for purpose in ["http", "registry", "peer"] {
                        let taken =
                            Int(agent.address(purpose).split(separator: ":").last ?? "") ?? 0
                        let error = await #expect(throws: (any Error).self) {
                            _ = try await cluster.startAgent("agent-1") { configuration in
                                switch purpose {
                                case "http": configuration.port = taken
                                case "registry": configuration.registryPort = taken
                                default: configuration.peerPort = taken
                                }
                            }
                        }
                        #expect("\(error as Any)".contains("\(taken)"), "\(error as Any)")
                    }
                    // The same folder and free ports: nothing of the failed starts is in the way.
                    try await cluster.withAgent("agent-1") { second in
                        let health = try await second.send(.get, "/health")
                        #expect(health.status == 200)
                    }
                }
            }
        }
    }
}
