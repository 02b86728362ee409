// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The seed that whoever runs the tests asked for with `HERD_SEED`, decimal or hexadecimal (`0x…`).
let environmentSeed: UInt64? = ProcessInfo.processInfo.environment["HERD_SEED"].flatMap { text in
    text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
}
