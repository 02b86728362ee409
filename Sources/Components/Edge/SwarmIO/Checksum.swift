// SPDX-License-Identifier: Apache-2.0

import CChecksum

/// The CRC-32 of the bytes that `sum` covers followed by `bytes`; `sum` is 0 to begin.
func crc32(_ bytes: UnsafeRawBufferPointer, after sum: UInt32) -> UInt32 {
    herd_crc32(sum, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count)
}
