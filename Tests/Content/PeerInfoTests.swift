// SPDX-License-Identifier: Apache-2.0

import Content
import Testing

@Suite("Peer info") struct PeerInfoTests {
    private let ids = (1...20).map(String.init).joined(separator: ",")

    @Test("has Kraken's JSON, both ways")
    func peerInfo() throws {
        let peerID = try #require(PeerID(bytes: (1...20).map { UInt8($0) }))
        let peer = PeerInfo(peerID: peerID, ip: "10.0.0.1", port: 16001, isComplete: true)
        #expect(
            peer.json.text
                == "{\"peer_id\":[\(ids)],\"ip\":\"10.0.0.1\",\"port\":16001,\"origin\":false,"
                + "\"complete\":true}"
        )
        #expect(try PeerInfo(json: peer.json) == peer)
    }

    @Test("has Kraken's peer context, both ways")
    func peerContext() throws {
        let peerID = try #require(PeerID(bytes: (1...20).map { UInt8($0) }))
        let context = PeerContext(ip: "10.0.0.1", port: 15001, peerID: peerID, isOrigin: true)
        #expect(
            context.json.text
                == "{\"ip\":\"10.0.0.1\",\"port\":15001,\"peer_id\":[\(ids)],\"zone\":\"\","
                + "\"cluster\":\"\",\"origin\":true}"
        )
        #expect(try PeerContext(json: context.json) == context)
    }

    @Test(
        "refuses peers without an address",
        arguments: [
            "{}", "{\"ip\":\"\",\"port\":1}", "{\"ip\":\"a\"}", "{\"ip\":\"a\",\"port\":0}",
            "{\"ip\":\"a\",\"port\":65536}", "{\"ip\":\"a\",\"port\":\"1\"}", "null", "[]",
            "{\"ip\":\"a\",\"port\":1,\"peer_id\":\"00\"}",
        ]
    )
    func refuses(text: String) throws {
        let json = try JSON(parsing: text)
        #expect(throws: ContentError.self) { try PeerInfo(json: json) }
    }
}
