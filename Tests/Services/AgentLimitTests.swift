// SPDX-License-Identifier: Apache-2.0

import AgentService
import ClusterConfiguration
import Content
import HTTPKit
import HTTPTypes
import NIOCore
import NIOPosix
import Primitives
import SwarmCore
import Telemetry
import TestSupport
import Testing

extension ServicesTests {
    @Suite("Agent: limits") struct AgentLimitTests {
        @Test("turns away peers beyond its connections, and lets them in when one has gone")
        func peerConnections() async throws {
            try await AgentCluster.with { cluster in
                let blob = OriginBlob.patterned(8 * AgentCluster.pieceBytes)
                try await cluster.upload(blob)
                try await cluster.withAgent("agent-0") {
                    $0.limits.peerConnectionsMax = 2
                    // Strangers may keep silent for as long as the test lasts.
                    $0.swarm.handshakeTimeout = .hours(1)
                } body: { full in
                    #expect(try await full.send(.get, blob.path).bytes == blob.bytes)
                    try await cluster.withAgent("agent-1") { other in
                        #expect(try await other.send(.head, blob.path).status == 200)
                        try await cluster.origin.stop()
                        await full.event { $0.kind == .dropActiveConnection }
                        let strangers = [try await connect(to: full), try await connect(to: full)]
                        // The third is closed at once.
                        try await connect(to: full).closeFuture.get()
                        for stranger in strangers { #expect(stranger.isActive) }

                        let pull = Task { try await other.send(.get, blob.path).bytes }
                        await other.event {
                            $0.kind == .connectionRejected || $0.kind == .banConnection
                        }
                        try await strangers[0].close()
                        #expect(try await pull.value == blob.bytes)
                        #expect(other.count("bytes_downloaded_from_agents") == blob.bytes.count)
                        try await strangers[1].close()
                    }
                }
            }
        }

        private func connect(to agent: AgentPart) async throws -> any Channel {
            let address = try #require(Endpoint(parsing: agent.address("peer")))
            return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(host: address.host, port: address.port).get()
        }

        /// A limit of a configuration file, and which of two agents has it.
        enum Cap: String, CaseIterable, Sendable { case egress, ingress }

        @Test(
            "a bandwidth in the configuration file holds, within 15 percent",
            arguments: Cap.allCases
        )
        func bandwidth(_ cap: Cap) async throws {
            let rates = try Self.rates(cap, bytesPerSecond: 8 << 20)
            try await AgentCluster.with { cluster in
                let blob = OriginBlob.patterned(256 * AgentCluster.pieceBytes)
                try await cluster.upload(blob)
                try await cluster.withAgent("agent-0") {
                    $0.egress = rates.egress
                } body: { seeder in
                    #expect(try await seeder.send(.get, blob.path).status == 200)
                    try await cluster.withAgent("agent-1") {
                        $0.ingress = rates.ingress
                    } body: { leecher in
                        #expect(try await leecher.send(.head, blob.path).status == 200)
                        try await cluster.origin.stop()
                        try await ServicesTests.eventually("the limit does not hold") { _ in
                            let begin = leecher.environment.events.lastSequence
                            #expect(try await leecher.send(.get, blob.path).bytes == blob.bytes)
                            _ = try await leecher.send(.delete, "/blobs/\(blob.digest)")
                            let rate = leecher.receivedPerSecond(after: begin) / Double(8 << 20)
                            print("\(cap) at \(rate) of its limit")
                            // Faster than the limit is wrong on any machine.
                            #expect(rate < 1.15)
                            return rate > 0.85
                        }
                    }
                }
            }
        }

        /// What an agent reads from a file that limits `cap`; the other direction is as good as free.
        private static func rates(
            _ cap: Cap,
            bytesPerSecond: Int
        ) throws -> (egress: ByteRate?, ingress: ByteRate?) {
            let bits = bytesPerSecond * 8
            let node = try ConfigurationFile.parse(
                """
                data_dir: /d
                tracker: {hosts: {static: ["t:1"]}}
                build_index: {hosts: {static: ["b:1"]}}
                scheduler:
                  conn:
                    bandwidth:
                      enable: true
                      egress_bits_per_sec: \(cap == .egress ? bits : 1 << 40)
                      ingress_bits_per_sec: \(cap == .ingress ? bits : 1 << 40)
                """,
                file: "agent.yaml"
            )
            let configuration = try AgentConfiguration(yaml: node)
            return (configuration.egress, configuration.ingress)
        }
    }
}

extension AgentPart {
    /// Bytes a second in pieces that arrived after the event `sequence`, from the first one on.
    fileprivate func receivedPerSecond(after sequence: UInt64) -> Double {
        let pieces = environment.events.events(after: sequence).events.filter {
            $0.kind == .receivePiece
        }
        guard let first = pieces.first, let last = pieces.last else { return 0 }
        let bytes = pieces.dropFirst().reduce(0) { $0 + ($1.bytes ?? 0) }
        let nanoseconds = last.timestamp.unixNanoseconds - first.timestamp.unixNanoseconds
        return Double(bytes) / (Double(nanoseconds) / 1e9)
    }
}
