// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import HTTPKit
import Hummingbird
import NIOCore
import Primitives
import Synchronization
import Testing

@Suite("Tracker ring", .timeLimit(.minutes(1))) struct TrackerRingTests {
    private let peer = PeerInfo(
        peerID: PeerID(hashOfAddress: "10.0.0.1", port: 16001),
        ip: "10.0.0.1",
        port: 16001
    )

    private func ring(_ hosts: [String]) -> TrackerRing {
        var poll = PollPolicy()
        poll.quickWaits = [.milliseconds(1), .milliseconds(1)]
        return TrackerRing(hosts: HostList(hosts), http: testClient, poll: poll, log: quietLog)
    }

    @Test(
        "picks trackers as Kraken does",
        arguments: [
            ("b94d", [2, 1, 3]), ("e3b0", [2, 3, 1]), ("0000", [1, 3, 2]), ("ffff", [1, 2, 3]),
        ]
    )
    func vectors(_ shard: String, order: [Int]) async throws {
        let digest = try #require(Digest(hex: shard + String(repeating: "0", count: 60)))
        let hosts = (1...3).map { "tracker\($0):15003" }
        let trackers = await ring(hosts).trackers(of: digest)
        #expect(trackers == order.map { "tracker\($0):15003" })
    }

    @Test("announces in Kraken's form and reads the handout")
    func announce() async throws {
        let digest = try Digest.of([1, 2, 3])
        let infoHash = InfoHash(hashing: [1])
        let handout =
            #"{"peers":[{"peer_id":[1],"ip":"10.0.0.2","port":16001,"origin":true,"#
            + #""complete":true},{"ip":"","port":0}],"interval":3000000000}"# + "\n"
        let routes: Routes = { router, server in
            router.post("/announce/{hash}") { request, _ -> Response in
                try await server.note(request)
                return .text(handout)
            }
        }
        try await serving(routes) { address, server in
            let answer = try await ring([address]).announce(infoHash, digest: digest, peer: peer)
            #expect(answer.interval == .seconds(3))
            #expect(answer.peers.map(\.ip) == ["10.0.0.2"])
            #expect(answer.peers.first?.isOrigin == true)
            let asked = try #require(server.asked.first)
            #expect(asked.line == "POST /announce/\(infoHash.hex)")
            let ints = { (bytes: [UInt8]) in
                "[" + bytes.map(String.init).joined(separator: ",") + "]"
            }
            let expected =
                #"{"name":"\#(digest.hex)","digest":"\#(digest)","#
                + #""info_hash":\#(ints(infoHash.bytes)),"peer":{"peer_id":\#(ints(peer.peerID.bytes)),"ip":"10.0.0.1","port":16001,"#
                + #""origin":false,"complete":false}}"#
            #expect(String(decoding: asked.body, as: UTF8.self) == expected)
        }
    }

    @Test("goes to the next tracker when one gives no answer, and leaves it out after three times")
    func failover() async throws {
        let digest = try Digest.of([4])
        let routes: Routes = { router, server in
            router.post("/announce/{hash}") { request, _ -> Response in
                try await server.note(request)
                return .text(#"{"peers":null,"interval":1000000000}"#)
            }
        }
        try await serving(routes) { address, server in
            // Dead ones until the living one is not the first choice.
            var hosts = [address]
            var ring = ring(hosts)
            repeat {
                hosts.append(try deadAddress())
                ring = self.ring(hosts)
            } while await ring.trackers(of: digest).first == address || hosts.count < 3
            let before = await ring.trackers(of: digest)
            try #require(before.contains(address))
            for _ in 0..<4 {
                let answer = try await ring.announce(
                    InfoHash(hashing: [4]),
                    digest: digest,
                    peer: peer
                )
                #expect(answer.peers.isEmpty)
            }
            #expect(server.lines.count == 4)
            #expect(await ring.trackers(of: digest).first == address)
        }
    }

    @Test("an HTTP error is final; meta info is asked for again on 202")
    func metaInfo() async throws {
        let content = Array("hello".utf8)
        let digest = try Digest.of(content)
        let json =
            #"{"Info":{"PieceLength":4194304,"PieceSums":[907060870],"Name":"\#(digest.hex)","#
            + #""Length":5}}"#
        let attempts = Shared(0)
        let routes: Routes = { router, server in
            router.get("/namespace/{ns}/blobs/{digest}/metainfo") { request, context -> Response in
                try await server.note(request)
                if try context.parameter("ns") == "gone" { return .empty(.notFound) }
                return attempts.update { $0 + 1 } < 3 ? .empty(.accepted) : .text(json)
            }
        }
        try await serving(routes) { address, server in
            let ring = ring([address])
            let metaInfo = try await ring.metaInfo(
                of: digest,
                namespace: try Namespace("library/app")
            )
            #expect(metaInfo.digest == digest && attempts.value == 3)
            #expect(
                server.lines.first
                    == "GET /namespace/library%2Fapp/blobs/sha256:\(digest.hex)/metainfo"
            )
            let error = await #expect(throws: ClusterError.self) {
                try await ring.metaInfo(of: digest, namespace: try Namespace("gone"))
            }
            #expect(error?.code == .notFound)
        }
    }

    /// Hands out what it was given, once.
    private final class Courier: CompletionCourier {
        private let state: Mutex<(waiting: [SwarmReference], told: [Bool])>
        init(_ waiting: [SwarmReference]) { state = Mutex((waiting, [])) }
        var told: [Bool] { state.withLock { $0.told } }
        func take(for address: String) -> [SwarmReference] {
            state.withLock { state in
                defer { state.waiting = [] }
                return state.waiting
            }
        }
        func settle(_ swarms: [SwarmReference], isTold: Bool) {
            state.withLock { $0.told += swarms.map { _ in isTold } }
        }
    }

    private func document(_ digest: Digest) -> String {
        #"{"Info":{"PieceLength":4194304,"PieceSums":[907060870],"Name":"\#(digest.hex)","#
            + #""Length":5}}"#
    }

    @Test("joins: meta info and peers in one exchange, which tells of completions, too")
    func join() async throws {
        let digest = try Digest.of(Array("hello".utf8))
        let done = SwarmReference(digest: try Digest.of([1]), infoHash: InfoHash(hashing: [1]))
        let json = document(digest)
        let routes: Routes = { router, server in
            router.post("/namespace/{ns}/blobs/{digest}/join") { request, _ -> Response in
                try await server.note(request)
                return .text(
                    #"{"metainfo":\#(json),"peers":[{"peer_id":[1],"ip":"10.0.0.2","port":1}],"#
                        + #""interval":1000000000}"#
                )
            }
        }
        try await serving(routes) { address, server in
            let courier = Courier([done])
            let answer = try await ring([address]).join(
                digest,
                namespace: try Namespace("a/b"),
                as: peer,
                telling: courier
            )
            #expect(answer.metaInfo.digest == digest)
            #expect(answer.handout?.peers.map(\.ip) == ["10.0.0.2"])
            #expect(answer.handout?.interval == .seconds(1))
            #expect(courier.told == [true])
            let asked = try JSON(parsing: try #require(server.asked.first?.body))
            #expect(asked["completed"]?.array == [done.json])
            #expect(try PeerInfo(json: try #require(asked["peer"])) == peer)
        }
    }

    @Test("a tracker that knows no joining is asked in Kraken's way, and not asked to join again")
    func joinUnknown() async throws {
        let digest = try Digest.of(Array("hello".utf8))
        let done = SwarmReference(digest: try Digest.of([1]), infoHash: InfoHash(hashing: [1]))
        let json = document(digest)
        let routes: Routes = { router, server in
            router.post("/namespace/{ns}/blobs/{digest}/join") { request, _ -> Response in
                try await server.note(request)
                return .empty(.notFound)
            }
            router.get("/namespace/{ns}/blobs/{digest}/metainfo") { request, _ -> Response in
                try await server.note(request)
                return .text(json)
            }
        }
        try await serving(routes) { address, server in
            let (ring, courier) = (ring([address]), Courier([done]))
            #expect(await ring.joinTracker(of: digest) == address)
            for _ in 0..<2 {
                let answer = try await ring.join(
                    digest,
                    namespace: try Namespace("a"),
                    as: peer,
                    telling: courier
                )
                #expect(answer.metaInfo.digest == digest && answer.handout == nil)
            }
            #expect(server.lines.map { String($0.prefix(4)) } == ["POST", "GET ", "GET "])
            #expect(courier.told == [false])
            #expect(await ring.joinTracker(of: digest) == nil)
        }
    }

    @Test("no trackers is an error of its own")
    func none() async throws {
        let error = await #expect(throws: ClusterError.self) { try await ring([]).checkReadiness() }
        #expect(error?.code == .noHosts)
    }
}
