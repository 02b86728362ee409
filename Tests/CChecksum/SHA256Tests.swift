// SPDX-License-Identifier: Apache-2.0

import CChecksum
import Primitives
import TestSupport
import Testing

import struct Crypto.SHA256

@Suite("SHA-256") struct SHA256Tests {
    /// The digest of `bytes` by one of the two ways.
    private func digest(_ bytes: [UInt8], isPortable: Bool) -> [UInt8] {
        var state = herd_sha256_begin()
        let blocks = bytes.count / 64
        if isPortable {
            herd_sha256_update_portable(&state, bytes, blocks)
        } else {
            herd_sha256_update(&state, bytes, blocks)
        }
        let tail = Array(bytes[(64 * blocks)...])
        var digest = [UInt8](repeating: 0, count: 32)
        herd_sha256_finish(&state, tail, tail.count, UInt64(bytes.count), &digest)
        return digest
    }

    @Test("both ways agree with the library at every short length", arguments: [true, false])
    func shortLengths(isPortable: Bool) {
        var generator = Generator(seed: 5)
        for count in 0...200 {
            let bytes = generator.bytes(count)
            #expect(digest(bytes, isPortable: isPortable) == Array(SHA256.hash(data: bytes)))
        }
    }

    @Test("a state survives being stored and loaded")
    func storedState() {
        var generator = Generator(seed: 6)
        let bytes = generator.bytes(32)
        var stored = [UInt8](repeating: 0, count: 32)
        withUnsafePointer(to: herd_sha256_load(bytes)) { herd_sha256_store($0, &stored) }
        #expect(stored == bytes)
    }
}
