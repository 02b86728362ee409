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

/// Peers that connect to a host, all from the address that its honest peers have, too.
@Suite("Hostile guests", .timeLimit(.minutes(1))) struct HostileGuestTests {
    private static let pieceBytes = 32 << 10

    private func hello(
        _ metaInfo: MetaInfo,
        _ peerID: PeerID,
        isComplete: Bool = false
    ) -> PeerMessage {
        let count = metaInfo.layout.pieceCount
        let bits = isComplete ? Bitfield.full(pieceCount: count) : Bitfield(pieceCount: count)
        return .bitfield(
            PeerHandshake(
                peerID: peerID,
                infoHash: metaInfo.infoHash,
                digest: metaInfo.digest,
                namespace: "n",
                bitfieldBytes: bits.wireBytes,
                neighbours: []
            )
        )
    }

    private func id(_ seed: UInt64) -> PeerID {
        var generator = Generator(seed: seed)
        return PeerID(randomFrom: &generator)
    }

    /// An agent gets `metaInfo`'s blob from whoever the introducer knows.
    private func expectDownload(
        _ fixture: Fixture,
        _ metaInfo: MetaInfo,
        _ blob: [UInt8]
    )
        async throws
    {
        let agent = try await fixture.node(.agent)
        try await agent.driver.download(metaInfo, namespace: testNamespace).waitUntilComplete()
        #expect(try await agent.cachedBytes(metaInfo.digest) == blob)
        #expect(agent.counters.all()["pieces_bad"] == 0)
    }

    @Test(
        "a thousand connections that say nothing: a few are kept, and who says something gets in between them"
    )
    func thousandConnections() async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(20 * Self.pieceBytes, seed: 100)
            var limits = Limits()
            limits.handshakesPendingMax = 32
            let origin = try await fixture.node(.origin, limits: limits)
            let metaInfo = try await fixture.give(blob, pieceBytes: Self.pieceBytes, to: origin)
            let crowd = try await onThread {
                var open: [RawPeer] = []
                for number in 0..<1000 {
                    open.append(try RawPeer(port: origin.port))
                    if number % 50 == 49 { open.removeAll(where: \.isClosed) }
                }
                return open
            }
            // The room is full, and stays so while the agent comes.
            #expect(await origin.driver.snapshot().connectionCount <= 32)
            try await expectDownload(fixture, metaInfo, blob)
            #expect(await origin.driver.snapshot().connectionCount <= 33)
            #expect(!crowd.isEmpty)
        }
    }

    @Test(
        "handshakes without end, for blobs that nobody has, leave nothing behind and keep nobody out"
    )
    func endlessHandshakes() async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(20 * Self.pieceBytes, seed: 101)
            let (origin, metaInfo) = try await fixture.origin(blob, pieceBytes: Self.pieceBytes)
            try await onThread {
                var generator = Generator(seed: 102)
                for _ in 0..<300 {
                    let peer = try RawPeer(port: origin.port)
                    let unknown = PeerHandshake(
                        peerID: PeerID(randomFrom: &generator),
                        infoHash: InfoHash(hashing: generator.bytes(8)),
                        digest: .random(&generator),
                        namespace: "n",
                        bitfieldBytes: Bitfield(pieceCount: 5).wireBytes,
                        neighbours: (0..<100).map { _ in PeerID(randomFrom: &generator) }
                    )
                    try peer.send(.bitfield(unknown))
                    try peer.waitForClose()
                }
            }
            #expect(await origin.driver.snapshot().connectionCount == 0)
            try await expectDownload(fixture, metaInfo, blob)
        }
    }

    @Test("guests who ask and never read lose their slots to somebody who does")
    func slowReaders() async throws {
        try await Fixture.with { fixture in
            // More than the kernel buffers.
            let pieceBytes = 1 << 20
            let blob = randomBytes(24 * pieceBytes, seed: 103)
            var policy = testPolicy
            policy.paceWindow = .milliseconds(200)
            let origin = try await fixture.node(.origin, policy: policy)
            let metaInfo = try await fixture.give(blob, pieceBytes: pieceBytes, to: origin)
            let count = policy.connectionsMax
            let readers = try await onThread {
                try (0..<count).map { number in
                    let peer = try RawPeer(port: origin.port)
                    peer.shorten()
                    try peer.send(hello(metaInfo, id(UInt64(110 + number))))
                    do {
                        for piece in 0..<metaInfo.layout.pieceCount {
                            let span = PieceSpan(PieceIndex(piece), in: metaInfo.layout)
                            try peer.send(.pieceRequest(span))
                        }
                    } catch {
                        // It has lost its slot already, since it has not read for a window of the pace.
                    }
                    return peer
                }
            }
            try await expectDownload(fixture, metaInfo, blob)
            withExtendedLifetime(readers) {}
        }
    }

    @Test("guests who fill every slot of an agent and give nothing make room for an origin")
    func slotsTaken() async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(20 * Self.pieceBytes, seed: 104)
            var policy = testPolicy
            policy.barrenPatience = .milliseconds(300)
            let metaInfo = try makeMetaInfo(blob, pieceBytes: Self.pieceBytes)
            let agent = try await fixture.node(.agent, policy: policy)
            let download = try await agent.driver.download(metaInfo, namespace: testNamespace)
            let count = policy.connectionsMax
            let guests = try await onThread {
                try (0..<count).map { number in
                    let peer = try RawPeer(port: agent.port)
                    try peer.send(hello(metaInfo, id(UInt64(130 + number)), isComplete: true))
                    _ = try peer.receiveMessage()
                    return peer
                }
            }
            #expect(await agent.driver.snapshot().connectionCount == policy.connectionsMax)
            let origin = try await fixture.node(.origin)
            _ = try await fixture.give(blob, pieceBytes: Self.pieceBytes, to: origin)
            try await download.waitUntilComplete()
            #expect(try await agent.cachedBytes(metaInfo.digest) == blob)
            withExtendedLifetime(guests) {}
        }
    }

    @Test(
        "whoever connects by another's name and sends wrong bytes does not keep us from the other"
    )
    func stolenName() async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(20 * Self.pieceBytes, seed: 105)
            let metaInfo = try makeMetaInfo(blob, pieceBytes: Self.pieceBytes)
            let honest = try RawSeeder(blob, metaInfo: metaInfo, seed: 106)
            defer { honest.stop() }
            let agent = try await fixture.node(.agent)
            let download = try await agent.driver.download(metaInfo, namespace: testNamespace)
            let name = honest.id
            try await onThread {
                let thief = try RawPeer(port: agent.port)
                try thief.send(hello(metaInfo, name, isComplete: true))
                while let message = try thief.receiveMessage() {
                    guard case .pieceRequest(let span) = message else { continue }
                    try thief.send(.piecePayload(span))
                    try thief.send([UInt8](repeating: 0, count: Int(span.length)))
                    return try thief.waitForClose()
                }
            }
            #expect(agent.counters.all()["pieces_bad"] == 1)
            fixture.introducer.add(honest.info, to: metaInfo.infoHash)
            try await download.waitUntilComplete()
            #expect(try await agent.cachedBytes(metaInfo.digest) == blob)
            // Under that name nobody is let in again for now.
            #expect(await agent.driver.blacklist().isEmpty)
        }
    }

    @Test("whoever holds an agent's name at an origin gives way to the agent")
    func squatter() async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(20 * Self.pieceBytes, seed: 107)
            let (origin, metaInfo) = try await fixture.origin(blob, pieceBytes: Self.pieceBytes)
            let agent = try await fixture.node(.agent)
            let squatter = try await onThread {
                let peer = try RawPeer(port: origin.port)
                try peer.send(hello(metaInfo, agent.peerID))
                _ = try peer.receiveMessage()
                return peer
            }
            try await agent.driver.download(metaInfo, namespace: testNamespace).waitUntilComplete()
            #expect(try await agent.cachedBytes(metaInfo.digest) == blob)
            try await onThread { try squatter.waitForClose() }
        }
    }

    /// What a guest says for ever.
    enum Flood: String, CaseIterable, Sendable {
        case announces, cancels, handshakes, badRequests, unknown, errors, longErrors

        func message(_ hello: PeerMessage) -> PeerMessage {
            switch self {
            case .announces: .announcePiece(-1)
            case .cancels: .cancelPiece(2)
            case .handshakes: hello
            case .badRequests: .pieceRequest(PieceSpan(index: 1, length: 5))
            case .unknown: .unknown(type: 1234)
            case .errors: .error(index: 1, code: 0, text: "")
            case .longErrors:
                .error(index: 1, code: 9, text: String(repeating: "x", count: 30_000))
            }
        }
    }

    @Test("floods end after a number of messages, whatever they say", arguments: Flood.allCases)
    func flood(_ flood: Flood) async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(3 * Self.pieceBytes, seed: 108)
            var limits = Limits()
            limits.idleMessagesMax = 200
            let origin = try await fixture.node(.origin, limits: limits)
            let metaInfo = try await fixture.give(blob, pieceBytes: Self.pieceBytes, to: origin)
            let first = hello(metaInfo, id(109))
            let most = limits.idleMessagesMax + 4 * metaInfo.layout.pieceCount
            let counted = try await onThread {
                let peer = try RawPeer(port: origin.port)
                try peer.send(first)
                guard case .bitfield = try peer.receiveMessage() else { return -1 }
                var answers = 0
                for _ in 0...most {
                    guard (try? peer.send(flood.message(first))) != nil else { break }
                }
                while let answer = try peer.receiveMessage() {
                    if case .error = answer { answers += 1 }
                }
                return answers
            }
            // It was closed, after no more answers than there may be.
            #expect((0...most).contains(counted))
            #expect(await origin.driver.snapshot().connectionCount == 0)
            try await expectDownload(fixture, metaInfo, blob)
        }
    }

    @Test(
        "from an address that only noise comes from nobody is let in for a while, but its honest agents are"
    )
    func noisyAddress() async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(20 * Self.pieceBytes, seed: 111)
            let (origin, metaInfo) = try await fixture.origin(blob, pieceBytes: Self.pieceBytes)
            try await onThread {
                for _ in 0..<Doorkeeper.misdeedsFree + 1 {
                    let peer = try RawPeer(port: origin.port)
                    try peer.send([0xff, 0xff, 0xff, 0xff])
                    try peer.waitForClose()
                }
                // The door is shut: not even an honest word is answered.
                let late = try RawPeer(port: origin.port)
                _ = late.trySend([0])
                try late.waitForClose()
                let later = try RawPeer(port: origin.port)
                try? later.send(hello(metaInfo, id(112)))
                let answer = try? later.receiveMessage()
                #expect(answer ?? nil == nil)
            }
            #expect(await origin.driver.snapshot().connectionCount == 0)
            try await expectDownload(fixture, metaInfo, blob)
        }
    }
}
