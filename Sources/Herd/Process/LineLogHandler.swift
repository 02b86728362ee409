// SPDX-License-Identifier: Apache-2.0

import Content
import Logging
import Telemetry

/// Log messages as lines: time, level, who, the constant message, then its data as `key=value`.
struct LineLogHandler: LogHandler {
    var logLevel: Logger.Level {
        get { own ?? threshold.level }
        set { own = newValue }
    }
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    private let label: String
    private let sink: LineSink
    private let threshold: LogThreshold
    /// The level of this logger alone, once it was set.
    private var own: Logger.Level?

    /// A handler for the logger `label`, which logs from `threshold` on.
    init(label: String, threshold: LogThreshold, sink: LineSink) {
        (self.label, self.threshold, self.sink) = (label, threshold, sink)
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { $1 } }
        if let own = event.metadata { all.merge(own) { $1 } }
        let sorted = all.sorted { $0.key < $1.key }
        let data = sorted.map { " \($0.key)=\(Self.quoted("\($0.value)"))" }
        let level = event.level.rawValue.padded(to: 8)
        sink.tell(
            "\(LineTime.now) \(level) \(label.padded(to: 14)) \(event.message)\(data.joined())",
            record(event, sorted)
        )
        // The process is about to end: what led to it must be on the screen before.
        if event.level == .critical { sink.flush() }
    }

    private func record(
        _ event: LogEvent,
        _ data: [(key: String, value: Logger.Metadata.Value)]
    ) -> LogRecord {
        var record = LogRecord("\(event.message)")
        (record.level, record.component) = (event.level, label)
        record.data = data.map { .init($0.key, Self.json($0.value)) }
        return record
    }

    private static func json(_ value: Logger.Metadata.Value) -> JSON {
        switch value {
        case .array(let elements): .array(elements.map(json))
        case .dictionary(let members):
            .object(
                members.sorted { $0.key < $1.key }.map { .init($0.key, json($0.value)) }
            )
        default: .string("\(value)")
        }
    }

    /// `text` in quotes where it could be taken for more than one value; control characters never reach the terminal.
    private static func quoted(_ text: String) -> String {
        let clean = text.printable
        return clean.contains(" ") || clean.isEmpty ? "\"\(clean)\"" : clean
    }
}

/// The time of day that begins every line.
enum LineTime {
    /// Now, in UTC: `08:42:07.123`.
    static var now: String {
        let text = Timestamp.now.description
        guard let separator = text.firstIndex(of: "T") else { return text }
        return String(text[text.index(after: separator)...].prefix(12))
    }
}

extension String {
    /// The text with spaces at its end up to `width` characters.
    func padded(to width: Int) -> String {
        count >= width ? self : self + String(repeating: " ", count: width - count)
    }

    /// The text with every control character replaced, so that foreign text cannot steer a terminal.
    var printable: String {
        String(
            map { character in
                character.unicodeScalars.contains {
                    $0.value < 0x20 || (0x7f...0x9f).contains($0.value)
                }
                    ? "\u{fffd}" : character
            }
        )
    }
}
