// SPDX-License-Identifier: Apache-2.0

/// A pattern for names, in which `*` stands for any letters and `?` for any one.
package struct WildcardPattern: Hashable, Sendable {
    private let bytes: [UInt8]

    /// The pattern in `text`.
    package init(_ text: some StringProtocol) { bytes = Array(text.utf8) }

    /// Whether all of `text` is what the pattern says.
    ///
    /// - Complexity: O(text × pattern), for it goes back to the latest star only.
    package func matches(_ text: some StringProtocol) -> Bool {
        let text = Array(text.utf8)
        var (place, position) = (0, 0)
        var star: (place: Int, position: Int)?
        while place < text.count {
            if position < bytes.count, bytes[position] == UInt8(ascii: "*") {
                star = (place, position)
                position += 1
            } else if position < bytes.count,
                bytes[position] == text[place] || bytes[position] == UInt8(ascii: "?")
            {
                (place, position) = (place + 1, position + 1)
            } else if let back = star {
                star = (back.place + 1, back.position)
                (place, position) = (back.place + 1, back.position + 1)
            } else {
                return false
            }
        }
        return bytes[position...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
