// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import Synchronization
import Telemetry
import Testing

@Suite("Fault switch") struct FaultSwitchTests {
    private let events = EventLog(component: "agent-1")

    private func faults() -> FaultSwitch { FaultSwitch(events: events) }
    private var states: [String] {
        events.events(after: 0).events.map {
            "\($0.detail?["fault"] ?? "") \($0.detail?["state"] ?? "")"
        }
    }

    @Test("is inert until something is set, and again when all is cleared")
    func inert() {
        let faults = faults()
        #expect(!faults.isActive && faults.words == nil && faults.links?.rate == nil)
        #expect(!faults.isOut && !faults.isKilled && !faults.refuses(address: "h:1"))
        #expect(!faults.takeCorruption(of: PieceIndex(0), to: nil))
        faults.set(.outage, as: 1, for: .seconds(30))
        #expect(faults.isActive && faults.isOut && faults.isOn(1) && !faults.isOn(2))
        #expect(faults.words == ["outage: answers 503"])
        faults.clear(1)
        faults.clear(1)
        #expect(!faults.isActive && !faults.isOut && faults.words == nil)
        #expect(states == ["outage on", "outage off"])
        let lengths = events.events(after: 0).events.map(\.durationMilliseconds)
        #expect(lengths == [30_000, nil])
    }

    @Test("of several limits the lowest counts, until it ends")
    func limits() {
        let faults = faults()
        faults.set(.throttle(LinkLimits(ByteRate(bytesPerSecond: 500))), as: 3)
        faults.set(.throttle(LinkLimits(ByteRate(bytesPerSecond: 100))), as: 5)
        #expect(faults.links?.rate == ByteRate(bytesPerSecond: 100))
        let late = LinkLimits(down: ByteRate(bytesPerSecond: 300), delay: .milliseconds(50))
        faults.set(.throttle(late), as: 7)
        #expect(faults.links?.up == ByteRate(bytesPerSecond: 100))
        #expect(
            faults.links?.delay == .milliseconds(50) && late.words == "down 300 B/s, 50 ms late"
        )
        faults.clear(7)
        faults.clear(5, because: "undone")
        #expect(faults.links?.rate == ByteRate(bytesPerSecond: 500))
        #expect(
            events.events(after: 4).events.map(\.reason) == ["throttled: 100 B/s: off, undone"]
        )
    }

    @Test("a partition refuses those it names, by address and by peer")
    func partition() {
        let faults = faults()
        let peer = PeerID(hashOfAddress: "10.0.0.1", port: 7)
        faults.set(
            .partition(UnreachablePeers(addresses: ["a:1"], peerIDs: [peer], names: ["x", "y"])),
            as: 1
        )
        #expect(faults.refuses(address: "a:1") && !faults.refuses(address: "a:2"))
        #expect(faults.refuses(peer))
        #expect(!faults.refuses(PeerID(hashOfAddress: "10.0.0.1", port: 8)))
        #expect(faults.words == ["cut off from x, y"])
    }

    @Test("each wrong piece is sent once, and told")
    func corruption() {
        let faults = faults()
        faults.set(.corruption, as: 1)
        faults.set(.corruption, as: 2)
        let peer = PeerID(hashOfAddress: "10.0.0.1", port: 7)
        #expect(faults.takeCorruption(of: PieceIndex(4), to: peer))
        #expect(!faults.isOn(1) && faults.isOn(2))
        #expect(faults.takeCorruption(of: PieceIndex(5), to: peer))
        #expect(!faults.takeCorruption(of: PieceIndex(6), to: peer))
        #expect(!faults.isActive)
        let sent = events.events(after: 2).events
        #expect(sent.map(\.piece) == [4, 5] && sent.allSatisfy { $0.peer == peer })
        #expect(states.suffix(2) == ["corrupt off", "corrupt off"])
    }

    @Test("those who watch hear of every change until they stop")
    func watching() {
        let faults = faults()
        let count = Mutex(0)
        let watch = faults.watch { count.withLock { $0 += 1 } }
        faults.set(.kill, as: 1)
        #expect(faults.isKilled)
        faults.clear(1)
        #expect(!faults.takeCorruption(of: PieceIndex(0), to: nil))
        #expect(count.withLock { $0 } == 2)
        faults.unwatch(watch)
        faults.set(.outage, as: 2)
        #expect(count.withLock { $0 } == 2)
    }
}
