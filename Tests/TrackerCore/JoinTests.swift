// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import TestSupport
import Testing
import TrackerCore

@Suite("Join") struct JoinTests {
    private let hex = String(repeating: "0b", count: 32)
    private let hash = String(repeating: "a1", count: 20)
    private var peer: String { "\"peer\":{\"peer_id\":[1],\"ip\":\"10.0.0.1\",\"port\":16001}" }

    @Test("reads who joins, and where it is complete")
    func reads() throws {
        let text =
            "{\(peer),\"later\":[1],\"completed\":[{\"info_hash\":\"\(hash)\",\"digest\":\"sha256:\(hex)\"}]}"
        let request = try JoinRequest(parsing: text.utf8, completedMax: 1)
        #expect(request.peer.ip == "10.0.0.1" && request.peer.port == 16001)
        let digest = try #require(Digest(hex: hex))
        let infoHash = try #require(InfoHash(hex: hash))
        let swarm = SwarmReference(digest: digest, infoHash: infoHash)
        #expect(request.completed == [swarm])
        let again = "{\(peer),\"completed\":[\(swarm.json.text)]}"
        #expect(try JoinRequest(parsing: again.utf8, completedMax: 1).completed == [swarm])
        #expect(try JoinRequest(parsing: "{\(peer)}".utf8, completedMax: 1).completed == [])
    }

    @Test("refuses what names no peer, no swarm, or too many swarms")
    func refuses() {
        let swarm = "{\"info_hash\":\"\(hash)\",\"digest\":\"sha256:\(hex)\"}"
        for text in [
            "{}", "[]", "{\(peer)", "{\(peer),\"completed\":[{}]}",
            "{\(peer),\"completed\":[{\"info_hash\":\"00\",\"digest\":\"sha256:\(hex)\"}]}",
            "{\(peer),\"completed\":[{\"info_hash\":\"\(hash)\",\"digest\":\"\(hex)\"}]}",
            "{\(peer),\"completed\":[\(swarm),\(swarm)]}",
        ] {
            #expect(throws: ContentError.self) {
                try JoinRequest(parsing: text.utf8, completedMax: 1)
            }
        }
    }

    @Test("is answered with the meta info as it is, and the handout")
    func answer() throws {
        let handout = AnnounceResponse(peers: [], interval: .seconds(3))
        let text = String(decoding: handout.json(with: Array("{\"Info\":1}".utf8)), as: UTF8.self)
        #expect(text == "{\"metainfo\":{\"Info\":1},\"peers\":[],\"interval\":3000000000}\n")
    }
}
