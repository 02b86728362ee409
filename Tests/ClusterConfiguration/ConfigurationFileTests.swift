// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Foundation
import Primitives
import Testing

@Suite("Configuration file") struct ConfigurationFileTests {
    private func parse(_ text: String) throws -> ConfigurationNode {
        try ConfigurationFile.parse(text, file: "test.yaml")
    }

    private func message(
        _ text: String,
        _ read: (inout ConfigurationTable) throws -> Void
    ) -> String {
        do {
            var table = try parse(text).table()
            try read(&table)
            return "no error"
        } catch {
            return "\(error)"
        }
    }

    @Test(
        "reads durations as Go does",
        arguments: [
            ("5m", Duration.seconds(300)), ("1h30m", .seconds(5400)), ("250ms", .milliseconds(250)),
            ("1.5s", .milliseconds(1500)), ("3000000000", .seconds(3)), ("10us", .microseconds(10)),
            ("100ns", .nanoseconds(100)), ("2µs", .microseconds(2)),
        ]
    )
    func durations(_ text: String, _ expected: Duration) throws {
        var table = try parse("key: \(text)").table()
        #expect(try table.duration("key") == expected)
    }

    @Test("refuses what is no duration", arguments: ["5", "m5", "5 m", "-5s", "5x", "1h-3m", "s"])
    func noDuration(_ text: String) throws {
        // A bare integer counts nanoseconds, so 5 is one.
        let text = text == "5" ? "5.0" : text
        #expect(
            message("key: \(text)") { _ = try $0.duration("key") }.hasPrefix("test.yaml:1: key: ")
        )
    }

    @Test("reads sizes in powers of 1024")
    func sizes() throws {
        var table = try parse("a: 4MB\nb: 1.5GB\nc: 512").table()
        #expect(try table.size("a") == .mebibytes(4))
        #expect(try table.size("b") == .mebibytes(1536))
        #expect(try table.size("c") == ByteCount(512))
    }

    @Test("an unknown key is an error with its line and the nearest known key")
    func unknownKey() {
        let text = "known: 1\n\nretry_intervall: 5s\n"
        let error = message(text) { table in
            _ = try table.integer("known")
            _ = try table.duration("retry_interval")
            try table.finish()
        }
        #expect(
            error == "test.yaml:3: retry_intervall: unknown key; did you mean retry_interval?"
        )
    }

    @Test("a key far from every known one gets no guess")
    func farKey() {
        let error = message("zebra: 1") { try $0.finish(ignoring: ["nginx"]) }
        #expect(error == "test.yaml:1: zebra: unknown key")
    }

    @Test("Kraken's keys without effect get one warning together")
    func ignoredKeys() throws {
        let document = try parse("zap: {level: info}\nnginx: {}\nport: 1\n")
        var table = try document.table()
        _ = try table.integer("port")
        try table.finish(ignoring: ["zap", "nginx"])
        #expect(
            document.warnings.all.map(\.description)
                == ["test.yaml:1: without effect in Herd: zap, nginx"]
        )
    }

    @Test("names the line of a syntax error and of a key given twice")
    func syntax() {
        #expect(message("a: 1\nb: ]\n") { _ in }.hasPrefix("test.yaml:2: not YAML"))
        #expect(message("a: 1\nb: 2\na: 3\n") { _ in }.contains("key given twice: a"))
        #expect(message("- 1\n- 2") { _ in } == "test.yaml:1: expected keys and values")
    }

    @Test("an empty value is an absent key, and a quoted one is not")
    func emptyValues() throws {
        var table = try parse("a:\nb: ~\nc: ''\n").table()
        #expect(try table.text("a") == nil)
        #expect(try table.text("b") == nil)
        #expect(try table.text("c") == "")
    }

    @Test("an empty document has no keys")
    func emptyDocument() throws {
        #expect(try parse("# nothing\n").table().keys.isEmpty)
    }

    @Test("a file lies over the file that it extends: mappings merge, lists are replaced")
    func extends() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }  // the system's to clean up then
        func write(_ name: String, _ text: String) throws -> String {
            let url = folder.appending(path: name)
            try Data(text.utf8).write(to: url)
            return url.path
        }
        _ = try write("base.yaml", "a: {x: 1, y: 2}\nlist: [1, 2]\n")
        let top = try write("top.yaml", "extends: base.yaml\na: {y: 3}\nlist: [9]\n")
        let secrets = try write("secrets.yaml", "a: {z: 4}\n")
        var table = try ConfigurationFile.load(top, secrets: secrets).table()
        var inner = try #require(try table.table("a"))
        #expect(try inner.integer("x") == 1)
        #expect(try inner.integer("y") == 3)
        #expect(try inner.integer("z") == 4)
        #expect(try table.take("list")?.list().map { try $0.integer() } == [9])
        try table.finish()

        let cycle = try write("cycle.yaml", "extends: cycle.yaml\n")
        #expect(throws: ConfigurationError.self) { try ConfigurationFile.load(cycle) }
        #expect(throws: ConfigurationError.self) {
            try ConfigurationFile.load(folder.appending(path: "none.yaml").path)
        }
    }

    @Test("merge keys bring in an anchor's keys, and the document's own win")
    func mergeKeys() throws {
        let text = "base: &base {x: 1, y: 2}\ntop:\n  <<: *base\n  y: 3\n"
        var table = try parse(text).table()
        var top = try #require(try table.table("top"))
        #expect(try top.integer("x") == 1)
        #expect(try top.integer("y") == 3)
    }

    @Test(
        "reads addresses and refuses what is none",
        arguments: [
            ("127.0.0.1:15000", "127.0.0.1"), ("[::1]:80", "::1"),
            ("origin.cluster:80", "origin.cluster"),
        ]
    )
    func endpoints(_ text: String, _ host: String) throws {
        let endpoint = try #require(Endpoint(parsing: text))
        #expect(endpoint.host == host)
        #expect(endpoint.description == text)
        for bad in ["", ":80", "host", "host:", "host:99999", "::1:80", "http://host:80", "a b:1"] {
            #expect(Endpoint(parsing: bad) == nil, "\(bad)")
        }
    }

    @Test("names the keys under which two documents differ")
    func changes() throws {
        func document(_ text: String) throws -> ConfigurationNode {
            try ConfigurationFile.parse(text, file: "f.yaml")
        }
        let old = try document("a: {b: 1, c: [x, y]}\nd: {e: {f: 2}}\ng: ~\nh: 5")
        let new = try document("h: 5\na: {c: [y, x], b: '1'}\nd: 7\ni: {k: {l: 3}}\ng: {}")
        #expect(new.changedKeys(since: old) == ["a.c", "d", "i.k.l"])
        #expect(old.changedKeys(since: new) == ["a.c", "d", "i.k.l"])
        #expect(old.changedKeys(since: old) == [])
    }
}
