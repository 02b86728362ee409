// SPDX-License-Identifier: Apache-2.0

import Files
import Primitives
import TestSupport
import Testing

import struct Crypto.SHA256

@Suite("Running hashes") struct RunningHashTests {
    /// `bytes` in parts of random lengths, empty ones among them.
    private static func parts(
        of bytes: [UInt8],
        _ generator: inout Generator
    ) -> [ArraySlice<UInt8>] {
        var (parts, rest) = ([ArraySlice<UInt8>](), bytes[...])
        while !rest.isEmpty {
            parts.append(rest.prefix(generator.below(300)))
            rest = rest.dropFirst(parts.last?.count ?? 0)
        }
        return parts
    }

    @Test("agrees with the library, in whatever parts the bytes come", arguments: Seeds.fresh(50))
    func parts(seed: UInt64) {
        var generator = Generator(seed: seed)
        let bytes = generator.bytes(generator.below(2000))
        var hash = RunningHash()
        for part in Self.parts(of: bytes, &generator) {
            part.withUnsafeBytes { hash.update($0) }
        }
        #expect(hash.bytes == bytes.count)
        #expect(hash.digest == Array(SHA256.hash(data: bytes)))
        #expect(hash.digest == Array(SHA256.hash(data: bytes)), "asking changes nothing")
    }

    @Test("two at once agree with each by itself", arguments: Seeds.fresh(50))
    func pairs(seed: UInt64) {
        var generator = Generator(seed: seed)
        let messages = [generator.below(2000), generator.below(2000)].map { generator.bytes($0) }
        var (first, second) = (RunningHash(), RunningHash())
        var parts = messages.map { Self.parts(of: $0, &generator) }
        while !(parts[0].isEmpty && parts[1].isEmpty) {
            let one = parts[0].isEmpty ? [] : parts[0].removeFirst()
            let other = parts[1].isEmpty ? [] : parts[1].removeFirst()
            one.withUnsafeBytes { left in
                other.withUnsafeBytes { right in
                    RunningHash.update(&first, left, &second, right)
                }
            }
        }
        #expect(first.digest == Array(SHA256.hash(data: messages[0])))
        #expect(second.digest == Array(SHA256.hash(data: messages[1])))
    }

    @Test("is taken up from the state at any block", arguments: Seeds.fresh(20))
    func takenUp(seed: UInt64) throws {
        var generator = Generator(seed: seed)
        let bytes = generator.bytes(64 + generator.below(2000))
        let start = 64 * (1 + generator.below(bytes.count / 64))
        var before = RunningHash()
        bytes[..<start].withUnsafeBytes { before.update($0) }
        var after = try #require(RunningHash(after: start, state: before.state))
        bytes[start...].withUnsafeBytes { after.update($0) }
        #expect(after.digest == Array(SHA256.hash(data: bytes)))
    }

    @Test("is not taken up between blocks, nor from what is no state")
    func notTakenUp() {
        let state = RunningHash().state
        #expect(RunningHash(after: 64, state: state) != nil)
        #expect(RunningHash(after: 63, state: state) == nil)
        #expect(RunningHash(after: -64, state: state) == nil)
        #expect(RunningHash(after: 64, state: state.dropLast()) == nil)
    }

    @Test("begins in the state that FIPS 180-4 says, section 5.3.3")
    func initialState() {
        let words: [UInt32] = [
            0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c,
            0x1f83_d9ab, 0x5be0_cd19,
        ]
        let bytes = words.flatMap { word in
            stride(from: 24, through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> $0) }
        }
        #expect(RunningHash().state == bytes)
    }
}
