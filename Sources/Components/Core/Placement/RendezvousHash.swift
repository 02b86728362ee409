// SPDX-License-Identifier: Apache-2.0

package import Content

// The natural logarithm is all that is taken from the C library: arithmetic, no I/O. Only the order of scores matters,
// and the libraries' logarithms agree to within one unit in the last place.
#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Kraken's weighted rendezvous hash: each label has a score for each key, and the best-scored labels own the key.
///
/// All components of a cluster, ours and Kraken's, must agree on it, or they look for a blob in different places.
/// - Source: uber/kraken lib/hrw; each member has the weight 100.
package enum RendezvousHash {
    private static let weight = 100.0
    private static let mask: UInt64 = (1 << 53) - 1

    /// The score of `label` for the key made of `keyBytes`: positive; the highest owns the key.
    package static func score(of label: String, keyBytes: [UInt8]) -> Double {
        let hash = MurmurHash3.firstHalf(of: keyBytes + label.utf8)
        var value = hash & mask
        if value == 0 {
            let bytes = (0..<8).map { UInt8(truncatingIfNeeded: hash >> UInt64(56 - $0 * 8)) }
            value = MurmurHash3.firstHalf(of: bytes) & mask
        }
        return -weight / log(Double(value) / 0x1p53)
    }

    /// `labels` from best to worst for the key made of `keyBytes`; equal scores in order of their labels.
    /// - Complexity: O(labels × log labels).
    package static func ranking(of labels: [String], keyBytes: [UInt8]) -> [String] {
        let scored = labels.map { (label: $0, score: score(of: $0, keyBytes: keyBytes)) }
        let sorted = scored.sorted { left, right in
            left.score != right.score ? left.score > right.score : left.label < right.label
        }
        return sorted.map(\.label)
    }

    /// The bytes of `digest` that placement hashes: its first two, Kraken's shard.
    package static func keyBytes(of digest: Digest) -> [UInt8] { Array(digest.bytes.prefix(2)) }
}
