// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import SwarmCore
import TestSupport
import Testing

/// Frames that are nearly right, as a hostile peer would build them: random bytes alone never get past the first field.
@Suite("Mutated peer messages") struct PeerMessageFuzzTests {
    private static let bodyBytesMax = Limits().frameBytesMax

    /// The seeds of a test are a step of the generator apart; what they make shall not be.
    private func generator(_ seed: UInt64) -> Generator {
        var first = Generator(seed: seed)
        return Generator(seed: first.next())
    }

    /// A message of any kind with values of any size.
    private func message(_ generator: inout Generator) -> PeerMessage {
        let numbers: [Int32] = [0, 1, -1, 7, 127, 128, 65_536, .min, .max]
        func span(_ generator: inout Generator) -> PieceSpan {
            PieceSpan(
                index: generator.pick(numbers),
                offset: generator.pick(numbers),
                length: generator.pick(numbers)
            )
        }
        switch generator.below(8) {
        case 0: return .pieceRequest(span(&generator))
        case 1: return .piecePayload(span(&generator))
        case 2: return .announcePiece(generator.pick(numbers))
        case 3: return .cancelPiece(generator.pick(numbers))
        case 4: return .error(index: generator.pick(numbers), code: 0, text: "no")
        case 5: return .complete
        default:
            var neighbours: [PeerID] = []
            for _ in 0..<generator.below(6) { neighbours.append(PeerID(randomFrom: &generator)) }
            return .bitfield(
                PeerHandshake(
                    peerID: PeerID(randomFrom: &generator),
                    infoHash: InfoHash(hashing: generator.bytes(4)),
                    digest: .random(&generator),
                    namespace: "library/busybox",
                    bitfieldBytes: Bitfield(pieceCount: 1 + generator.below(300)).wireBytes,
                    neighbours: neighbours
                )
            )
        }
    }

    private func body(_ message: PeerMessage) -> [UInt8] {
        var frame: [UInt8] = []
        PeerMessageCodec.encode(message, into: &frame)
        return Array(frame.dropFirst(PeerMessageCodec.prefixBytes))
    }

    private func decode(_ bytes: [UInt8]) -> PeerMessage? {
        bytes.withUnsafeBytes { try? PeerMessageCodec.decode($0) }
    }

    /// A few changes, each of a kind that parsers trip over.
    private func mutate(_ bytes: inout [UInt8], _ generator: inout Generator) {
        for _ in 0...generator.below(2) {
            guard !bytes.isEmpty else { return bytes = generator.bytes(5) }
            let place = generator.below(bytes.count)
            switch generator.below(7) {
            case 0: bytes[place] ^= 1 << UInt8(generator.below(8))
            case 1: bytes[place] = generator.pick([0, 1, 0x7f, 0x80, 0xff])
            case 2: bytes.remove(at: place)
            case 3: bytes.insert(UInt8(generator.below(256)), at: place)
            case 4: bytes.removeLast(generator.below(bytes.count))
            // A number that is longer than it looks, or never ends.
            case 5:
                bytes.replaceSubrange(
                    place...place,
                    with: [UInt8](repeating: 0xff, count: 1 + generator.below(11))
                )
            // The rest once more, as repeated fields.
            default: bytes += bytes[place...]
            }
        }
    }

    @Test(
        "are read as something that is written and read again as the same, or refused",
        arguments: Seeds.fresh(30)
    )
    func codec(_ seed: UInt64) {
        var generator = self.generator(seed)
        var readCount = 0
        for _ in 0..<400 {
            let original = message(&generator)
            #expect(decode(body(original)) == original)
            var bytes = body(original)
            mutate(&bytes, &generator)
            guard let read = decode(bytes) else { continue }
            readCount += 1
            #expect(decode(body(read)) == read, "seed \(seed): \(bytes)")
        }
        // If nearly all were refused, the mutations would not get anywhere.
        #expect(readCount > 20)
    }

    @Test(
        "leave a scheduler's books in order, whether a stranger or a peer sends them",
        arguments: Seeds.fresh(20)
    )
    func scheduler(_ seed: UInt64) throws {
        var generator = self.generator(seed)
        var host = try LoneScheduler(pieces: 1 + generator.below(80))
        host.open(holding: [0])
        var connections: [ConnectionID] = []
        for _ in 0..<300 {
            var bytes: [UInt8]
            if generator.chance(Ratio(1, in: 3)) {
                bytes = body(.bitfield(host.handshake(of: 1 + generator.below(20))))
            } else {
                bytes = body(message(&generator))
            }
            if generator.chance(Ratio(3, in: 4)) { mutate(&bytes, &generator) }
            guard let read = decode(bytes) else { continue }
            if case .bitfield(let handshake) = read {
                // What it means besides is for the scheduler to find out.
                connections.append(host.knock(handshake).connection)
            } else if !connections.isEmpty {
                host.receive(read, from: generator.pick(connections))
            }
            host.wait(.milliseconds(generator.below(500)))
        }
        #expect(host.scheduler.connectionCount <= LoneScheduler.policy.connectionsMax)
    }

    @Test("a bitfield on the wire is one of the right length, or none", arguments: Seeds.fresh(20))
    func bitfields(_ seed: UInt64) {
        var generator = self.generator(seed)
        for _ in 0..<300 {
            let count = 1 + generator.below(500)
            var bytes = Bitfield.full(pieceCount: count).wireBytes
            mutate(&bytes, &generator)
            guard let read = try? Bitfield(wireBytes: bytes, expectedPieceCount: count) else {
                continue
            }
            #expect(read.pieceCount == count && read.heldCount <= count)
            #expect(read.indices.count == read.heldCount)
            #expect(read.indices.allSatisfy { (0..<count).contains($0.value) })
        }
    }
}
