// SPDX-License-Identifier: Apache-2.0

import TUI
import Telemetry

extension Scenarios {
    /// Every scenario, the simplest first.
    static let all: [Scenario] = [
        firstPull, rarestFirst, endgame, agentDies, originDies, corruptPeer, partition,
        trackerOutage, wipe,
    ]

    private static func mebibytes(_ count: Int) -> Int { count << 20 }

    private static func pull(_ agents: String..., stagger: Int = 0) -> ClusterCommand {
        .pull(reference: nil, agents: agents, staggerMilliseconds: stagger)
    }

    /// A fault that lasts until the scenario undoes it.
    private static func fault(
        _ kind: FaultRequest.Kind,
        _ targets: String,
        others: [String] = [],
        bytesPerSecond: Int? = nil
    ) -> ClusterCommand {
        .fault(
            FaultRequest(
                kind,
                targets: [targets],
                others: others,
                bytesPerSecond: bytesPerSecond,
                durationSeconds: 0
            )
        )
    }

    private static let firstPull = Scenario(
        "first-pull",
        "where the bytes of an image come from",
        [
            .say("A builder pushes an image through the proxy; the origins keep its layers."),
            .act(.push(bytes: mebibytes(24))),
            .say("Agent a00 is the first to want it. Only origins have it, so they send it."),
            .act(pull("a00")),
            .wait(.complete("a00"), seconds: 60),
            .expect(.bytes("bytes_downloaded_from_origins", of: "a00", .atLeast(100))),
            .look("Every byte that a00 has came from an origin: nobody else had it."),
            .say("Agent a01 comes second. The tracker names a00, and the origins are spared."),
            .act(pull("a01")),
            .wait(.complete("a01"), seconds: 60),
            .expect(.bytes("bytes_downloaded_from_agents", of: "a01", .atLeast(50))),
            .look("a01 got most of it from a00. A thousand agents would cost the origins no more."),
        ]
    )

    private static let rarestFirst = Scenario(
        "rarest-first",
        "why everybody asks for another piece",
        agents: 3,
        [
            .say("Every agent's links are slowed down, so that there is something to see."),
            .act(.slowLinks(mebibytes(12))),
            .act(.push(bytes: mebibytes(64))),
            .say("All agents pull at once. Each asks for the piece that the fewest others hold:"),
            .say("so their pieces differ, and they have something to give to each other."),
            .begin(pull("agents")),
            .wait(.holding("agents", percent: 25), seconds: 60),
            .look("Each agent has other pieces than the rest: in 3 Pieces no two rows are alike."),
            .finish(seconds: 120),
            .wait(.complete("agents"), seconds: 10),
            .expect(.events(.requestPiece, of: "agents", reason: "rarest", .atLeast(3))),
            .expect(.events(.receivePiece, of: "agents", .atLeast(40))),
            .say("The origins send each piece about twice, however many agents there are."),
            // Each agent by itself would take all from the origins: 300 % and more, and nothing from agents.
            .expect(.bytes("bytes_downloaded_from_agents", of: "agents", .atLeast(50))),
            .expect(.bytes("bytes_uploaded", of: "origins", .atMost(250))),
            .act(.slowLinks(nil)),
            .expect(.faults(0)),
        ]
    )

    private static let endgame = Scenario(
        "endgame",
        "why the last pieces are asked for twice",
        agents: 3,
        [
            .act(.push(bytes: mebibytes(48))),
            .say("a00 and a01 have the image. Then the link of a00 gets very slow."),
            .act(pull("a00", "a01")),
            .act(fault(.throttle, "a00", bytesPerSecond: 1 << 19)),
            .say("a02 asks both. In the end only what a00 crawls along with is missing,"),
            .say("and a02 asks a01 for the same pieces, too: whoever comes first wins."),
            .act(pull("a02")),
            .wait(.complete("a02"), seconds: 120),
            .expect(.events(.requestPiece, of: "a02", reason: "endgame", .atLeast(1))),
            .look("The last requests of a02 say endgame in 6 Events; 7 Explain tells of each why."),
            .act(.undo(nil)),
            .expect(.faults(0)),
        ]
    )

    private static let agentDies = Scenario(
        "agent-dies",
        "a peer is gone in the middle of it all",
        agents: 3,
        [
            .act(.slowLinks(mebibytes(8))),
            .act(.push(bytes: mebibytes(64))),
            .begin(pull("a01"), mayFail: true),
            .begin(pull("a00", "a02")),
            .wait(.holding("a01", percent: 10), seconds: 60),
            .say("a01 dies without a word. What was asked of it is asked of others."),
            .act(fault(.kill, "a01")),
            .wait(.health("a01", .stopped), seconds: 10),
            .look("a01 is down. In 2 Swarm its edges fade, and the others ask each other."),
            .finish(seconds: 120),
            .wait(.complete("a00|a02"), seconds: 10),
            .say("It comes back, and goes on with the pieces on its disk."),
            .act(.undo(nil)),
            .wait(.health("a01", .ok), seconds: 30),
            .act(pull("a01")),
            .wait(.complete("a01"), seconds: 60),
            .expect(.events(.fault, of: "a01", reason: "killed", .atLeast(2))),
        ]
    )

    private static let originDies = Scenario(
        "origin-dies",
        "each blob has several owners",
        agents: 2,
        origins: 3,
        [
            .act(.slowLinks(mebibytes(8))),
            .act(.push(bytes: mebibytes(64))),
            .begin(pull("agents")),
            .wait(.holding("a00", percent: 10), seconds: 60),
            .say("One of three origins dies. The others own its blobs, too, or fetch them."),
            .act(fault(.kill, "o0")),
            .wait(.health("o0", .stopped), seconds: 10),
            .look("o0 is down. In 5 Components the ring shows who owns its blobs now."),
            .finish(seconds: 120),
            .wait(.complete("agents"), seconds: 10),
            .act(.undo(nil)),
            .wait(.health("origins", .ok), seconds: 30),
            .say("A restart is the gentle form of it: what runs is finished first."),
            .act(fault(.restart, "o1")),
            .wait(.health("o1", .ok), seconds: 10),
            .expect(.events(.fault, of: "o1", reason: "restarted", .atLeast(1))),
        ]
    )

    private static let corruptPeer = Scenario(
        "corrupt-peer",
        "nobody has to trust anybody",
        [
            .act(.push(bytes: mebibytes(48))),
            .act(pull("a00")),
            .say("One byte of the next piece that a00 sends is wrong."),
            .act(fault(.corrupt, "a00")),
            .act(pull("a01")),
            .say(
                "a01 sees that the piece's hash is not that of the meta info: it throws the piece"
            ),
            .say("away, wants nothing of a00 for a while, and asks others."),
            .wait(.complete("a01"), seconds: 120),
            .expect(.events(.hashFailed, of: "a01", .atLeast(1))),
            .expect(.events(.hashFailed, of: "a01", .atMost(1))),
            .expect(.events(.banConnection, of: "a01", .atLeast(1))),
            .look("hash_fail in 6 Events: a01 refused a wrong piece, and a00 for a while."),
            .say("The fault is over with that piece."),
            .wait(.faults(0), seconds: 5),
        ]
    )

    private static let partition = Scenario(
        "partition",
        "a network breaks in two",
        [
            .act(.push(bytes: mebibytes(24))),
            .act(pull("a00")),
            .say("a00 and a01 can't reach each other any more, so a01 gets all from origins."),
            .act(fault(.partition, "a00", others: ["a01"])),
            .act(pull("a01")),
            .wait(.complete("a01"), seconds: 120),
            .expect(.bytes("bytes_downloaded_from_agents", of: "a01", .atMost(0))),
            .expect(.bytes("bytes_uploaded", of: "a00", .atMost(0))),
            .act(.undo(nil)),
            .say("The network is whole again, and agents help each other out."),
            .act(fault(.wipe, "a01")),
            .act(pull("a01")),
            .wait(.complete("a01"), seconds: 60),
            .expect(.bytes("bytes_uploaded", of: "a00", .atLeast(10))),
        ]
    )

    private static let trackerOutage = Scenario(
        "tracker-outage",
        "who knows each other needs no tracker",
        [
            .act(.slowLinks(mebibytes(4))),
            .act(.push(bytes: mebibytes(32))),
            .begin(pull("a00", "a01")),
            .wait(.holding("a00|a01", percent: 10), seconds: 60),
            .say("The trackers answer 503 from now on. Those in the swarm go on as before."),
            .act(fault(.outage, "trackers")),
            .expect(.health("trackers", .ok)),
            .finish(seconds: 120),
            .wait(.complete("a00|a01"), seconds: 10),
            .act(.undo(nil)),
            .expect(.faults(0)),
        ]
    )

    private static let wipe = Scenario(
        "wipe",
        "a disk is lost",
        [
            .act(.push(bytes: mebibytes(24))),
            .act(pull("a00", "a01")),
            .wait(.complete("a00|a01"), seconds: 60),
            .expect(.blobs("a00", .atLeast(4))),
            .say("a00 loses its disk and starts anew, with nothing."),
            .act(fault(.wipe, "a00")),
            .expect(.blobs("a00", .atMost(0))),
            .say("It pulls again. What it lacks, others have."),
            .act(pull("a00")),
            .wait(.complete("a00"), seconds: 60),
            .expect(.bytes("bytes_downloaded_from_agents", of: "a00", .atLeast(50))),
        ]
    )
}
