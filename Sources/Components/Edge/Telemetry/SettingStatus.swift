// SPDX-License-Identifier: Apache-2.0

/// One line of a component's effective configuration, as it may be shown to anybody: no secret is ever in one.
package struct SettingStatus: Codable, Hashable, Sendable {
    /// What is set, by the path of its key in the file: `scheduler.conn_ttl`.
    package var key: String
    /// To what, as the file would say it.
    package var value: String
    /// Whether that is not the default.
    package var isChanged: Bool

    /// `key` is set to `value`.
    package init(key: String, value: String, isChanged: Bool) {
        (self.key, self.value, self.isChanged) = (key, value, isChanged)
    }

    private enum CodingKeys: String, CodingKey {
        case key, value
        case isChanged = "is_changed"
    }
}
