// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import TestSupport
import Testing
import TrackerCore

@Suite("Announce") struct AnnounceTests {
    private let hex = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
    private let ids = "[\((1...20).map(String.init).joined(separator: ","))]"

    private func body(
        name: String = "\"name\":\"X\",",
        digest: String,
        peer: String,
        infoHash: String? = nil
    ) -> String {
        "{\(name.replacing("X", with: hex))\"digest\":\(digest),\"info_hash\":\(infoHash ?? ids),\(peer)}"
    }

    private var peer: String {
        "\"peer\":{\"peer_id\":\(ids),\"ip\":\"10.0.0.1\",\"port\":16001,"
            + "\"origin\":false,\"complete\":true}"
    }

    @Test("reads what Kraken's agents send")
    func readsKraken() throws {
        let text = body(digest: "\"sha256:\(hex)\"", peer: peer)
        let request = try AnnounceRequest(parsing: text.utf8)
        let identifier = Array(1...20).map { UInt8($0) }
        #expect(request.infoHash?.bytes == identifier)
        #expect(request.digest.hex == hex)
        #expect(request.peer.peerID.bytes == identifier)
        #expect(request.peer.ip == "10.0.0.1")
        #expect(request.peer.port == 16001)
        #expect(!request.peer.isOrigin)
        #expect(request.peer.isComplete)
        #expect(!request.isLeaving)
    }

    @Test("writes what Kraken's agents send, byte for byte")
    func writesKraken() throws {
        let text = body(digest: "\"sha256:\(hex)\"", peer: peer)
        let request = try AnnounceRequest(parsing: text.utf8)
        #expect(String(decoding: request.json, as: UTF8.self) == text)
    }

    @Test("takes the name when the digest is null or absent")
    func fallsBackToName() throws {
        let null = try AnnounceRequest(parsing: body(digest: "null", peer: peer).utf8)
        #expect(null.digest.hex == hex)
        let absent = "{\"name\":\"\(hex)\",\(peer)}"
        let request = try AnnounceRequest(parsing: absent.utf8)
        #expect(request.digest.hex == hex)
        #expect(request.infoHash == nil)
    }

    @Test("looks keys up in any case and order, and skips unknown ones")
    func lenient() throws {
        let text = """
            {"Extra":{"a":[1,2.5e3,{"b":null}],"c":"\\u00e9\\"}"},
              "PEER" : {"complete":null,"Port":16001,"zone":"z","IP":"fe80::1%eth0","peer_id":\(ids)},
              "Leaving": true, "digest":"sha256:\(hex)" }
            """
        let request = try AnnounceRequest(parsing: text.utf8)
        #expect(request.peer.ip == "fe80::1%eth0")
        #expect(request.isLeaving)
        #expect(!request.peer.isComplete)
    }

    @Test("fills and cuts identifiers as Go does")
    func identifiers() throws {
        let short = body(digest: "null", peer: peer, infoHash: "[255,1]")
        let expected = [255, 1] + Array(repeating: UInt8(0), count: 18)
        #expect(try AnnounceRequest(parsing: short.utf8).infoHash?.bytes == expected)
        let long = body(
            digest: "null",
            peer: peer,
            infoHash: "[\(Array(repeating: "7", count: 25).joined(separator: ","))]"
        )
        #expect(
            try AnnounceRequest(parsing: long.utf8).infoHash?.bytes
                == Array(repeating: 7, count: 20)
        )
    }

    @Test(
        "refuses what is no announce, and says why",
        arguments: [
            ("", "expected {"), ("[]", "expected {"), ("{}", "no peer"),
            ("{\"peer\":null}", "no peer"), ("{\"peer\":{}}", "peer_id"),
            ("{\"info_hash\":\"0102\"}", "expected ["), ("{\"info_hash\":[256]}", "not a byte"),
            ("{\"info_hash\":[-1]}", "not a byte"),
            ("{\"info_hash\":[1.5]}", "expected an integer"),
            ("{\"name\":5}", "expected a string"), ("{\"a\":tru}", "unknown word"),
            ("{\"a\":1}x", "after the document"), ("{\"a\":1", "expected , or }"),
            ("{\"a\":\"\u{1}\"}", "control character"), ("{\"a", "does not end"),
            ("{\"a\\", "does not end"), ("{\"a\":\"\\", "does not end"),
        ]
    )
    func refuses(text: String, why: String) throws {
        let error = #expect(throws: ContentError.self) { try AnnounceRequest(parsing: text.utf8) }
        #expect(try #require(error).description.contains(why))
    }

    @Test(
        "refuses peers that nobody could dial",
        arguments: [
            "\"ip\":\"\",\"port\":1", "\"ip\":\"a b\",\"port\":1", "\"ip\":\"a\\n\",\"port\":1",
            "\"ip\":\"10.0.0.1\",\"port\":0", "\"ip\":\"10.0.0.1\",\"port\":65536",
            "\"ip\":\"10.0.0.1\",\"port\":-1", "\"ip\":\"10.0.0.1\"", "\"port\":1",
            "\"ip\":\"10.0.0.1\",\"port\":99999999999999999999",
        ]
    )
    func refusesPeers(address: String) {
        let text = body(digest: "null", peer: "\"peer\":{\"peer_id\":\(ids),\(address)}")
        #expect(throws: ContentError.self) { try AnnounceRequest(parsing: text.utf8) }
    }

    @Test("refuses nesting without end")
    func nesting() {
        let text = "{\"a\":" + String(repeating: "[", count: 100_000)
        #expect(throws: ContentError.self) { try AnnounceRequest(parsing: text.utf8) }
    }

    @Test("writes answers as Kraken's trackers do")
    func writesAnswers() throws {
        let complete = AnnounceResponse(peers: nil, interval: .seconds(3))
        #expect(
            String(decoding: complete.json, as: UTF8.self)
                == "{\"peers\":null,\"interval\":3000000000}\n"
        )
        let peerID = try #require(PeerID(hex: "0001ff" + String(repeating: "0a", count: 17)))
        let handout = AnnounceResponse(
            peers: [
                PeerInfo(peerID: peerID, ip: "10.0.0.1", port: 16001, isComplete: true),
                PeerInfo(peerID: peerID, ip: "o\"1", port: 15001, isOrigin: true),
            ],
            interval: .milliseconds(1)
        )
        let tens = Array(repeating: "10", count: 17).joined(separator: ",")
        #expect(
            String(decoding: handout.json, as: UTF8.self)
                == "{\"peers\":[{\"peer_id\":[0,1,255,\(tens)],\"ip\":\"10.0.0.1\",\"port\":16001,"
                + "\"origin\":false,\"complete\":true},{\"peer_id\":[0,1,255,\(tens)],"
                + "\"ip\":\"o\\\"1\",\"port\":15001,\"origin\":true,\"complete\":false}],"
                + "\"interval\":1000000}\n"
        )
        #expect(try AnnounceResponse(parsing: handout.json) == handout)
        #expect(try AnnounceResponse(parsing: complete.json) == complete)
    }

    @Test("reads back what it writes, and as the general reader has it", arguments: Seeds.fresh(8))
    func roundTrip(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        for _ in 0..<200 {
            let request = AnnounceRequest.random(&generator)
            let json = request.json
            #expect(try AnnounceRequest(parsing: json) == request)
            let document = try JSON(parsing: json)
            #expect(try PeerInfo(json: document["peer"] ?? .null) == request.peer)
            #expect(try InfoHash(json: document["info_hash"] ?? .null) == request.infoHash)
        }
    }

    @Test("never traps on damaged bodies", arguments: Seeds.fresh(8))
    func fuzz(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        for _ in 0..<500 {
            var json = AnnounceRequest.random(&generator).json
            for _ in 0...generator.below(4) {
                let position = generator.below(json.count)
                switch generator.below(3) {
                case 0: json[position] = UInt8(generator.below(256))
                case 1: json.removeSubrange(position...)
                default: json.insert(generator.pick(Array("{}[]\",:\\0-".utf8)), at: position)
                }
                if json.isEmpty { break }
            }
            // Damage may leave an announce: only what is read must be written and read the same.
            if let request = try? AnnounceRequest(parsing: json) {
                #expect(try AnnounceRequest(parsing: request.json) == request)
            }
        }
    }
}

extension AnnounceRequest {
    static func random(_ generator: inout Generator) -> AnnounceRequest {
        AnnounceRequest(
            infoHash: InfoHash(hashing: generator.bytes(8)),
            digest: .random(&generator),
            peer: PeerInfo(
                peerID: PeerID(randomFrom: &generator),
                ip: "10.\(generator.below(256)).\(generator.below(256)).\(generator.below(256))",
                port: 1 + generator.below(65_535),
                isOrigin: generator.chance(Ratio(1, in: 2)),
                isComplete: generator.chance(Ratio(1, in: 2))
            ),
            isLeaving: generator.chance(Ratio(1, in: 2))
        )
    }
}
