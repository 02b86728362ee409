// SPDX-License-Identifier: Apache-2.0

/// Other bytes with the same CRC-32 as `bytes`, of which there must be five at least.
///
/// A CRC is the remainder of a division by its polynomial, so that adding the polynomial itself changes nothing: what makes
/// the sum worthless against whoever means harm. `place` is where the five changed bytes begin.
package func forged(_ bytes: [UInt8], at place: Int = 0) -> [UInt8] {
    let polynomial: UInt64 = 0x1_04c1_1db7
    var forged = bytes
    // The highest power comes first, and in a byte the lowest bit.
    for bit in 0...32 where polynomial >> UInt64(32 - bit) & 1 == 1 {
        forged[place + bit / 8] ^= 1 << UInt8(bit % 8)
    }
    return forged
}
