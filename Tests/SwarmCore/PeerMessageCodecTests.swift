// SPDX-License-Identifier: Apache-2.0

import Content
import Foundation
import Primitives
import SwarmCore
import TestSupport
import Testing

@Suite("Peer message codec") struct PeerMessageCodecTests {
    private static let messages: [String: PeerMessage] = [
        "pieceRequest-0-4MiB": .pieceRequest(PieceSpan(index: 0, length: 4 << 20)),
        "pieceRequest-7-4MiB": .pieceRequest(PieceSpan(index: 7, length: 4 << 20)),
        "piecePayload-7-4MiB": .piecePayload(PieceSpan(index: 7, length: 4 << 20)),
        "announcePiece-0": .announcePiece(0),
        "announcePiece-300": .announcePiece(300),
        "error-3": .error(index: 3, code: 0, text: "piece not complete"),
        "complete": .complete,
    ]

    /// The recorded frames by name.
    private static func frames() throws -> [String: [UInt8]] {
        let file = URL(filePath: #filePath).appending(path: "../../../fixtures/wire/frames.txt")
        var frames: [String: [UInt8]] = [:]
        for line in try String(contentsOf: file.standardized, encoding: .utf8).split(
            separator: "\n"
        ) {
            let words = line.split(separator: " ")
            guard let name = words.first, name != "#" else { continue }
            let hex = words.dropFirst().joined()
            frames[String(name)] = try Unwrap.value(Hex.decode(hex))
        }
        return frames
    }

    private func decode(_ body: [UInt8]) throws -> PeerMessage {
        try body.withUnsafeBytes { try PeerMessageCodec.decode($0) }
    }

    private func encode(_ message: PeerMessage) -> [UInt8] {
        var frame: [UInt8] = []
        PeerMessageCodec.encode(message, into: &frame)
        return frame
    }

    @Test("writes and reads Kraken's frames, byte for byte")
    func golden() throws {
        let frames = try Self.frames()
        #expect(Set(frames.keys) == Set(Self.messages.keys))
        for (name, frame) in frames {
            let message = try #require(Self.messages[name])
            #expect(encode(message) == frame, "\(name)")
            #expect(try decode(Array(frame.dropFirst(4))) == message, "\(name)")
        }
    }

    @Test("writes a handshake as Kraken does: type left out, keys of neighbours with empty bitsets")
    func handshake() throws {
        let peer = try #require(PeerID(hex: String(repeating: "1a", count: 20)))
        let other = try #require(PeerID(hex: String(repeating: "2b", count: 20)))
        let infoHash = try #require(InfoHash(hex: String(repeating: "3c", count: 20)))
        let digest = try #require(Digest(hex: String(repeating: "4d", count: 32)))
        let bitfield = try #require(Hex.decode("00000000000000010000000000000001"))
        let message = PeerMessage.bitfield(
            PeerHandshake(
                peerID: peer,
                infoHash: infoHash,
                digest: digest,
                namespace: "library/busybox",
                bitfieldBytes: bitfield,
                neighbours: [other]
            )
        )
        let frame = encode(message)
        func text(_ string: String) -> String { Hex.encode(Array(string.utf8)) }
        let body =
            "1228" + text(infoHash.hex) + "1a40" + text(digest.hex) + "2228" + text(peer.hex)
            + "2a10"
            + Hex.encode(bitfield) + "320f" + text("library/busybox") + "3a340a28" + text(other.hex)
            + "12080000000000000000"
        // The sub-message is longer than 127 bytes, so its length takes two.
        let length = body.count / 2
        let prefix = "1a" + Hex.encode([UInt8(length & 0x7f | 0x80), UInt8(length >> 7)])
        #expect(Hex.encode(frame.dropFirst(4)) == prefix + body)
        #expect(try decode(Array(frame.dropFirst(4))) == message)
    }

    @Test("p2p §10.2-4: a message without its body is an error, not a crash", arguments: 0...5)
    func missingBody(_ type: UInt8) throws {
        #expect(throws: PeerProtocolError.self) { try decode(type == 0 ? [] : [0x10, type]) }
    }

    @Test("skips fields and types it does not know")
    func unknown() throws {
        #expect(try decode([0x0a, 0x01, 0x41, 0x10, 0x06]) == .complete)
        #expect(try decode([0x10, 0x07]) == .unknown(type: 7))
        #expect(
            try decode([0x10, 0x03, 0x32, 0x05, 0x10, 0x05, 0x7a, 0x01, 0x00]) == .announcePiece(5)
        )
    }

    @Test("any bytes are read or refused, never trapped on", arguments: Seeds.fresh(20))
    func fuzz(_ seed: UInt64) throws {
        var generator = Generator(seed: seed)
        for _ in 0..<500 {
            var bytes = generator.bytes(generator.below(200))
            if generator.chance(Ratio(1, in: 2)), let frame = try Self.frames()["error-3"] {
                bytes = Array(frame.dropFirst(4))
                bytes[generator.below(bytes.count)] = UInt8(generator.below(256))
            }
            // Either is fine; what matters is that it returns.
            _ = try? decode(bytes)
        }
    }

    @Test("negative numbers keep their value")
    func negative() throws {
        let message = PeerMessage.pieceRequest(PieceSpan(index: -1, offset: -5, length: .min))
        #expect(try decode(Array(encode(message).dropFirst(4))) == message)
    }
}
