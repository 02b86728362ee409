// SPDX-License-Identifier: Apache-2.0

package import Telemetry

/// The names by which the screens call components: agents `a05`, origins `o1`, others by their kind, with their number only
/// where there are several.
package enum ShortNames {
    /// The short name of the component `id` of `kind`, one of `count`.
    package static func name(_ id: String, _ kind: ComponentKind, count: Int) -> String {
        guard let dash = id.lastIndex(of: "-"), let number = Int(id[id.index(after: dash)...]),
            number >= 0
        else { return id }
        switch kind {
        case .agent:
            let width = max(2, String(max(0, count - 1)).count)
            let digits = String(number)
            return "a" + String(repeating: "0", count: max(0, width - digits.count)) + digits
        case .origin: return "o\(number)"
        default: return count > 1 ? id : kind.rawValue
        }
    }
}
