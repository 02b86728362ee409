// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import Files
import Logging
import Primitives
import SwarmCore
import SwarmIO
import Telemetry
import Testing
import TransportSecurity

@Suite("Peers over TLS", .timeLimit(.minutes(1))) struct PeerTransportTests {
    private static let pieceBytes = (1 << 20) + 64

    /// Makes the security of hosts of one cluster, whose authority lies in the folder of `fixture`.
    private func security(
        _ fixture: Fixture,
        _ peers: TransportSettings.Peers = .require,
        authority name: String = "tls",
        boundTo other: PeerID? = nil
    ) -> @Sendable (PeerID) async throws -> TransportSecurity {
        let directory = "\(fixture.root)/\(name)"
        return { own in
            let authority = try CertificateAuthority.open(directory)
            let id = (other ?? own).hex
            let issue = try authority.issue(
                id,
                for: CertificateSubjects(hosts: [], peers: [id]),
                lifetime: .hours(24 * 365)
            )
            var settings = TransportSettings()
            settings.authorities = [authority.certificatePath]
            settings.client = .init(certificate: issue.path, key: issue.keyPath)
            settings.peers = peers
            let log = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
            return try await TransportSecurity.open(settings, pool: .singleton, log: log)
        }
    }

    private func event(_ kind: EventKind, of node: Node) async throws {
        let subscription = try #require(node.events.subscribe(after: 0))
        for await batch in subscription where batch.events.contains(where: { $0.kind == kind }) {
            return
        }
    }

    @Test("a swarm moves blobs whole, piece by piece, between all of its hosts")
    func swarm() async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(12 * Self.pieceBytes + 17, seed: 1)
            let origin = try await fixture.node(.origin, secure: security(fixture))
            let metaInfo = try await fixture.give(blob, pieceBytes: Self.pieceBytes, to: origin)
            var agents: [Node] = []
            for _ in 0..<4 {
                agents.append(try await fixture.node(.agent, secure: security(fixture)))
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for agent in agents {
                    group.addTask {
                        try await agent.driver.download(metaInfo, namespace: testNamespace)
                            .waitUntilComplete()
                    }
                }
                try await group.waitForAll()
            }
            for agent in agents {
                #expect(try await agent.cachedBytes(metaInfo.digest) == blob)
                #expect(agent.counters.all()["pieces_bad"] == 0)
            }
            let fromAgents = agents.reduce(0) {
                $0 + ($1.counters.all()["bytes_downloaded_from_agents"] ?? 0)
            }
            #expect(fromAgents > 0)
        }
    }

    @Test("who accepts TLS serves peers over it and peers in the open")
    func accept() async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(3 * Self.pieceBytes, seed: 2)
            let origin = try await fixture.node(.origin, secure: security(fixture, .accept))
            let metaInfo = try await fixture.give(blob, pieceBytes: Self.pieceBytes, to: origin)
            let secured = try await fixture.node(
                .agent,
                secure: security(fixture),
                isIntroduced: false
            )
            let plain = try await fixture.node(.agent, isIntroduced: false)
            for agent in [secured, plain] {
                try await agent.driver.download(metaInfo, namespace: testNamespace)
                    .waitUntilComplete()
                #expect(try await agent.cachedBytes(metaInfo.digest) == blob)
            }
        }
    }

    @Test("who requires TLS closes on peers in the open, and on garbage")
    func plain() async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(Self.pieceBytes, seed: 3)
            let origin = try await fixture.node(.origin, secure: security(fixture))
            let metaInfo = try await fixture.give(blob, pieceBytes: Self.pieceBytes, to: origin)
            let greeting = PeerHandshake(
                peerID: PeerID(hashOfAddress: "127.0.0.1", port: 1),
                infoHash: metaInfo.infoHash,
                digest: metaInfo.digest,
                namespace: "",
                bitfieldBytes: Bitfield(pieceCount: metaInfo.layout.pieceCount).wireBytes,
                neighbours: []
            )
            try await onThread {
                let peer = try RawPeer(port: origin.port)
                try peer.send(.bitfield(greeting))
                try peer.waitForClose()
                let noise = try RawPeer(port: origin.port)
                try noise.send([22] + [UInt8](repeating: 0xff, count: 4000))
                try noise.waitForClose()
            }
            let agent = try await fixture.node(.agent, secure: security(fixture))
            try await agent.driver.download(metaInfo, namespace: testNamespace).waitUntilComplete()
            #expect(try await agent.cachedBytes(metaInfo.digest) == blob)
        }
    }

    @Test(
        "a certificate for another peer, or of another authority, is not believed",
        arguments: [true, false]
    )
    func identity(isOfAuthority: Bool) async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(Self.pieceBytes, seed: 4)
            let squatter = try await fixture.node(
                .origin,
                secure: isOfAuthority
                    ? security(fixture, boundTo: PeerID(hashOfAddress: "127.0.0.1", port: 2))
                    : security(fixture, authority: "other")
            )
            let metaInfo = try await fixture.give(blob, pieceBytes: Self.pieceBytes, to: squatter)
            let agent = try await fixture.node(.agent, secure: security(fixture))
            let download = try await agent.driver.download(metaInfo, namespace: testNamespace)
            try await event(.banConnection, of: agent)
            #expect(agent.counters.all()["pieces_received"] == 0)
            let origin = try await fixture.node(.origin, secure: security(fixture))
            _ = try await fixture.give(blob, pieceBytes: Self.pieceBytes, to: origin)
            try await download.waitUntilComplete()
            #expect(try await agent.cachedBytes(metaInfo.digest) == blob)
        }
    }
}
