// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Names for requests: unique within the cluster for all practical purposes, and short enough for a log line.
enum RequestIdentity {
    private static let prefix = String(UInt32.random(in: .min ... .max), radix: 16)
    private static let last = Atomic<UInt64>(0)
    /// Bytes of the longest id taken from a client.
    private static let bytesMax = 128

    /// A new id.
    static func next() -> String {
        "\(prefix)-\(String(last.wrappingAdd(1, ordering: .relaxed).newValue, radix: 16))"
    }

    /// The client's id, if it is short and free of anything that could forge a log line; else a new one.
    static func adopting(_ offered: String?) -> String {
        guard let offered, !offered.isEmpty, offered.utf8.count <= bytesMax,
            offered.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
        else { return next() }
        return offered
    }
}
