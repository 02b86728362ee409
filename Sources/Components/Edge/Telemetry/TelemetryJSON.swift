// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials

/// Snapshots and events as JSON text: sorted keys, no needless escapes, so that equal values are equal bytes.
package enum TelemetryJSON {
    /// The document for `value`, on one line.
    package static func encode(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(value))
    }

    /// The value in `bytes`.
    package static func decode<Value: Decodable>(
        _ type: Value.Type,
        from bytes: some Sequence<UInt8>
    ) throws -> Value {
        try JSONDecoder().decode(type, from: Data(bytes))
    }
}
