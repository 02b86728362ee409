// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import Foundation
import Primitives
import TUI
import Telemetry
import Testing

@testable import Herd

@Suite("Fault desk", .timeLimit(.minutes(1))) struct FaultDeskTests {
    private func request(
        _ kind: FaultRequest.Kind,
        _ targets: String...,
        others: [String] = [],
        rate: Int? = nil,
        seconds: Double = 0
    ) -> FaultRequest {
        FaultRequest(
            kind,
            targets: targets,
            others: others,
            bytesPerSecond: rate,
            durationSeconds: seconds
        )
    }

    @Test("a killed component stays down until the fault is undone, and serves again then")
    func kill() async throws {
        try await FaultHerd.with { herd in
            let agent = try herd.component("a01")
            let sentence = try await herd.desk.start(request(.kill, "a01"))
            #expect(sentence == "fault 1: kill agent-1")
            #expect(agent.isHeld && !agent.isServing)
            #expect(herd.ends.all == ["agent-1 killed"])
            #expect(herd.desk.rows.map(\.targets) == [["agent-1"]])
            #expect(herd.desk.rows.first?.remainingSeconds == nil)
            #expect(try herd.desk.undo(1) == "fault 1 undone: kill agent-1")
            try await agent.waitUntilServing()
            #expect(herd.desk.rows.isEmpty && !agent.faults.isActive)
            #expect(herd.ends.all == ["agent-1 killed"])
        }
    }

    @Test("who was killed twice needs both to be undone")
    func killedTwice() async throws {
        try await FaultHerd.with { herd in
            let agent = try herd.component("a0")
            try await herd.desk.start(request(.kill, "agents"))
            try await herd.desk.start(request(.kill, "a00"))
            #expect(herd.ends.all.count == 3)
            _ = try herd.desk.undo(1)
            try await herd.component("a01").waitUntilServing()
            await #expect(throws: Failure.self) { try await agent.waitUntilServing() }
            _ = try herd.desk.undo(nil)
            try await agent.waitUntilServing()
        }
    }

    @Test("a fault ends by itself when its time is over")
    func expiry() async throws {
        try await FaultHerd.with { herd in
            let tracker = try herd.component("t0")
            try await herd.desk.start(request(.outage, "t0", seconds: 0.05))
            try await herd.fault("off", of: tracker)
            #expect(!tracker.faults.isActive && herd.desk.rows.isEmpty)
            let agent = try herd.component("a00")
            try await herd.desk.start(request(.kill, "a00", seconds: 0.05))
            await agent.wait(while: { !$0.holders.isEmpty })
            try await agent.waitUntilServing()
            try await herd.desk.start(request(.outage, "t0", seconds: 1000))
            let remaining = try #require(herd.desk.rows.first?.remainingSeconds)
            #expect(remaining > 900 && remaining <= 1000)
        }
    }

    @Test("a restart is graceful, and over when the component serves again")
    func restart() async throws {
        try await FaultHerd.with { herd in
            #expect(try await herd.desk.start(request(.restart, "a*")).hasSuffix("restarted"))
            #expect(herd.ends.all.sorted() == (0..<3).map { "agent-\($0) gracefully" })
            #expect(try herd.control.components(matching: ["a*"]).allSatisfy { $0.isServing })
            #expect(herd.desk.rows.isEmpty)
            try await herd.desk.start(request(.kill, "a00"))
            await #expect(throws: Failure.self) {
                try await herd.desk.start(request(.restart, "a00"))
            }
        }
    }

    @Test("a stop of the herd ends those who are held, too")
    func stopWhileHeld() async throws {
        // Returns only when all components have ended.
        try await FaultHerd.with { herd in
            try await herd.desk.start(request(.kill, "all"))
            #expect(herd.ends.all.count == 5)
        }
    }

    @Test("a partition tells each side of the other, by every address and by the peer's id")
    func partition() async throws {
        try await FaultHerd.with { herd in
            try await herd.desk.start(request(.partition, "a00|a01", others: ["a02", "o0"]))
            let (first, third) = (try herd.component("a00"), try herd.component("a02"))
            let origin = try herd.component("o0")
            for address in origin.planned.addresses.values {
                #expect(address.hasPrefix("127.0.0.1:") && first.faults.refuses(address: address))
            }
            let port = try #require(third.planned.sockets["peer"]).port
            #expect(first.faults.refuses(PeerID(hashOfAddress: "127.0.0.1", port: port)))
            #expect(third.faults.refuses(address: first.planned.address("registry")))
            #expect(!third.faults.refuses(address: origin.planned.address("http")))
            #expect(try !herd.component("t0").faults.isActive)
            #expect(
                herd.desk.rows.first?.detail == "agent-0, agent-1 cut off from agent-2, origin-0"
            )
            _ = try herd.desk.undo(nil)
            // Without another side, it is everybody else.
            try await herd.desk.start(request(.partition, "t0"))
            #expect(herd.control.components.allSatisfy { $0.faults.isActive })
        }
    }

    @Test("a wrong piece is over once it was sent")
    func corruption() async throws {
        try await FaultHerd.with { herd in
            let agent = try herd.component("a00")
            try await herd.desk.start(request(.corrupt, "a00", "a01", seconds: 1000))
            #expect(agent.faults.takeCorruption(of: PieceIndex(1), to: nil))
            #expect(herd.desk.rows.count == 1)
            #expect(try herd.component("a01").faults.takeCorruption(of: PieceIndex(1), to: nil))
            #expect(herd.desk.rows.isEmpty)
        }
    }

    @Test("a throttle sets the links of the real component: each way, up, down and how late")
    func throttle() async throws {
        try await FaultHerd.with { herd in
            let agent = try herd.component("a02")
            var throttle = request(.throttle, "a02", rate: 5 << 20)
            throttle.upBytesPerSecond = 1 << 20
            throttle.latencySeconds = 0.05
            let sentence = try await herd.desk.start(throttle)
            #expect(sentence == "fault 1: agent-2 limited to up 1 MiB/s, down 5 MiB/s, 50 ms late")
            let links = LinkLimits(
                up: ByteRate(bytesPerSecond: 1 << 20),
                down: ByteRate(bytesPerSecond: 5 << 20),
                delay: .milliseconds(50)
            )
            #expect(agent.faults.links == links)
            _ = try herd.desk.undo(1)
            #expect(agent.faults.links == nil)
            throttle.latencySeconds = 3
            await #expect(throws: Failure.self) { try await herd.desk.start(throttle) }
            await #expect(throws: Failure.self) {
                try await herd.desk.start(request(.throttle, "a02"))
            }
        }
    }

    @Test("slow links are one limit at a time")
    func slowLinks() async throws {
        try await FaultHerd.with { herd in
            let agent = try herd.component("a02")
            _ = try await herd.desk.slowLinks(1 << 20)
            _ = try await herd.desk.slowLinks(2 << 20)
            #expect(agent.faults.links?.rate == ByteRate(bytesPerSecond: 2 << 20))
            #expect(try herd.component("o0").faults.links?.rate == nil)
            #expect(herd.desk.rows.count == 1)
            _ = try await herd.desk.slowLinks(nil)
            #expect(agent.faults.links?.rate == nil && herd.desk.rows.isEmpty)
        }
    }

    @Test("a wipe empties the component's own directory and nothing else")
    func wipe() async throws {
        let scratch = try Scratch()
        let root = URL(filePath: scratch.path).resolvingSymlinksInPath().path
        for name in ["agent-0/cache/x", "agent-0/y", "agent-1/z", "else"] {
            try scratch.write(name)
        }
        try FileManager.default.createSymbolicLink(
            atPath: "\(root)/agent-2",
            withDestinationPath: "\(root)/agent-1"
        )
        try await FaultHerd.with(in: root) { herd in
            let agent = try herd.component("a00")
            try await herd.desk.start(request(.wipe, "a00"))
            #expect(agent.isServing && !agent.faults.isActive)
            #expect(herd.ends.all == ["agent-0 killed"])
            #expect(try FileManager.default.contentsOfDirectory(atPath: "\(root)/agent-0") == [])
            // A directory that leads elsewhere is left alone, and so is the component.
            let failure = await #expect(throws: Failure.self) {
                try await herd.desk.start(request(.wipe, "a02"))
            }
            #expect(failure?.why.contains("agent-1") == true)
            #expect(herd.ends.all == ["agent-0 killed"])
            // The origin has written nothing yet.
            try await herd.desk.start(request(.wipe, "o0"))
        }
        #expect(try scratch.names == ["agent-0", "agent-1", "agent-2", "else"])
        #expect(FileManager.default.fileExists(atPath: "\(root)/agent-1/z"))
    }

    @Test("what makes no sense is refused with what would")
    func refusals() async throws {
        try await FaultHerd.with { herd in
            let wrong: [(FaultRequest, says: String)] = [
                (request(.kill, "a07"), "agent-0 … agent-2 (a00 … a02)"),
                (request(.kill), "nothing is named"),
                (request(.throttle, "a00"), "1M"),
                (request(.throttle, "a00", rate: 0), "1M"),
                (request(.throttle, "t0", rate: 1), "tracker"),
                (request(.corrupt, "t0"), "sends no pieces"),
                (request(.wipe, "t0"), "writes nothing"),
                (request(.partition, "a00", others: ["a*"]), "agent-0 would be on both sides"),
                (request(.partition, "all"), "nobody on the other side"),
                (request(.outage, "t0", seconds: -1), "0 lasts until"),
                (request(.outage, "t0", seconds: .nan), "0 lasts until"),
                (request(.outage, "t0", seconds: .infinity), "0 lasts until"),
            ]
            for (request, says) in wrong {
                let failure = await #expect(throws: Failure.self) {
                    try await herd.desk.start(request)
                }
                let text = failure?.description ?? "no failure"
                #expect(text.contains(says), "\(request): \(text)")
            }
            #expect(herd.desk.rows.isEmpty && herd.ends.all.isEmpty)
            #expect(herd.control.components.allSatisfy { !$0.faults.isActive })
            let failure = #expect(throws: Failure.self) { try herd.desk.undo(4) }
            #expect(failure?.remedy == "no fault is on")
            let sentence = try herd.desk.undo(nil)
            #expect(sentence == "no fault is on")
        }
    }

    @Test("there are only so many at a time")
    func bound() async throws {
        try await FaultHerd.with { herd in
            for _ in 0..<FaultDesk.faultsMax { try await herd.desk.start(request(.outage, "t0")) }
            await #expect(throws: Failure.self) {
                try await herd.desk.start(request(.outage, "t0"))
            }
            #expect(try herd.desk.undo(nil) == "\(FaultDesk.faultsMax) faults undone")
            #expect(try !herd.component("t0").faults.isActive)
        }
    }
}

@Suite("Component patterns") struct ComponentPatternTests {
    @Test(
        "name components by identifier, short name, kind, and with stars",
        arguments: [
            ("agent-5", [5]), ("a05", [5]), ("a5", [5]), ("a0*", Array(0...9)),
            ("a1*", Array(10...11) + [1]), ("agent-1?", [10, 11]), ("agents", Array(0...11)),
            ("all", Array(0...11)), ("*", Array(0...11)), ("a00|a11", [0, 11]),
            ("a00, a11", [0, 11]), ("a", []), ("o*", []), ("a*5", [5]), ("*-*1", [1, 11]), ("", []),
        ]
    )
    func matching(_ text: String, _ indexes: [Int]) {
        let pattern = ComponentPattern(text)
        let found = (0..<12).filter { index in
            let agent = PlannedComponent(kind: .agent, index: index, sockets: [:], directory: "")
            return pattern.matches(agent, among: 12)
        }
        #expect(found == indexes.sorted())
    }

    @Test("short names stand in columns as far as they must")
    func shortNames() {
        func name(_ kind: ComponentKind, _ index: Int, _ count: Int) -> String {
            PlannedComponent(kind: kind, index: index, sockets: [:], directory: "")
                .shortName(among: count)
        }
        #expect(name(.agent, 5, 3) == "a05" && name(.agent, 5, 101) == "a005")
        #expect(name(.origin, 1, 3) == "o1" && name(.buildIndex, 0, 1) == "b0")
    }
}
