// SPDX-License-Identifier: Apache-2.0

import Logging
import Telemetry

/// Log messages as lines: time, level, who, the constant message, then its data as `key=value`.
struct LineLogHandler: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    private let label: String
    private let sink: LineSink

    /// A handler for the logger `label`.
    init(label: String, level: Logger.Level, sink: LineSink) {
        (self.label, self.logLevel, self.sink) = (label, level, sink)
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { $1 } }
        if let own = event.metadata { all.merge(own) { $1 } }
        let data = all.sorted { $0.key < $1.key }.map { " \($0.key)=\(Self.quoted("\($0.value)"))" }
        let level = event.level.rawValue.padded(to: 8)
        sink.append(
            "\(LineTime.now) \(level) \(label.padded(to: 14)) \(event.message)\(data.joined())"
        )
        // The process is about to end: what led to it must be on the screen before.
        if event.level == .critical { sink.flush() }
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
