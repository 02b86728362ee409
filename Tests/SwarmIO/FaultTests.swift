// SPDX-License-Identifier: Apache-2.0

import Content
import NIOCore
import NIOEmbedded
import Primitives
import SwarmCore
import Telemetry
import Testing

@testable import SwarmIO

@Suite("Faults on purpose", .timeLimit(.minutes(1))) struct FaultTests {
    private static let pieceBytes = 64 << 10

    /// Peers that were lost are dialled again at once.
    private static var policy: SwarmPolicy {
        var policy = testPolicy
        policy.banDuration = .milliseconds(50)
        policy.banDurationMax = .milliseconds(50)
        return policy
    }

    /// Returns once `node` has recorded an event of `kind`.
    @discardableResult
    private func event(
        _ kind: EventKind,
        of node: Node,
        where matches: (ClusterEvent) -> Bool = { _ in true }
    ) async throws -> ClusterEvent {
        let subscription = try #require(node.events.subscribe(after: 0))
        for await batch in subscription {
            if let event = batch.events.first(where: { $0.kind == kind && matches($0) }) {
                return event
            }
        }
        throw CancellationError()
    }

    private func unreachable(_ node: Node) -> FaultEffect {
        .partition(
            UnreachablePeers(
                addresses: ["127.0.0.1:\(node.port)"],
                peerIDs: [node.peerID],
                names: ["the other"]
            )
        )
    }

    // MARK: - Throttle

    @Test("a limit that is switched on holds, and is gone when it is switched off")
    func throttle() async throws {
        try await Fixture.with { fixture in
            let bytes = randomBytes(40 * Self.pieceBytes, seed: 1)
            let (origin, metaInfo) = try await fixture.origin(bytes, pieceBytes: Self.pieceBytes)
            let agent = try await fixture.node(.agent)
            // At this rate the blob takes three quarters of an hour.
            origin.faults.set(.throttle(LinkLimits(ByteRate(bytesPerSecond: 1000))), as: 1)
            let download = try await agent.driver.download(metaInfo, namespace: testNamespace)
            try await event(.requestPiece, of: agent)
            #expect(await origin.driver.egress.rate == ByteRate(bytesPerSecond: 1000))
            #expect(
                await origin.driver.snapshot().swarms.first?.bytesUploaded ?? 0 < bytes.count / 4
            )
            origin.faults.clear(1)
            try await download.waitUntilComplete()
            #expect(try await agent.cachedBytes(metaInfo.digest) == bytes)
            #expect(await origin.driver.egress.rate == nil)
        }
    }

    @Test("a limit on the receiver slows an open connection to its rate, the lower of both counts")
    func throttledReceiver() async throws {
        try await Fixture.with { fixture in
            let rate = ByteRate(bytesPerSecond: 1 << 20)
            let bytes = randomBytes(16 * Self.pieceBytes, seed: 2)
            let (_, metaInfo) = try await fixture.origin(bytes, pieceBytes: Self.pieceBytes)
            let agent = try await fixture.node(
                .agent,
                ingress: ByteRate(bytesPerSecond: 1 << 30)
            )
            agent.faults.set(.throttle(LinkLimits(rate)), as: 1)
            let begin = ContinuousClock.now
            let download = try await agent.driver.download(metaInfo, namespace: testNamespace)
            try await download.waitUntilComplete()
            // A mebibyte at a mebibyte per second, less what is saved up and what is read at once.
            #expect(ContinuousClock.now - begin > .milliseconds(700))
            #expect(await agent.driver.ingress.rate == rate)
            agent.faults.clear(1)
            await agent.driver.probe()
            #expect(await agent.driver.ingress.rate == ByteRate(bytesPerSecond: 1 << 30))
        }
    }

    // MARK: - Latency

    @Test("what a late link carries comes later by as much, whole and in order, and at its rate")
    func latency() async throws {
        try await Fixture.with { fixture in
            let bytes = randomBytes(32 * Self.pieceBytes, seed: 9)
            let (origin, metaInfo) = try await fixture.origin(bytes, pieceBytes: Self.pieceBytes)
            let agent = try await fixture.node(.agent)
            let delay = Duration.milliseconds(100)
            let rate = ByteRate(bytesPerSecond: 4 << 20)
            origin.faults.set(.throttle(LinkLimits(up: rate, delay: delay)), as: 1)
            let begin = ContinuousClock.now
            let download = try await agent.driver.download(metaInfo, namespace: testNamespace)
            try await event(.addActiveConnection, of: agent)
            // The answer to the handshake was late.
            #expect(ContinuousClock.now - begin >= delay)
            try await event(.receivePiece, of: agent)
            #expect(ContinuousClock.now - begin >= delay * 2)
            try await download.waitUntilComplete()
            // Half a second at its rate, and not for each slice the time that it is under way: that would be three.
            #expect(ContinuousClock.now - begin < .seconds(2))
            #expect(try await agent.cachedBytes(metaInfo.digest) == bytes)
            origin.faults.clear(1)
            await origin.driver.probe()
            #expect(await origin.driver.linkDelay == nil)
        }
    }

    @Test("a line that is cut while it holds something tells who waits for it, and holds no more")
    func cutLine() throws {
        let channel = EmbeddedChannel()
        let line = DelayLine(.seconds(1))
        try channel.pipeline.syncOperations.addHandler(line)
        let promise = channel.eventLoop.makePromise(of: Void.self)
        channel.writeAndFlush(IOData.byteBuffer(ByteBuffer(string: "late")), promise: promise)
        #expect(try channel.readOutbound(as: IOData.self) == nil && line.heldBytes == 4)
        channel.pipeline.fireChannelInactive()
        #expect(throws: ChannelError.self) { try promise.futureResult.wait() }
        #expect(line.heldBytes == 0)
    }

    @Test("nothing overtakes what is held, also when the line has become short")
    func order() throws {
        let channel = EmbeddedChannel()
        let line = DelayLine(.milliseconds(100))
        try channel.pipeline.syncOperations.addHandler(line)
        func send(_ text: String) {
            channel.writeAndFlush(IOData.byteBuffer(ByteBuffer(string: text)), promise: nil)
        }
        send("first")
        line.change(to: .zero)
        send("second")
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(99))
        #expect(try channel.readOutbound(as: IOData.self) == nil)
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
        var texts: [String] = []
        while let data = try channel.readOutbound(as: IOData.self) {
            if case .byteBuffer(let buffer) = data { texts.append(String(buffer: buffer)) }
        }
        #expect(texts == ["first", "second"] && line.heldBytes == 0)
        send("third")
        #expect(try channel.readOutbound(as: IOData.self) != nil)
        _ = try channel.finish()
    }

    // MARK: - Partition

    @Test("a partition cuts open connections, refuses new ones, and heals")
    func partition() async throws {
        try await Fixture.with { fixture in
            let bytes = randomBytes(40 * Self.pieceBytes, seed: 3)
            let (origin, metaInfo) = try await fixture.origin(bytes, pieceBytes: Self.pieceBytes)
            let agent = try await fixture.node(.agent, policy: Self.policy)
            origin.faults.set(.throttle(LinkLimits(ByteRate(bytesPerSecond: 1000))), as: 1)
            let download = try await agent.driver.download(metaInfo, namespace: testNamespace)
            try await event(.addActiveConnection, of: agent)
            agent.faults.set(unreachable(origin), as: 2)
            try await event(.dropActiveConnection, of: agent) {
                $0.reason == "cut off by a fault"
            }
            // It tries again, and is not let through.
            try await event(.banConnection, of: agent)
            #expect(await agent.driver.snapshot().connectionCount == 0)
            origin.faults.clear(1)
            agent.faults.clear(2)
            try await download.waitUntilComplete()
            #expect(try await agent.cachedBytes(metaInfo.digest) == bytes)
        }
    }

    @Test("whoever is cut off is not let in by the other side either")
    func refusal() async throws {
        try await Fixture.with { fixture in
            let bytes = randomBytes(4 * Self.pieceBytes, seed: 4)
            let (origin, metaInfo) = try await fixture.origin(bytes, pieceBytes: Self.pieceBytes)
            let agent = try await fixture.node(.agent, policy: Self.policy)
            origin.faults.set(unreachable(agent), as: 1)
            let download = try await agent.driver.download(metaInfo, namespace: testNamespace)
            let refusal = try await event(.connectionRejected, of: origin)
            #expect(refusal.peer == agent.peerID && refusal.reason == "cut off by a fault")
            let kinds = origin.events.events(after: 0).events.map(\.kind)
            #expect(!kinds.contains(.addActiveConnection))
            origin.faults.clear(1)
            try await download.waitUntilComplete()
        }
    }

    // MARK: - Corruption

    @Test(
        "the next piece is wrong, the receiver notices, and only that one",
        arguments: [nil, ByteRate(bytesPerSecond: 4 << 20)]
    )
    func corruption(egress: ByteRate?) async throws {
        try await Fixture.with { fixture in
            let bytes = randomBytes(9 * Self.pieceBytes + 1, seed: 5)
            let (origin, metaInfo) = try await fixture.origin(
                bytes,
                pieceBytes: Self.pieceBytes,
                egress: egress
            )
            let agent = try await fixture.node(.agent, policy: Self.policy)
            origin.faults.set(.corruption, as: 1)
            let download = try await agent.driver.download(metaInfo, namespace: testNamespace)
            try await download.waitUntilComplete()
            #expect(try await agent.cachedBytes(metaInfo.digest) == bytes)
            #expect(agent.counters.all()["pieces_bad"] == 1)
            #expect(!origin.faults.isActive)
            let told = try await event(.fault, of: origin) { $0.piece != nil }
            let noticed = try await event(.hashFailed, of: agent)
            #expect(told.piece == noticed.piece && told.peer == agent.peerID)
        }
    }

    // MARK: - Kill

    @Test("who is killed leaves its peers with a closed connection, and what it had on disk")
    func kill() async throws {
        try await Fixture.with { fixture in
            let bytes = randomBytes(40 * Self.pieceBytes, seed: 6)
            let (origin, metaInfo) = try await fixture.origin(bytes, pieceBytes: Self.pieceBytes)
            let agent = try await fixture.node(.agent, at: "agent", policy: Self.policy)
            let download = try await agent.driver.download(metaInfo, namespace: testNamespace)
            try await download.read(0..<Self.pieceBytes) { _, _ in }
            agent.faults.set(.kill, as: 1)
            await agent.driver.stop()
            try await event(.dropActiveConnection, of: origin)
            let again = try await fixture.node(.agent, at: "agent", policy: Self.policy)
            try await again.driver.resumeUnfinished()
            try await again.driver.download(metaInfo, namespace: testNamespace).waitUntilComplete()
            let received = again.counters.all()["pieces_received"] ?? 0
            #expect(received < metaInfo.layout.pieceCount)
        }
    }
}
