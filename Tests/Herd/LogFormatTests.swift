// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Content
import Logging
import TUI
import Telemetry
import Testing

@testable import Herd

@Suite("Lines as objects") struct LogFormatTests {
    @Test("a record is one line of JSON with its data and its event")
    func record() throws {
        var record = LogRecord("two\nlines \u{1B}[31m")
        (record.level, record.component) = (.warning, "agent-3")
        record.data = [.init("attempt", .integer(2))]
        record.event = ClusterEvent(.hashFailed, piece: 7)
        #expect(!record.json.contains("\n") && !record.json.contains("\u{1B}"))
        let object = try JSON(parsing: record.json)
        #expect(object["level"]?.string == "warning" && object["component"]?.string == "agent-3")
        #expect(object["message"]?.string == record.message)
        #expect(object["data"]?["attempt"]?.integer == 2)
        #expect(object["event"]?["event"]?.string == "hash_fail")
        #expect(object["event"]?["piece"]?.integer == 7)
        #expect(object["ts"]?.string == record.at.description)
    }

    @Test("the terminal UI reads such lines like others")
    func reading() {
        var record = LogRecord("write-back failed")
        (record.level, record.component) = (.error, "origin-1")
        record.data = [.init("blob", .string("9f3c")), .init("attempt", .integer(2))]
        let printed = LogLine(
            at: record.at,
            level: "",
            component: "",
            text: record.json
        )
        let line = printed.readingRecord
        #expect((line.level, line.component) == ("error", "origin-1"))
        #expect(line.text == "write-back failed blob=9f3c attempt=2")
        let other = LogLine(at: record.at, level: "", component: "", text: "{not json")
        #expect(other.readingRecord == other)
    }

    @Test("there are two formats")
    func parsing() throws {
        #expect(try LogFormat.parse("json") == .json && LogFormat.parse("text") == .text)
        #expect(throws: (any Error).self) { try LogFormat.parse("xml") }
        for words in [
            ["up"], ["agent"], ["push", "a", "b"], ["pull", "a", "b"], ["top"], ["status"],
        ] {
            _ = try HerdCommand.parseAsRoot(words + ["--log-format", "json"])
        }
    }
}
