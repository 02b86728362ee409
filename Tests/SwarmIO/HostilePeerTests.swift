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

@Suite("Hostile peers", .timeLimit(.minutes(1))) struct HostilePeerTests {
    private static let pieceBytes = 32 << 10

    /// The first message of a peer that has nothing of `metaInfo`'s blob.
    private func handshake(
        _ metaInfo: MetaInfo,
        _ generator: inout Generator
    ) -> PeerHandshake {
        PeerHandshake(
            peerID: PeerID(randomFrom: &generator),
            infoHash: metaInfo.infoHash,
            digest: metaInfo.digest,
            namespace: "n",
            bitfieldBytes: Bitfield(pieceCount: metaInfo.layout.pieceCount).wireBytes,
            neighbours: []
        )
    }

    /// Runs blocking `body` off the tests' threads.
    private func blocking<Result: Sendable>(
        _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Swift.Result { try body() }) }
        }
    }

    @Test("a peer that flips bits is banned, and the blob comes from others, right to the byte")
    func corruptPeer() async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(40 * Self.pieceBytes + 9, seed: 30)
            let (_, metaInfo) = try await fixture.origin(
                blob,
                pieceBytes: Self.pieceBytes,
                egress: ByteRate(bytesPerSecond: 4 << 20)
            )
            let liar = try RawSeeder(blob, metaInfo: metaInfo, seed: 31) { piece, bytes in
                var bytes = bytes
                bytes[piece.value % bytes.count] ^= 1 << UInt8(piece.value % 8)
                return bytes
            }
            defer { liar.stop() }
            fixture.introducer.add(liar.info, to: metaInfo.infoHash)
            let agent = try await fixture.node(.agent)
            let download = try await agent.driver.download(metaInfo, namespace: testNamespace)
            var served: [UInt8] = []
            try await download.read(0..<blob.count) { file, part in
                served += try bytes(of: file, part)
            }
            #expect(served == blob)
            #expect(try await agent.cachedBytes(metaInfo.digest) == blob)
            #expect((agent.counters.all()["pieces_bad"] ?? 0) >= 1)
            #expect((agent.counters.all()["pieces_bad"] ?? 0) <= 3)
            let bans = agent.events.events(after: 0).events.filter { $0.kind == .banConnection }
            #expect(bans.contains { $0.peer == liar.id })
        }
    }

    @Test("a seeder that hangs up in the middle of pieces costs nothing but time")
    func hangingUp() async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(10 * Self.pieceBytes, seed: 32)
            let metaInfo = try makeMetaInfo(blob, pieceBytes: Self.pieceBytes)
            let quitter = try RawSeeder(blob, metaInfo: metaInfo, seed: 33) { piece, bytes in
                piece.value % 2 == 0 ? bytes : nil
            }
            defer { quitter.stop() }
            let steady = try RawSeeder(blob, metaInfo: metaInfo, seed: 34)
            defer { steady.stop() }
            fixture.introducer.add(quitter.info, to: metaInfo.infoHash)
            fixture.introducer.add(steady.info, to: metaInfo.infoHash)
            let agent = try await fixture.node(.agent)
            try await agent.driver.download(metaInfo, namespace: testNamespace).waitUntilComplete()
            #expect(try await agent.cachedBytes(metaInfo.digest) == blob)
            #expect(agent.counters.all()["pieces_bad"] == 0)
        }
    }

    @Test("noise on the port closes the connection and nothing else", arguments: Seeds.fresh(10))
    func noise(seed: UInt64) async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(3 * Self.pieceBytes, seed: seed)
            let (origin, metaInfo) = try await fixture.origin(blob, pieceBytes: Self.pieceBytes)
            for offset in 0..<5 {
                try await blocking {
                    var generator = Generator(seed: seed &+ UInt64(offset))
                    let peer = try RawPeer(port: origin.port)
                    // The peer may close while we still talk.
                    try? peer.send(generator.bytes(1 + generator.below(5000)))
                    peer.finishTalking()
                    try peer.waitForClose()
                }
            }
            let agent = try await fixture.node(.agent)
            try await agent.driver.download(metaInfo, namespace: testNamespace).waitUntilComplete()
        }
    }

    /// What a peer with a proper handshake may say next.
    enum Misdeed: String, CaseIterable, Sendable {
        case negativeIndex, hugeIndex, halfPiece, negativeLength, offset
        case unaskedPayload, hugePayload, negativePayload, hugeFrame, secondHandshake
        case announceOutside, announceNegative, errorOutside, cancelOutside, unknownType
        case noBody, noise

        /// Whether it costs the connection; otherwise it is answered or ignored.
        var isFatal: Bool {
            switch self {
            case .unaskedPayload, .hugePayload, .negativePayload, .hugeFrame, .noBody: true
            default: false
            }
        }

        func bytes(_ generator: inout Generator) -> [UInt8] {
            func frame(_ message: PeerMessage) -> [UInt8] {
                var bytes: [UInt8] = []
                PeerMessageCodec.encode(message, into: &bytes)
                return bytes
            }
            switch self {
            case .negativeIndex: return frame(.pieceRequest(PieceSpan(index: -1, length: 0)))
            case .hugeIndex: return frame(.pieceRequest(PieceSpan(index: .max, length: 1)))
            case .halfPiece: return frame(.pieceRequest(PieceSpan(index: 0, length: 100)))
            case .negativeLength: return frame(.pieceRequest(PieceSpan(index: 0, length: -5)))
            case .offset:
                return frame(.pieceRequest(PieceSpan(index: 0, offset: 1, length: 32 << 10)))
            case .unaskedPayload: return frame(.piecePayload(PieceSpan(index: 0, length: 32 << 10)))
            case .hugePayload: return frame(.piecePayload(PieceSpan(index: 0, length: .max)))
            case .negativePayload: return frame(.piecePayload(PieceSpan(index: 0, length: -1)))
            case .hugeFrame: return [0x7f, 0xff, 0xff, 0xff]
            case .secondHandshake: return [0, 0, 0, 2, 0x10, 0x63]
            case .announceOutside: return frame(.announcePiece(.max))
            case .announceNegative: return frame(.announcePiece(-7))
            case .errorOutside: return frame(.error(index: .min, code: 0, text: "no"))
            case .cancelOutside: return frame(.cancelPiece(.max))
            case .unknownType: return frame(.unknown(type: 77))
            case .noBody: return [0, 0, 0, 2, 0x10, 1]
            case .noise: return [0, 0, 0, 40] + generator.bytes(40)
            }
        }
    }

    @Test("misdeeds after a proper handshake are refused or ignored", arguments: Misdeed.allCases)
    func misdeeds(misdeed: Misdeed) async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(3 * Self.pieceBytes, seed: 40)
            let (origin, metaInfo) = try await fixture.origin(blob, pieceBytes: Self.pieceBytes)
            var generator = Generator(seed: 41)
            let (hello, bytes) = (handshake(metaInfo, &generator), misdeed.bytes(&generator))
            try await blocking {
                let peer = try RawPeer(port: origin.port)
                try peer.send(.bitfield(hello))
                guard case .bitfield(let answer) = try peer.receiveMessage() else {
                    throw RawPeer.Failure(what: "no handshake")
                }
                #expect(answer.peerID == origin.peerID && answer.namespace == "")
                try peer.send(bytes)
                if misdeed.isFatal { return try peer.waitForClose() }
                guard misdeed != .noise else { return }
                // It still serves.
                try peer.send(.pieceRequest(PieceSpan(index: 1, length: Int32(Self.pieceBytes))))
                while let message = try peer.receiveMessage() {
                    guard case .piecePayload(let span) = message else { continue }
                    #expect(span == PieceSpan(index: 1, length: Int32(Self.pieceBytes)))
                    let expected = Array(blob[Self.pieceBytes..<2 * Self.pieceBytes])
                    let served = try peer.receive(Self.pieceBytes)
                    #expect(served == expected)
                    return
                }
                throw RawPeer.Failure(what: "closed")
            }
            let agent = try await fixture.node(.agent)
            try await agent.driver.download(metaInfo, namespace: testNamespace).waitUntilComplete()
        }
    }

    @Test("a connection for an unknown blob, another info hash or another size is closed silently")
    func wrongSwarm() async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(3 * Self.pieceBytes, seed: 42)
            let (origin, metaInfo) = try await fixture.origin(blob, pieceBytes: Self.pieceBytes)
            var generator = Generator(seed: 43)
            var unknown = handshake(metaInfo, &generator)
            unknown.digest = .random(&generator)
            unknown.infoHash = InfoHash(hashing: [1])
            var otherHash = handshake(metaInfo, &generator)
            otherHash.infoHash = InfoHash(hashing: [2])
            var otherSize = handshake(metaInfo, &generator)
            otherSize.bitfieldBytes = Bitfield(pieceCount: 1 << 20).wireBytes.prefix(16) + []
            var own = handshake(metaInfo, &generator)
            own.peerID = origin.peerID
            for hello in [unknown, otherHash, otherSize, own] {
                try await blocking {
                    let peer = try RawPeer(port: origin.port)
                    try peer.send(.bitfield(hello))
                    let answer = try peer.receive(1)
                    #expect(answer == nil)
                }
            }
        }
    }

    @Test("who says nothing is closed in time, and so is the one who connects too often")
    func silence() async throws {
        try await Fixture.with { fixture in
            var policy = testPolicy
            policy.handshakeTimeout = .milliseconds(200)
            var limits = Limits()
            limits.handshakesPendingMax = 3
            let origin = try await fixture.node(.origin, policy: policy, limits: limits)
            try await blocking {
                let peers = try (0..<6).map { _ in try RawPeer(port: origin.port) }
                for peer in peers { try peer.waitForClose() }
                // Room again.
                try RawPeer(port: origin.port).waitForClose()
            }
            #expect(await origin.driver.snapshot().connectionCount == 0)
        }
    }

    @Test("a dialled peer that never answers is given up in time")
    func silentSeeder() async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(1000, seed: 44)
            let metaInfo = try makeMetaInfo(blob, pieceBytes: Self.pieceBytes)
            let listener = try SilentListener()
            defer { listener.stop() }
            var generator = Generator(seed: 45)
            fixture.introducer.add(
                PeerInfo(
                    peerID: PeerID(randomFrom: &generator),
                    ip: "127.0.0.1",
                    port: listener.port
                ),
                to: metaInfo.infoHash
            )
            var policy = testPolicy
            policy.handshakeTimeout = .milliseconds(200)
            let agent = try await fixture.node(.agent, policy: policy)
            let download = try await agent.driver.download(metaInfo, namespace: testNamespace)
            let steady = try RawSeeder(blob, metaInfo: metaInfo, seed: 46)
            defer { steady.stop() }
            // The name makes the resolver's way be tried, too.
            var info = steady.info
            info.ip = "localhost"
            fixture.introducer.add(info, to: metaInfo.infoHash)
            try await download.waitUntilComplete()
        }
    }

    @Test("a peer that asks and never reads makes us stop listening to it, not grow")
    func neverReading() async throws {
        try await Fixture.with { fixture in
            let blob = randomBytes(64 * Self.pieceBytes, seed: 47)
            var limits = Limits()
            // It would be closed for idle talk otherwise.
            limits.idleMessagesMax = .max / 2
            let origin = try await fixture.node(.origin, limits: limits)
            let metaInfo = try await fixture.give(blob, pieceBytes: Self.pieceBytes, to: origin)
            var generator = Generator(seed: 48)
            let hello = handshake(metaInfo, &generator)
            try await blocking {
                let peer = try RawPeer(port: origin.port)
                peer.shorten()
                try peer.send(.bitfield(hello))
                guard case .bitfield = try peer.receiveMessage() else {
                    throw RawPeer.Failure(what: "no handshake")
                }
                // Each of these is answered by an error; unread, they fill every buffer on the way back.
                var frames: [UInt8] = []
                for _ in 0..<1000 {
                    PeerMessageCodec.encode(
                        .pieceRequest(PieceSpan(index: -1, length: 1)),
                        into: &frames
                    )
                }
                var sentBytes = 0
                while sentBytes < 256 << 20 {
                    guard peer.trySend(frames) else { break }
                    sentBytes += frames.count
                }
                #expect(sentBytes < 64 << 20)
            }
            let agent = try await fixture.node(.agent)
            try await agent.driver.download(metaInfo, namespace: testNamespace).waitUntilComplete()
        }
    }
}
