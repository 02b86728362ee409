// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import Telemetry
import TestSupport
import Testing

@Suite("Event log") struct EventLogTests {
    private func log(eventsMax: Int = 4, readersMax: Int = 2) -> EventLog {
        var limits = Limits()
        (limits.eventsMax, limits.eventReadersMax) = (eventsMax, readersMax)
        return EventLog(component: "agent-0", limits: limits) { Timestamp(unixNanoseconds: 5) }
    }

    @Test("numbers, stamps and names what it records")
    func stamps() {
        let log = log()
        #expect(log.lastSequence == 0)
        log.record(ClusterEvent(.addTorrent))
        log.record(ClusterEvent(.torrentComplete))
        let batch = log.events(after: 0)
        #expect(batch.events.map(\.sequence) == [1, 2])
        #expect(batch.events.map(\.component) == ["agent-0", "agent-0"])
        #expect(batch.events.map(\.timestamp.unixNanoseconds) == [5, 5])
        #expect(batch.droppedCount == 0)
        #expect(log.events(after: 1).events.map(\.kind) == [.torrentComplete])
        #expect(log.lastSequence == 2)
    }

    @Test("a hundred agents in one process keep no more events than a few alone would")
    func sharedProcess() {
        #expect(Limits().shared(among: 1).eventsMax == 4096)
        #expect(Limits().shared(among: 8).eventsMax == 4096)
        #expect(Limits().shared(among: 107).eventsMax == 306)
        #expect(Limits().shared(among: 1000).eventsMax == 256)
        // What an event holds besides is its reason and its details, on the heap.
        #expect(MemoryLayout<ClusterEvent>.stride <= 272)
    }

    @Test("drops the oldest at its limit, and counts what a reader has missed")
    func drops() {
        let log = log(eventsMax: 4)
        for _ in 0..<10 { log.record(ClusterEvent(.announce)) }
        let batch = log.events(after: 3)
        #expect(batch.events.map(\.sequence) == [7, 8, 9, 10])
        #expect(batch.droppedCount == 3)
        #expect(log.events(after: 8).droppedCount == 0)
        #expect(log.events(after: 10).events.isEmpty)
    }

    @Test("starts over for a reader whose place lies ahead, as after a restart")
    func restart() async throws {
        let log = log()
        let subscription = try #require(log.subscribe(after: 1000))
        log.record(ClusterEvent(.announce))
        #expect(await subscription.next()?.events.map(\.sequence) == [1])
        #expect(log.events(after: 1000).events.count == 1)
    }

    @Test("wakes its readers, each at its own place", .timeLimit(.minutes(1)))
    func subscriptions() async throws {
        let log = log(eventsMax: 100)
        log.record(ClusterEvent(.addTorrent))
        let all = try #require(log.subscribe(after: 0))
        let coming = try #require(log.subscribe())
        let reader = Task { await coming.next() }
        #expect(await all.next()?.events.map(\.kind) == [.addTorrent])
        log.record(ClusterEvent(.torrentComplete))
        #expect(await all.next()?.events.map(\.kind) == [.torrentComplete])
        #expect(await reader.value?.events.map(\.kind) == [.torrentComplete])
    }

    @Test(
        "wakes a reader for what it looks for, and in time for what is about to be dropped",
        .timeLimit(.minutes(1))
    )
    func lookingFor() async throws {
        let log = log(eventsMax: 10)
        let reader = try #require(log.subscribe(lookingFor: [.torrentComplete]))
        let kinds: [EventKind] = [.announce, .receivePiece, .torrentComplete]
        for kind in kinds { log.record(ClusterEvent(kind)) }
        var read: [EventKind] = []
        while read.last != .torrentComplete {
            read += try #require(await reader.next()).events.map(\.kind)
        }
        #expect(read == kinds)
        let next = Task { await reader.next() }
        for _ in 0..<20 {
            log.record(ClusterEvent(.announce))
            await Task.yield()
        }
        #expect(try #require(await next.value).events.first?.kind == .announce)
    }

    @Test("loses nothing that a steady reader could read", .timeLimit(.minutes(1)))
    func stream() async throws {
        let log = log(eventsMax: 16)
        let subscription = try #require(log.subscribe())
        let writer = Task {
            for number in 0..<2000 {
                log.record(ClusterEvent(.receivePiece, piece: number))
                if number % 8 == 7 { await Task.yield() }
            }
        }
        var (read, dropped, last) = (0, UInt64(0), UInt64(0))
        for await batch in subscription {
            #expect(batch.events.first?.sequence == last + batch.droppedCount + 1)
            dropped += batch.droppedCount
            read += batch.events.count
            last = batch.events.last?.sequence ?? last
            if last == 2000 { break }
        }
        await writer.value
        #expect(read + Int(dropped) == 2000)
    }

    @Test("ends a reader whose task is cancelled", .timeLimit(.minutes(1)))
    func cancellation() async throws {
        let log = log()
        let subscription = try #require(log.subscribe())
        let reader = Task { await subscription.next() }
        reader.cancel()
        #expect(await reader.value == nil)
        let early = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await subscription.next()
        }
        #expect(await early.value == nil)
    }

    @Test("turns readers away beyond its limit, and takes others when they go")
    func readers() {
        let log = log(readersMax: 2)
        do {
            let readers = [log.subscribe(), log.subscribe(), log.subscribe()]
            #expect(readers.map { $0 != nil } == [true, true, false])
        }
        #expect(log.subscribe() != nil)
    }
}

@Suite("Cluster events") struct ClusterEventTests {
    @Test("survive their JSON, with Kraken's names")
    func roundTrip() throws {
        var generator = Generator(seed: 3)
        var event = ClusterEvent(
            .requestPiece,
            torrent: InfoHash(hashing: [1]),
            blob: Digest.random(&generator),
            localPeer: PeerID(hashOfAddress: "a", port: 1),
            peer: PeerID(hashOfAddress: "b", port: 2),
            piece: 0,
            bytes: 4,
            tookMilliseconds: 38,
            durationMilliseconds: 30_000,
            reason: "rarest(availability: 2)",
            detail: ["slot": "1", "slots": "3"]
        )
        (event.sequence, event.component) = (7, "agent-0")
        let bytes = try TelemetryJSON.encode(event)
        #expect(try TelemetryJSON.decode(ClusterEvent.self, from: bytes) == event)
        let document = try JSON(parsing: bytes)
        #expect(document["event"]?.string == "request_piece")
        #expect(document["seq"] == .integer(7))
        #expect(document["piece"] == .integer(0))
        #expect(document["self"]?.string == event.localPeer?.hex)
        #expect(document["torrent"]?.string == event.torrent?.hex)
        #expect(document["took_ms"] == .integer(38))
        #expect(document["duration_ms"] == .integer(30_000))
        #expect(document["ts"]?.string == "1970-01-01T00:00:00.000000000Z")
    }

    @Test("are read from Kraken's own network-event log")
    func kraken() throws {
        let hex = String(repeating: "0a", count: 20)
        let line =
            #"{"event":"blacklist_conn","torrent":"HEX","self":"HEX","peer":"HEX","#
            + #""duration_ms":30000,"conn_capacity":10,"bitfield":[true,false],"#
            + #""ts":"2020-05-05T12:00:00.123456789Z"}"#
        let event = try TelemetryJSON.decode(
            ClusterEvent.self,
            from: line.replacing("HEX", with: hex).utf8
        )
        #expect(event.kind == .banConnection)
        #expect(event.peer?.hex == hex)
        #expect(event.durationMilliseconds == 30_000)
        #expect(event.sequence == 0)
    }

    @Test("keep kinds that this version does not know")
    func unknownKind() throws {
        let line = #"{"event":"brand_new","ts":"2020-05-05T12:00:00Z"}"#
        let event = try TelemetryJSON.decode(ClusterEvent.self, from: line.utf8)
        #expect(event.kind.rawValue == "brand_new")
    }

    @Test("are small enough to keep thousands for each of a hundred agents")
    func size() {
        // 4,096 events × 100 agents × 256 B = 100 MiB at the very worst; a herd lowers `eventsMax` for its agents.
        #expect(MemoryLayout<ClusterEvent>.stride <= 272)
    }
}
