// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import TUI
import Telemetry
import Testing

@Suite("Pictures of samples")
struct PictureBuilderTests {
    @Test("components are named short and stand in a fixed order")
    func names() throws {
        var cluster = TestCluster(agents: 12)
        let picture = cluster.picture()
        #expect(picture.components.first?.kind == .proxy)
        #expect(picture.components.map(\.shortName).suffix(2) == ["a10", "a11"])
        #expect(picture.component("a03")?.id == "agent-3")
        #expect(picture.name(of: cluster.agents[7].peerID) == "a07")
    }

    @Test("rates are what counters gained in the last second")
    func rates() throws {
        var cluster = TestCluster(agents: 2)
        _ = cluster.picture()
        var last = ClusterPicture()
        for _ in 0..<20 {
            cluster.agents[1].fromAgents += 300_000
            cluster.agents[1].fromOrigins += 100_000
            last = cluster.picture(after: 100)
        }
        #expect(abs(last.totals.downloadRate - 4_000_000) < 40_000)
        #expect(last.totals.agentShare == 0.75)
        #expect(abs((last.component("a01")?.downloadRate ?? 0) - 4_000_000) < 40_000)
        #expect(last.component("a00")?.downloadRate == 0)
        #expect(last.series.download.count == 21)
        #expect(last.totals.downloadedBytes == 8_000_000)
        // Nothing moves any more: after a second the rate is nothing.
        for _ in 0..<12 { last = cluster.picture(after: 100) }
        #expect(last.totals.downloadRate == 0)
        #expect(last.totals.peakDownloadRate > 3_900_000)
        // After a minute without a byte there is no share to tell, rather than that of all time.
        #expect(last.totals.agentShare == 0.75)
        for _ in 0..<62 { last = cluster.picture(after: 1000) }
        #expect(last.totals.agentShare == nil)
    }

    @Test("a component that begins anew counts from nothing and gives no absurd rate")
    func restart() {
        var cluster = TestCluster(agents: 1)
        cluster.agents[0].fromAgents = 1 << 40
        _ = cluster.picture(after: 5000)
        cluster.agents[0].fromAgents = 10
        let picture = cluster.picture(after: 100) { sample in
            sample.snapshot.components[0].uptimeSeconds = 0.1
        }
        #expect(picture.totals.downloadRate == 0)
    }

    @Test("the swarm that is looked at has its peers, connections and copies")
    func swarm() throws {
        var cluster = TestCluster(agents: 3)
        cluster.agents[0].bits.fill()
        cluster.agents[1].bits.insert(PieceIndex(4))
        cluster.agents[2].asked = [7, 9]
        _ = cluster.picture()
        cluster.agents[2].fromAgents += 1 << 20
        let swarm = try #require(cluster.picture(after: 1000).swarm)
        #expect(swarm.peers.map(\.name) == ["a00", "a01", "a02"])
        #expect(swarm.copies == [1, 1, 1, 1, 2, 1, 1, 1, 1, 1])
        #expect(swarm.distributedCopies == 1.1)
        let connection = try #require(swarm.connections.first { ($0.first, $0.second) == (0, 2) })
        #expect(connection.askedOfFirst == [7, 9])
        #expect(abs(connection.forwardRate - 1_048_576) < 1)
        #expect(connection.backwardRate == 0)
        #expect(swarm.connections.count == 3)
    }

    @Test("a blob is called by its tag, its layers by their place")
    func labels() {
        var cluster = TestCluster(agents: 1)
        let layer = cluster.blob
        #expect(cluster.picture().blobs.first?.label == "demo/web")
        let picture = cluster.picture(after: 100) { sample in
            sample.images = [
                ImageContent(
                    reference: "demo/web:v42",
                    manifest: .ofNothing,
                    config: nil,
                    layers: [.ofNothing, layer]
                )
            ]
        }
        #expect(picture.blobs.first?.label == "demo/web:v42 · 2/2")
    }

    @Test("who does not answer is stale, then down, and keeps its last figures")
    func silence() throws {
        var cluster = TestCluster(agents: 2)
        cluster.agents[1].fromAgents = 77
        _ = cluster.picture()
        func silent(_ seconds: Double) -> (inout Sample) -> Void {
            { sample in
                sample.snapshot.components.removeAll { $0.id == "agent-1" }
                sample.silence["agent-1"] = seconds
                sample.problems["agent-1"] = "connection refused"
            }
        }
        let stale = try #require(cluster.picture(after: 4000, changing: silent(4)).component("a01"))
        #expect(stale.freshness == .stale(seconds: 4) && stale.light == .warning)
        let down = try #require(cluster.picture(after: 8000, changing: silent(12)).component("a01"))
        #expect(down.light == .down && down.counters["bytes_downloaded_from_agents"] == 77)
        #expect(down.healthReason == "connection refused")
        // Gone without a word: no longer part of the cluster.
        let gone = cluster.picture(after: 100) { sample in
            sample.snapshot.components.removeAll { $0.id == "agent-1" }
        }
        #expect(gone.component("a01") == nil)
    }

    @Test("what was there before the first look is not of the last minute")
    func lateLook() {
        var cluster = TestCluster(agents: 1)
        cluster.agents[0].fromOrigins = 1 << 30
        #expect(cluster.picture().totals.agentShare == nil)
        cluster.agents[0].fromAgents = 1 << 20
        #expect(cluster.picture(after: 100).totals.agentShare == 1)
    }

    @Test("a connection knows when its last piece came, as far as events tell")
    func flows() throws {
        var cluster = TestCluster(agents: 2)
        _ = cluster.picture()
        func connection(_ picture: ClusterPicture) throws -> ConnectionRow {
            try #require(picture.swarm?.connections.first)
        }
        #expect(try connection(cluster.picture(after: 100)).forwardPieceAt == nil)
        let peer = cluster.agents[0].peerID
        let event = cluster.event(.receivePiece, by: "agent-1", piece: 3, peer: peer)
        var row = try connection(cluster.picture(after: 100, events: [event]))
        #expect(row.forwardPieceAt == event.timestamp && row.backwardPieceAt == nil)
        row = try connection(cluster.picture(after: 800))
        #expect(row.forwardPieceAt == event.timestamp)
        row = try connection(cluster.picture(after: 800))
        #expect(row.forwardPieceAt == Timestamp(unixNanoseconds: 0))
        // Where events were lost, a piece may have been among them.
        row = try connection(cluster.picture(after: 100) { $0.droppedEvents = 3 })
        #expect(row.forwardPieceAt == nil)
    }

    @Test("how many connections there may be is said once the rules are known")
    func connectionLimits() throws {
        var cluster = TestCluster(agents: 3)
        var picture = cluster.picture()
        #expect(picture.totals.connectionsMax == nil)
        #expect(picture.swarm?.peers.first?.connectionsMax == nil)
        picture = cluster.picture(after: 100) { sample in
            sample.rules = SwarmRules()
            sample.rules?.connectionsMax = 7
            sample.rules?.requestOrder = "default"
        }
        #expect(picture.totals.connectionsMax == 21 && picture.totals.connectionCount == 6)
        #expect(picture.swarm?.peers.first?.connectionsMax == 7)
        #expect(picture.swarm?.policy == "default" && picture.rules.connectionsMax == 7)
    }

    @Test("the ring tells whose the blob is that is looked at")
    func owners() throws {
        var cluster = TestCluster(agents: 1)
        cluster.builder = PictureBuilder(name: "devcluster", source: .herd) { digest, ring in
            ring.members.map(\.address).reversed()
        }
        _ = cluster.picture()
        let picture = cluster.picture(after: 100) { sample in
            var origin = ComponentSnapshot(kind: .origin, id: "origin-0", health: .ok)
            origin.ring = RingStatus(
                kind: .origin,
                replicasMax: 2,
                members: ["a:1", "b:1", "c:1"].map { .init(address: $0, isHealthy: true) }
            )
            sample.snapshot.components.append(origin)
        }
        let ring = try #require(picture.ring)
        #expect(ring.owned == cluster.blob && ring.owners == [2, 1])
    }

    @Test(
        "the queue of an origin tells which others are known to hold what waits, and a pane says so"
    )
    func otherHolders() throws {
        var cluster = TestCluster(agents: 1)
        let waiting = cluster.blob.description
        let picture = cluster.picture(after: 100) { sample in
            for index in 0..<3 {
                var origin = ComponentSnapshot(kind: .origin, id: "origin-\(index)", health: .ok)
                var queue = QueueStatus(name: "write-back", target: "file", pendingCount: 1)
                queue.tasks = [.init(name: waiting, ageSeconds: 1, nextAttemptSeconds: 5)]
                // The last one holds nothing that anybody knows of.
                origin.queues = index < 2 ? [queue] : []
                sample.snapshot.components.append(origin)
            }
        }
        let row = try #require(picture.queues.first { $0.component == "origin-0" })
        #expect(row.otherHolders == [waiting: ["o1"]])
        var view = SamplePicture.view(.queues, 120, 36)
        view.queues.pane = .tasks
        let text = render(picture, view).text
        #expect(text.contains("also cached on: \(waiting.dropFirst(7).prefix(6)) → o1 ✓"))
    }

    @Test("one first seed is marked for all layers of an image: that of the largest")
    func firstSeeds() {
        var cluster = TestCluster(agents: 2)
        _ = cluster.picture()
        func complete(_ layer: UInt8, _ bytes: Int, by id: String) -> ClusterEvent {
            var event = cluster.event(.torrentComplete, by: id)
            event.torrent = InfoHash(hashing: [layer])
            event.bytes = bytes
            return event
        }
        let events = [
            complete(1, 100, by: "agent-0"), complete(2, 5000, by: "agent-1"),
            complete(2, 5000, by: "agent-0"), complete(3, 700, by: "agent-0"),
        ]
        let push = cluster.event(.push, by: "proxy-0")
        var picture = cluster.picture(after: 100, events: events)
        #expect(picture.marks.map(\.label) == ["first seed a01"])
        let next = complete(4, 10, by: "agent-0")
        picture = cluster.picture(after: 100, events: [push, next])
        #expect(picture.marks.map(\.label) == ["first seed a01", "push", "first seed a00"])
    }

    @Test("a fault of several components at once is one mark")
    func commonFaults() {
        var cluster = TestCluster(agents: 3)
        _ = cluster.picture()
        let events = (0..<3).map { number in
            var event = cluster.event(.fault, by: "agent-\(number)")
            event.reason = "throttled: 1 MiB/s: on"
            return event
        }
        var picture = cluster.picture(after: 100, events: events)
        #expect(picture.marks.map(\.label) == ["throttled: 1 MiB/s: on"])
        cluster.now += 2_000_000_000
        var later = cluster.event(.fault, by: "agent-0")
        later.reason = "throttled: 1 MiB/s: on"
        picture = cluster.picture(after: 100, events: [later])
        #expect(picture.marks.count == 2)
    }

    @Test("moments that matter are marked once")
    func marks() {
        var cluster = TestCluster(agents: 2)
        let first = cluster.event(.torrentComplete, by: "agent-1")
        let second = cluster.event(.torrentComplete, by: "agent-0")
        let push = cluster.event(.push, by: "proxy-0")
        _ = cluster.picture()
        let picture = cluster.picture(after: 100, events: [push, first, second])
        #expect(picture.marks.map(\.label) == ["push", "first seed a01"])
        #expect(picture.events.count == 3 && picture.events.totalCount == 3)
    }

    @Test("the window of events is bounded and numbers its events for good")
    func window() {
        var window = EventWindow()
        var event = ClusterEvent(.announce)
        for number in 1...30_000 {
            event.sequence = UInt64(number)
            window.append([event])
        }
        #expect(window.totalCount == 30_000)
        #expect(window.count >= EventWindow.eventsMax && window.count < EventWindow.eventsMax + 600)
        #expect(window.last?.sequence == 30_000)
        #expect(window[0].sequence == window.number(at: 0) + 1)
        #expect(window.number(at: window.count - 1) == 29_999)
    }

    @Test("the version moves only when something else does")
    func versions() {
        var cluster = TestCluster(agents: 1)
        let first = cluster.picture()
        let second = cluster.picture(after: 100)
        #expect(second.version > first.version)
    }
}
