// SPDX-License-Identifier: Apache-2.0

import Content
import TUI
import Telemetry

extension LogLine {
    /// The line that a record written as a JSON object makes; `self` for every other text.
    var readingRecord: LogLine {
        guard level.isEmpty, text.first == "{", let record = try? JSON(parsing: text),
            let message = record["message"]?.string, let level = record["level"]?.string
        else { return self }
        let data = (record["data"]?.members ?? []).map {
            " \($0.key)=\($0.value.string ?? $0.value.text)"
        }
        return LogLine(
            at: at,
            level: level,
            component: record["component"]?.string ?? "",
            text: message + data.joined()
        )
    }
}
