// SPDX-License-Identifier: Apache-2.0

import AgentService
import ClusterConfiguration
import Content
import HTTPKit
import HTTPTypes
import Hummingbird
import NIOCore
import NIOPosix
import Primitives
import Synchronization
import Telemetry
import TestSupport
import Testing

/// A tracker as far as an agent asks it how blobs are cut; the test says what it answers.
private final class CutterTracker: Sendable {
    enum Answer: Sendable {
        case status(Int)
        case document(MetaInfo)
    }

    private struct State {
        var answers: [Answer] = []
        var askedCount = 0
        var gate: TrackerSignal<Void>?
    }
    private let state = Mutex(State())
    private let asked = TrackerSignal<Void>()

    /// Gives `answers` one after the other, the last one again and again; each only once `gate` is sent.
    init(_ answers: [Answer], gate: TrackerSignal<Void>? = nil) {
        state.withLock { ($0.answers, $0.gate) = (answers, gate) }
    }

    var askedCount: Int { state.withLock { $0.askedCount } }
    /// Returns once the first question has come in.
    func untilAsked() async { await asked.wait() }

    /// Runs `body` with an agent that knows this tracker only.
    func withAgent(
        _ configure: @escaping (inout AgentConfiguration) -> Void = { _ in },
        body: (AgentPart) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { root in
            let options = ServerOptions(
                eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
                log: TrackerWorld.log
            )
            try await TrackerWorld.serving { bound in
                let server = HTTPServer(
                    name: "tracker",
                    address: ("127.0.0.1", 0),
                    router: router(),
                    options: options
                ) { bound.send("127.0.0.1:\($0)") }
                return { try await server.run() }
            } body: { address in
                var configuration = AgentConfiguration(
                    dataDirectory: "\(root)/agent",
                    trackers: [address],
                    buildIndexes: [address]
                )
                (configuration.port, configuration.registryPort) = (0, 0)
                configuration.peerPort = 0
                configure(&configuration)
                let agent = try await AgentPart.start("agent-0", .agent) {
                    AgentComponent(configuration: configuration, environment: $0)
                }
                let result: Result<Void, any Error>
                do { result = .success(try await body(agent)) } catch { result = .failure(error) }
                try await agent.stop()
                try result.get()
            }
        }
    }

    private func router() -> Router<ServerContext> {
        let router = Router(context: ServerContext.self)
        router.get("/namespace/{namespace}/blobs/{digest}/metainfo") { _, _ in
            let (answer, gate) = self.state.withLock { state in
                state.askedCount += 1
                let isLast = state.answers.count == 1
                return (isLast ? state.answers[0] : state.answers.removeFirst(), state.gate)
            }
            self.asked.send(())
            await gate?.wait()
            switch answer {
            case .status(let code): return Response.empty(.init(code: code))
            case .document(let metaInfo): return Response.json(bytes: metaInfo.json)
            }
        }
        return router
    }
}

extension ServicesTests {
    @Suite("Agent: how blobs are cut") struct AgentMetaInfoTests {
        private func metaInfo(_ blob: OriginBlob) throws -> MetaInfo {
            let layout = try #require(PieceLayout(blobBytes: blob.bytes.count, pieceBytes: 1 << 20))
            return try MetaInfo(digest: blob.digest, layout: layout, pieceSums: [1])
        }

        @Test("is asked once for many clients, and remembered")
        func singleFlight() async throws {
            let blob = OriginBlob("cut me")
            let gate = TrackerSignal<Void>()
            let tracker = CutterTracker([.document(try metaInfo(blob))], gate: gate)
            try await tracker.withAgent { agent in
                let first = Task { try await agent.send(.head, blob.path) }
                await tracker.untilAsked()
                let others = (0..<8).map { _ in Task { try await agent.send(.head, blob.path) } }
                gate.send(())
                for client in [first] + others {
                    let answer = try await client.value
                    #expect(answer.status == 200)
                    #expect(answer.header("Content-Length") == "\(blob.bytes.count)")
                }
                #expect(tracker.askedCount == 1)
            }
        }

        @Test(
            "is one exchange with the tracker for each of many blobs, that they are complete included"
        )
        func joining() async throws {
            try await AgentCluster.with { cluster in
                let blobs = (0..<4).map { OriginBlob("blob number \($0)") }
                for blob in blobs { try await cluster.upload(blob) }
                try await cluster.withAgent { agent in
                    for blob in blobs {
                        let answer = try await agent.send(.get, blob.path)
                        #expect(answer.status == 200 && answer.bytes == blob.bytes)
                    }
                    // The last one has no question to go with, nor has one that is committed after the next blob's question.
                    for blob in blobs {
                        await cluster.tracker.event {
                            $0.blob == blob.digest && $0.detail?["complete"] == "true"
                        }
                    }
                    #expect(cluster.tracker.count("announces") == 2 * blobs.count)
                    #expect(cluster.tracker.count("metainfo_requests") == blobs.count)
                    #expect(agent.count("announces") == 2 * blobs.count)
                    #expect(agent.count("announces_failed") == 0)
                }
            }
        }

        @Test("is asked again while the origins fetch the blob")
        func polling() async throws {
            let blob = OriginBlob("be patient")
            let document = CutterTracker.Answer.document(try metaInfo(blob))
            let tracker = CutterTracker([.status(202), .status(202), document])
            try await tracker.withAgent { agent in
                let answer = try await agent.send(.head, blob.path)
                #expect(answer.status == 200)
                #expect(tracker.askedCount == 3)
            }
        }

        @Test("is passed on as unknown, or as a failure, and asked anew next time")
        func failures() async throws {
            let blob = OriginBlob("perhaps")
            let document = CutterTracker.Answer.document(try metaInfo(blob))
            let tracker = CutterTracker([.status(404), .status(500), document])
            try await tracker.withAgent { agent in
                for status in [404, 503, 200, 200] {
                    let answer = try await agent.send(.head, blob.path)
                    #expect(answer.status == status)
                }
                #expect(tracker.askedCount == 3)
            }
        }

        @Test("does not keep an agent from stopping while the origins fetch for minutes")
        func stopping() async throws {
            let blob = OriginBlob("never comes")
            let tracker = CutterTracker([.status(202)])
            try await tracker.withAgent {
                $0.drainTimeout = .milliseconds(100)
            } body: { agent in
                let client = Task { try await agent.send(.get, blob.path) }
                await tracker.untilAsked()
                let start = ContinuousClock.now
                try await agent.stop()
                #expect(ContinuousClock.now - start < .minutes(1))
                // Cut off, or told to come again: but not left waiting.
                if case .success(let answer) = await client.result { #expect(answer.status == 503) }
            }
        }
    }
}
