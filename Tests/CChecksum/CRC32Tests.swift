// SPDX-License-Identifier: Apache-2.0

import CChecksum
import Primitives
import TestSupport
import Testing

/// One of the two ways to the same sum.
enum Implementation: CaseIterable {
    case dispatched, portable

    func sum(_ bytes: some Collection<UInt8>, seed: UInt32 = 0) -> UInt32 {
        Array(bytes).withUnsafeBufferPointer { buffer in
            switch self {
            case .dispatched: herd_crc32(seed, buffer.baseAddress, buffer.count)
            case .portable: herd_crc32_portable(seed, buffer.baseAddress, buffer.count)
            }
        }
    }
}

/// The definition, bit by bit.
func referenceSum(_ bytes: some Sequence<UInt8>, seed: UInt32 = 0) -> UInt32 {
    var state = ~seed
    for byte in bytes {
        state ^= UInt32(byte)
        for _ in 0..<8 { state = state >> 1 ^ (state & 1 == 1 ? 0xedb8_8320 : 0) }
    }
    return ~state
}

@Suite("CRC-32") struct CRC32Tests {
    @Test("gives the published sums", arguments: Implementation.allCases)
    func knownVectors(_ implementation: Implementation) {
        #expect(implementation.sum([]) == 0)
        #expect(implementation.sum("123456789".utf8) == 0xcbf4_3926)
        #expect(implementation.sum("a".utf8) == 0xe8b7_be43)
        #expect(
            implementation.sum("The quick brown fox jumps over the lazy dog".utf8) == 0x414f_a339
        )
        #expect(implementation.sum([UInt8](repeating: 0, count: 32)) == 0x190a_55ad)
        #expect(implementation.sum([UInt8](repeating: 0xff, count: 32)) == 0xff6c_ab0b)
    }

    @Test("no bytes leave the seed as it is", arguments: Implementation.allCases)
    func emptyInput(_ implementation: Implementation) {
        #expect(implementation.sum([], seed: 0xdead_beef) == 0xdead_beef)
    }

    @Test("agrees with the definition at every short length", arguments: Implementation.allCases)
    func shortLengths(_ implementation: Implementation) {
        var generator = Generator(seed: 7)
        let bytes = generator.bytes(300)
        for count in 0...300 {
            #expect(implementation.sum(bytes.prefix(count)) == referenceSum(bytes.prefix(count)))
        }
    }

    @Test("the sums of two parts make the sum of the whole", arguments: Seeds.fresh(50))
    func combined(seed: UInt64) {
        var generator = Generator(seed: seed)
        let (first, second) = (
            generator.bytes(generator.below(5000)), generator.bytes(generator.below(5000))
        )
        let sum = herd_crc32_combine(
            Implementation.dispatched.sum(first),
            Implementation.dispatched.sum(second),
            UInt64(second.count)
        )
        #expect(sum == Implementation.dispatched.sum(first + second))
    }

    @Test(
        "agrees with the definition at random offsets, lengths and seeds",
        arguments: Seeds.fresh(8)
    )
    func randomInputs(seed: UInt64) {
        var generator = Generator(seed: seed)
        let bytes = generator.bytes(8192)
        for _ in 0..<40 {
            let start = generator.below(4096)
            let slice = bytes[start..<start + generator.below(4096)]
            let chained = UInt32(truncatingIfNeeded: generator.next())
            let expected = referenceSum(slice, seed: chained)
            slice.withUnsafeBufferPointer { buffer in
                #expect(herd_crc32(chained, buffer.baseAddress, buffer.count) == expected)
                #expect(herd_crc32_portable(chained, buffer.baseAddress, buffer.count) == expected)
            }
        }
    }

    @Test("chained parts give the sum of the whole", arguments: Seeds.fresh(8))
    func chaining(seed: UInt64) {
        var generator = Generator(seed: seed)
        let bytes = generator.bytes(10_000)
        let whole = referenceSum(bytes)
        for implementation in Implementation.allCases {
            var (sum, position): (UInt32, Int) = (0, 0)
            while position < bytes.count {
                let end = min(bytes.count, position + generator.below(700))
                sum = implementation.sum(bytes[position..<end], seed: sum)
                position = end
            }
            #expect(sum == whole)
        }
    }
}
