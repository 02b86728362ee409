// SPDX-License-Identifier: Apache-2.0

package import Content
package import Primitives

/// Seeds for property tests. A test takes its seed as an argument, so that a failure prints it.
package enum Seeds {
    /// The same `count` seeds at each run, or the one in `HERD_SEED` to replay a failure.
    package static func fresh(_ count: Int) -> [UInt64] {
        if let chosen = environmentSeed { return [chosen] }
        return (0..<count).map { UInt64($0) &* 0x9e37_79b9_7f4a_7c15 &+ 1 }
    }
}

extension Generator {
    /// `count` random bytes.
    package mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }

    /// One of `elements`.
    /// - Precondition: there is one.
    package mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[below(elements.count)]
    }
}

extension Digest {
    /// A digest of random bytes, the name of no blob anyone has.
    package static func random(_ generator: inout Generator) -> Digest {
        guard let digest = Digest(bytes: generator.bytes(Digest.byteCount)) else {
            preconditionFailure("32 bytes are a digest")
        }
        return digest
    }
}
