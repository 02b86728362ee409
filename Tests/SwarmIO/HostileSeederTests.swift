// SPDX-License-Identifier: Apache-2.0

import Content
import Files
import Foundation
import Primitives
import SwarmCore
import SwarmIO
import Telemetry
import TestSupport
import Testing

/// Peers that an agent dials because a tracker named them. Each follows the protocol as far as it serves its purpose.
@Suite("Hostile seeders", .timeLimit(.minutes(1))) struct HostileSeederTests {
    private static let pieceBytes = 32 << 10

    /// What a dialled peer does.
    enum Attack: String, CaseIterable, Sendable {
        /// Answers requests with pieces whose CRC-32 is right and whose bytes are not.
        case forgedPieces
        /// Answers each request by an error.
        case lies
        /// Never answers a request.
        case silence
        /// Answers a byte at a time.
        case trickle
        /// Declares a frame of four gibibytes.
        case hugeFrame
        /// Declares a payload of two gibibytes.
        case hugePayload
        /// Sends a piece nobody asked for.
        case unaskedPayload
        /// Sends each piece twice.
        case replay
        /// Says for ever that it has what it said it has.
        case announces
        /// Says for ever that it is complete.
        case completes
        /// Shakes hands for ever.
        case handshakes
        /// Takes back for ever what it never asked for.
        case cancels
        /// Says that it is somebody else.
        case otherName
        /// Says nothing when it is dialled.
        case noHandshake
        /// Has a bitfield for a blob of a billion pieces.
        case hugeBitfield

        func run(_ peer: RawPeer, _ seeder: ScriptedPeer, _ blob: [UInt8]) throws {
            let layout = seeder.metaInfo.layout
            func bytes(of span: PieceSpan) -> [UInt8] {
                guard let piece = span.wholePiece(in: layout) else { return [] }
                let start = layout.offset(of: piece)
                return Array(blob[start..<start + layout.bytes(of: piece)])
            }
            switch self {
            case .noHandshake: return try peer.waitForClose()
            case .otherName:
                _ = try peer.receiveMessage()
                var generator = Generator(seed: 99)
                try peer.send(.bitfield(seeder.handshake(PeerID(randomFrom: &generator))))
                return try peer.waitForClose()
            case .hugeBitfield:
                _ = try peer.receiveMessage()
                // The length comes first: 2^40 bits, of which few follow.
                let bits = [0, 0, 1, 0, 0, 0, 0, 0] + [UInt8](repeating: 0xff, count: 64)
                try peer.send(.bitfield(seeder.handshake(bits: bits)))
                return try peer.waitForClose()
            default: try seeder.shakeHands(peer)
            }
            switch self {
            case .announces: return try flood(peer, .announcePiece(1))
            case .completes: return try flood(peer, .complete)
            case .handshakes: return try flood(peer, .bitfield(seeder.handshake()))
            case .cancels: return try flood(peer, .cancelPiece(1))
            case .unaskedPayload:
                let span = PieceSpan(PieceIndex(layout.pieceCount - 1), in: layout)
                try peer.send(.piecePayload(span))
                try peer.send(bytes(of: span))
                return try peer.waitForClose()
            default: break
            }
            try seeder.eachRequest(peer) { span in
                switch self {
                case .forgedPieces:
                    try peer.send(.piecePayload(span))
                    try peer.send(forged(bytes(of: span), at: 7))
                case .lies: try peer.send(.error(index: span.index, code: 0, text: "no such piece"))
                case .trickle:
                    try peer.send(.piecePayload(span))
                    // The other side closes long before the end.
                    for byte in bytes(of: span) {
                        try peer.send([byte])
                        if peer.isClosed { return }
                        peer.pause()
                    }
                case .hugeFrame: try peer.send([0xff, 0xff, 0xff, 0xff, 1, 2, 3])
                case .hugePayload:
                    try peer.send(.piecePayload(PieceSpan(index: span.index, length: .max)))
                case .replay:
                    for _ in 0..<2 {
                        try peer.send(.piecePayload(span))
                        try peer.send(bytes(of: span))
                    }
                default: break
                }
            }
        }

        private func flood(_ peer: RawPeer, _ message: PeerMessage) throws {
            var frames: [UInt8] = []
            for _ in 0..<100 { PeerMessageCodec.encode(message, into: &frames) }
            while true { try peer.send(frames) }
        }
    }

    /// Kraken's waits cut short, and few idle words.
    private static var policy: SwarmPolicy {
        var policy = testPolicy
        policy.handshakeTimeout = .milliseconds(300)
        (policy.requestTimeoutMin, policy.requestTimeoutPerMebibyte) = (.milliseconds(300), .zero)
        policy.failureRetry = .milliseconds(50)
        policy.paceWindow = .milliseconds(150)
        return policy
    }

    @Test(
        "a hostile seeder is banned, and costs an agent one connection",
        arguments: Attack.allCases
    )
    func attack(_ attack: Attack) async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(40 * Self.pieceBytes + 9, seed: 90)
            let metaInfo = try makeMetaInfo(blob, pieceBytes: Self.pieceBytes)
            let hostile = try ScriptedPeer(metaInfo, seed: 91) { try attack.run($0, $1, blob) }
            defer { hostile.stop() }
            fixture.introducer.add(hostile.info, to: metaInfo.infoHash)
            var limits = Limits()
            limits.idleMessagesMax = 100
            let agent = try await fixture.node(.agent, policy: Self.policy, limits: limits)
            let subscription = try #require(agent.events.subscribe(after: 0))
            let download = try await agent.driver.download(metaInfo, namespace: testNamespace)
            // Alone with it the agent finds out; only then somebody honest appears.
            try await isBanned(hostile.id, subscription)
            let ban = try #require(await agent.driver.blacklist().first)
            #expect(ban.infoHash == metaInfo.infoHash)
            let honest = try RawSeeder(blob, metaInfo: metaInfo, seed: 92)
            defer { honest.stop() }
            fixture.introducer.add(honest.info, to: metaInfo.infoHash)
            var served: [UInt8] = []
            try await download.read(0..<blob.count) { served += try bytes(of: $0, $1) }
            try await download.waitUntilComplete()
            #expect(served == blob)
            #expect(try await agent.cachedBytes(metaInfo.digest) == blob)
            #expect(hostile.connectionCount == 1)
            #expect((agent.counters.all()["pieces_bad"] ?? 0) <= 1)
            #expect(await agent.driver.snapshot().connectionCount <= 2)
        }
    }

    private func isBanned(_ peer: PeerID, _ subscription: EventSubscription) async throws {
        for await batch in subscription {
            if batch.events.contains(where: { $0.kind == .banConnection && $0.peer == peer }) {
                return
            }
        }
        Issue.record("\(peer) was never banned")
    }

    @Test(
        "forged pieces in a swarm without proofs: the whole is found wrong once, and comes from the origin then"
    )
    func forgerBesideAnOrigin() async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(6 * Self.pieceBytes, seed: 93)
            let metaInfo = try makeMetaInfo(blob, pieceBytes: Self.pieceBytes, hasProofs: false)
            let forger = try RawSeeder(blob, metaInfo: metaInfo, seed: 94) {
                forged($1, at: $0.value)
            }
            defer { forger.stop() }
            fixture.introducer.add(forger.info, to: metaInfo.infoHash)
            let agent = try await fixture.node(.agent, policy: Self.policy)
            let download = try await agent.driver.download(metaInfo, namespace: testNamespace)
            let origin = try await fixture.node(.origin)
            _ = try await fixture.give(blob, pieceBytes: Self.pieceBytes, to: origin)
            try await download.waitUntilComplete()
            #expect(try await agent.cachedBytes(metaInfo.digest) == blob)
        }
    }

    @Test(
        "hundreds of addresses where nobody is cost dials, a few at a time, and the honest one among them is found"
    )
    func bogusPeers() async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(8 * Self.pieceBytes, seed: 95)
            let metaInfo = try makeMetaInfo(blob, pieceBytes: Self.pieceBytes)
            var generator = Generator(seed: 96)
            let limits = Limits()
            for number in 0..<limits.handoutPeersMax - 1 {
                // Ports that no test uses, and some that are none.
                let port = [1, 2, 7, 0, 65_536, -1, .max][number % 7]
                fixture.introducer.add(
                    PeerInfo(peerID: PeerID(randomFrom: &generator), ip: "127.0.0.1", port: port),
                    to: metaInfo.infoHash
                )
            }
            let honest = try RawSeeder(blob, metaInfo: metaInfo, seed: 97)
            defer { honest.stop() }
            fixture.introducer.add(honest.info, to: metaInfo.infoHash)
            let agent = try await fixture.node(.agent)
            try await agent.driver.download(metaInfo, namespace: testNamespace).waitUntilComplete()
            #expect(try await agent.cachedBytes(metaInfo.digest) == blob)
            #expect(await agent.driver.snapshot().connectionCount <= 1)
        }
    }
}
