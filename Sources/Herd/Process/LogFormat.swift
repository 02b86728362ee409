// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Content
import Logging
import Synchronization
import Telemetry

/// How lines on standard error are written.
enum LogFormat: String, CaseIterable, Sendable {
    /// For people.
    case text
    /// One JSON object a line, for programs.
    case json

    /// The format of this process; standard error has only one. Text until the command line says otherwise.
    static var current: LogFormat {
        get { isJSON.load(ordering: .relaxed) ? .json : .text }
        set { isJSON.store(newValue == .json, ordering: .relaxed) }
    }

    private static let isJSON = Atomic(false)

    /// Reads the value of `--log-format`.
    static func parse(_ text: String) throws -> LogFormat {
        guard let format = LogFormat(rawValue: text) else {
            throw ValidationError("--log-format is text or json")
        }
        return format
    }
}

/// One thing that is told on standard error.
struct LogRecord: Sendable {
    var at = Timestamp.now
    var level = Logger.Level.notice
    /// Who tells it.
    var component = "herd"
    /// What happened.
    var message: String
    /// What belongs to it, by name; `data` in the object.
    var data: [JSON.Member] = []
    /// What happened, as the component's event stream has it.
    var event: ClusterEvent?

    /// `message`, told by the herd itself.
    init(_ message: String) { self.message = message }

    /// The record as a JSON object on one line, without its end.
    var json: String {
        var members: [JSON.Member] = [
            .init("ts", .string(at.description)), .init("level", .string(level.rawValue)),
            .init("component", .string(component)), .init("message", .string(message)),
        ]
        if !data.isEmpty { members.append(.init("data", .object(data))) }
        // An event is made of numbers and texts: there is nothing in it that could not be written.
        if let event, let bytes = try? TelemetryJSON.encode(event),
            let document = try? JSON(parsing: bytes)
        {
            members.append(.init("event", document))
        }
        return JSON.object(members).text
    }
}

extension LineSink {
    /// Queues `record` as an object, where lines are objects, and otherwise `text`.
    func tell(_ text: String, _ record: @autoclosure () -> LogRecord) {
        append(LogFormat.current == .json ? record().json : text)
    }

    /// Queues `text` for people, or as the message of a record.
    func tell(_ text: String, level: Logger.Level = .notice) {
        tell(
            text,
            {
                var record = LogRecord(text.trimmedStart)
                record.level = level
                return record
            }()
        )
    }
}

extension StandardError {
    /// Writes the last words of a command: `text` for people, or as the message of a record of `level`.
    static func tell(_ text: String, level: Logger.Level = .error) {
        guard LogFormat.current == .json else { return write(text + "\n") }
        var record = LogRecord(text)
        record.level = level
        write(record.json + "\n")
    }
}

extension String {
    /// The text without the spaces before it.
    fileprivate var trimmedStart: String { String(drop { $0 == " " }) }
}
