// SPDX-License-Identifier: Apache-2.0

import AgentService
import ClusterConfiguration
import Content
import HTTPKit
import HTTPTypes
import Hummingbird
import NIOCore
import NIOPosix
import OriginService
import Primitives
import Synchronization
import Telemetry
import TestSupport
import Testing

extension ServicesTests {
    @Suite("Agent: operations") struct AgentOperationsTests {
        @Test("leaves its swarms when it stops, so that trackers hand it out no more")
        func leaves() async throws {
            try await AgentCluster.with { cluster in
                let blobs = (1...3).map { OriginBlob.patterned(1000, seed: $0) }
                for blob in blobs { try await cluster.upload(blob) }
                try await cluster.withAgent("agent-0") { stays in
                    try await cluster.withAgent("agent-1") { goes async throws in
                        for blob in blobs {
                            for agent in [stays, goes] {
                                #expect(try await agent.send(.get, blob.path).status == 200)
                            }
                        }
                        #expect(try await cluster.tracker.status().tracking?.peerCount == 6)
                    }
                    let tracking = try await cluster.tracker.status().tracking
                    #expect(tracking?.peerCount == 3)
                    #expect(tracking?.swarms.allSatisfy { $0.peerCount == 1 } == true)
                }
            }
        }

        @Test("stops although no tracker is there to be told")
        func leavesUnheard() async throws {
            try await AgentCluster.with { cluster in
                let blob = OriginBlob("seeded to the end")
                try await cluster.upload(blob)
                let agent = try await cluster.startAgent()
                #expect(try await agent.send(.get, blob.path).status == 200)
                try await cluster.tracker.stop()
                try await agent.stop()
            }
        }

        @Test("takes other rules for its swarms, and goes on with a download by these")
        func reload() async throws {
            try await AgentCluster.with { cluster in
                let blob = OriginBlob.patterned(256 * AgentCluster.pieceBytes)
                try await cluster.upload(blob)
                try await cluster.withAgent("agent-0") {
                    // The whole blob would take a minute.
                    $0.ingress = ByteRate(bytesPerSecond: 1 << 18)
                } body: { agent in
                    let response = try await agent.open(blob)
                    var body = response.body.makeAsyncIterator()
                    var count = 0
                    while count < 2 * AgentCluster.pieceBytes, let part = try await body.next() {
                        count += part.readableBytes
                    }
                    let rules = #"{"ConnTTI":60000000000,"Dispatch":{"AgentPipelineLimit":5}}"#
                    let reloads = [rules, "{}", #"{"conn":{"bandwidth":{"enable":false}}}"#]
                    for rules in reloads {
                        let answer = try await agent.send(
                            .patch,
                            "/x/config/scheduler",
                            body: rules
                        )
                        #expect(answer.status == 200, "\(answer.text)")
                        let told = try TelemetryJSON.decode(
                            [SettingStatus].self,
                            from: try await agent.send(.get, "/config").bytes
                        )
                        let limit = told.first { $0.key.hasSuffix("dispatch.pipeline_limit") }
                        let isFirst = rules == reloads[0]
                        #expect(limit?.value == (isFirst ? "5" : "3"))
                        #expect(limit?.isChanged == isFirst)
                    }
                    await #expect(throws: HTTPClientError.self) {
                        while try await body.next() != nil {}
                    }
                    #expect(try await agent.send(.get, blob.path).bytes == blob.bytes)
                    #expect(agent.count("pieces_received") == 256)
                    #expect(try await agent.status().addresses == agent.addresses)
                    #expect(try await agent.send(.get, "/health").status == 200)
                }
            }
        }

        @Test(
            "an origin takes other rules for its swarms, too, goes on seeding, and stays in its ring"
        )
        func originReload() async throws {
            try await AgentCluster.with { cluster in
                let (origin, blob) = (cluster.origin, OriginBlob.patterned(40_000))
                try await cluster.upload(blob)
                let before = try await origin.status().addresses
                func limit() async throws -> String? {
                    try TelemetryJSON.decode(
                        [SettingStatus].self,
                        from: try await origin.send(.get, "/config").bytes
                    ).first { $0.key.hasSuffix("dispatch.pipeline_limit") }?.value
                }
                let path = "/x/config/scheduler"
                let rules = #"{"Dispatch":{"AgentPipelineLimit":5}}"#
                #expect(try await origin.send(.patch, path, body: rules).status == 200)
                #expect(try await limit() == "5")
                #expect(try await origin.send(.patch, path, body: "[]").status == 400)
                try await cluster.withAgent { agent async throws in
                    #expect(try await agent.send(.get, blob.path).bytes == blob.bytes)
                }
                #expect(try await origin.status().addresses == before)
                let reloads = origin.environment.reloads
                await #expect(throws: OriginError.self) {
                    try await reloads.amend { (configuration: inout OriginConfiguration) in
                        configuration.cluster = ["127.0.0.1:1"]
                    }
                }
                let report = try await reloads.amend { (configuration: inout OriginConfiguration) in
                    configuration.egress = ByteRate(bytesPerSecond: 1 << 20)
                    configuration.replicasMax = 1
                }
                #expect(report?.applied.contains { $0.hasSuffix("egress_bits_per_sec") } == true)
                #expect(report?.pending == ["hashring.max_replica"])
                #expect(try await limit() == "5")
            }
        }

        @Test(
            "refuses rules that are none, and keeps those it has",
            arguments: [
                "", "[]", "{", #"{"ConnTTI":"soon"}"#, #"{"Dispatch":5}"#,
                #"{"Dispatch":{"PieceRequestPolicy":"alphabetical"}}"#,
            ]
        )
        func badRules(_ rules: String) async throws {
            try await AgentCluster.with { cluster in
                try await cluster.withAgent { agent in
                    let answer = try await agent.send(.patch, "/x/config/scheduler", body: rules)
                    #expect(answer.status == 400)
                    #expect(try await agent.send(.get, "/health").status == 200)
                }
            }
        }

        @Test("makes docker pull an image ahead, and passes on what docker says")
        func preload() async throws {
            let daemon = PreloadDaemon()
            try await daemon.serving { address in
                try await AgentCluster.with { cluster in
                    try await cluster.withAgent("agent-0") {
                        $0.docker.host = "tcp://\(address)"
                    } body: { agent in
                        let path = "/preload/tags/ns%2Frepo:v1"
                        #expect(try await agent.send(.get, path).status == 200)
                        let registry = agent.address("registry")
                        #expect(
                            daemon.asked == [
                                "/v1.21/images/create \(registry)/ns/repo v1"
                            ]
                        )
                        daemon.answer(#"{"status":"Pulling"}"# + "\n" + #"{"error":"no space"}"#)
                        let failed = try await agent.send(.get, path)
                        #expect(failed.status == 502 && failed.text.contains("no space"))
                        for wrong in [
                            "/preload/tags/nothing", "\(path)?runtime=rkt",
                            "\(path)?runtime=containerd",
                        ] {
                            #expect(try await agent.send(.get, wrong).status == 400, "\(wrong)")
                        }
                    }
                    try await cluster.withAgent("agent-1") {
                        $0.docker.host = "unix:///nobody/is/here.sock"
                    } body: { agent in
                        let answer = try await agent.send(.get, "/preload/tags/ns%2Frepo:v1")
                        #expect(answer.status == 502)
                    }
                }
            }
        }
    }
}

/// A Docker daemon as far as it is told to pull.
private final class PreloadDaemon: Sendable {
    private let state = Mutex((asked: [String](), answer: #"{"status":"Done"}"#))

    var asked: [String] { state.withLock { $0.asked } }
    func answer(_ text: String) { state.withLock { $0.answer = text } }

    func serving(_ body: (String) async throws -> Void) async throws {
        let router = Router(context: ServerContext.self)
        router.post("/{version}/images/create") { request, context in
            let image = try request.query("fromImage") ?? ""
            let tag = try request.query("tag") ?? ""
            let path = "/\(try context.parameter("version"))/images/create"
            return Response.text(
                self.state.withLock { state in
                    state.asked.append("\(path) \(image) \(tag)")
                    return state.answer
                }
            )
        }
        let options = ServerOptions(
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            log: TrackerWorld.log
        )
        try await TrackerWorld.serving { bound in
            let server = HTTPServer(
                name: "docker",
                address: ("127.0.0.1", 0),
                router: router,
                options: options
            ) { bound.send("127.0.0.1:\($0)") }
            return { try await server.run() }
        } body: {
            try await body($0)
        }
    }
}
