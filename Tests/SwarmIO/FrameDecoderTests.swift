// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import SwarmCore
import TestSupport
import Testing

@testable import SwarmIO

@Suite("Frame decoder") struct FrameDecoderTests {
    /// Every kind of message, and two payloads.
    private static let messages: [PeerMessage] = [
        .bitfield(handshake), .pieceRequest(PieceSpan(index: 7, length: 4 << 20)),
        .piecePayload(PieceSpan(index: 0, length: 5)), .announcePiece(0), .announcePiece(300),
        .cancelPiece(1), .error(index: 3, code: 0, text: "piece not complete"),
        .piecePayload(PieceSpan(index: 9, length: 1)), .complete,
    ]

    private static let handshake: PeerHandshake = {
        var generator = Generator(seed: 1)
        return PeerHandshake(
            peerID: PeerID(randomFrom: &generator),
            infoHash: InfoHash(hashing: [1, 2, 3]),
            digest: .random(&generator),
            namespace: "library/busybox",
            bitfieldBytes: Bitfield.full(pieceCount: 10).wireBytes,
            neighbours: [PeerID(randomFrom: &generator)]
        )
    }()

    private static func payload(_ span: PieceSpan) -> [UInt8] {
        (0..<Int(span.length)).map { UInt8(truncatingIfNeeded: Int(span.index) * 16 + $0) }
    }

    private static let stream: [UInt8] = {
        var bytes: [UInt8] = []
        for message in messages {
            PeerMessageCodec.encode(message, into: &bytes)
            if case .piecePayload(let span) = message { bytes += payload(span) }
        }
        return bytes
    }()

    /// What a decoder makes of `reads`, with payloads put together.
    private func decode(
        _ reads: [ArraySlice<UInt8>]
    ) throws -> (
        messages: [PeerMessage], payloads: [[UInt8]]
    ) {
        var decoder = FrameDecoder(frameBytesMax: 32 << 10)
        var messages: [PeerMessage] = []
        var payloads: [[UInt8]] = []
        for read in reads {
            try read.withUnsafeBytes { bytes in
                var rest = bytes
                while let item = try decoder.next(&rest) {
                    switch item {
                    case .message(let message):
                        messages.append(message)
                        guard case .piecePayload(let span) = message else { break }
                        payloads.append([])
                        decoder.expectPayload(Int(span.length))
                    case .payload(let bytes): payloads[payloads.count - 1] += bytes
                    }
                }
                #expect(rest.isEmpty)
            }
        }
        return (messages, payloads)
    }

    private func check(_ reads: [ArraySlice<UInt8>]) throws {
        let (messages, payloads) = try decode(reads)
        #expect(messages == Self.messages)
        #expect(payloads == [[0, 1, 2, 3, 4], [144]])
    }

    @Test("reads the same messages from one read as from one byte at a time")
    func wholeAndBytewise() throws {
        try check([Self.stream[...]])
        try check(Self.stream.indices.map { Self.stream[$0...$0] })
    }

    @Test("reads the same messages wherever the stream is split in two")
    func everySplit() throws {
        for split in Self.stream.indices {
            try check([Self.stream[..<split], Self.stream[split...]])
        }
    }

    @Test("reads the same messages in reads of any size", arguments: 2...64)
    func everyStride(size: Int) throws {
        try check(
            stride(from: 0, to: Self.stream.count, by: size).map {
                Self.stream[$0..<min($0 + size, Self.stream.count)]
            }
        )
    }

    @Test("takes a frame of the greatest length and refuses a longer one before it arrives")
    func frameLimit() throws {
        let text = String(repeating: "a", count: (32 << 10) - 14)
        var longest: [UInt8] = []
        PeerMessageCodec.encode(.error(index: 3, code: 0, text: text), into: &longest)
        #expect(longest.count <= 4 + (32 << 10))
        #expect(try decode([longest[...]]).messages.count == 1)
        #expect(throws: PeerProtocolError.self) { try decode([[0, 0, 0x80, 1]]) }
        #expect(throws: PeerProtocolError.self) { try decode([[0xff], [0xff, 0xff, 0xff]]) }
    }

    @Test("refuses an empty message: a handshake without a body")
    func emptyFrame() {
        #expect(throws: PeerProtocolError.self) { try decode([[0, 0, 0, 0]]) }
    }

    @Test("survives any bytes", arguments: Seeds.fresh(50))
    func noise(seed: UInt64) {
        var generator = Generator(seed: seed)
        for _ in 0..<100 {
            var bytes = generator.bytes(generator.below(200))
            // A plausible length makes the noise reach the message parser.
            if bytes.count > 4 {
                bytes.replaceSubrange(0..<4, with: [0, 0, 0, UInt8(generator.below(100))])
            }
            // Throwing is fine, trapping is not.
            _ = try? decode([bytes[...]])
        }
    }

    @Test(
        "mutated streams, cut anywhere, give messages or an error, and never a payload too long",
        arguments: Seeds.fresh(20)
    )
    func mutated(_ seed: UInt64) {
        var first = Generator(seed: seed)
        var generator = Generator(seed: first.next())
        for _ in 0..<100 {
            var bytes = Self.stream
            for _ in 0...generator.below(3) {
                bytes[generator.below(bytes.count)] = UInt8(generator.below(256))
            }
            var decoder = FrameDecoder(frameBytesMax: 32 << 10)
            var rest = bytes[...]
            var payloadBytes = 0
            reading: while !rest.isEmpty {
                let read = rest.prefix(1 + generator.below(200))
                rest = rest.dropFirst(read.count)
                let isOver = read.withUnsafeBytes { whole in
                    var input = whole
                    do {
                        while let item = try decoder.next(&input) {
                            switch item {
                            case .message(.piecePayload): decoder.expectPayload(9)
                            case .message: break
                            case .payload(let part): payloadBytes += part.count
                            }
                        }
                        return false
                    } catch {
                        return true
                    }
                }
                if isOver { break reading }
            }
            #expect(payloadBytes <= bytes.count)
        }
    }
}
