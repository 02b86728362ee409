// SPDX-License-Identifier: Apache-2.0

import Content
import Foundation
import Synchronization
import Testing

@testable import Herd

/// A folder of the test's own, removed with the value.
final class Scratch {
    let path = FileManager.default.temporaryDirectory.appending(path: "herd-\(UUID())").path

    init() throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    // What cannot be removed is the system's to clean up.
    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ name: String, _ text: String = "x") throws {
        let url = URL(filePath: "\(path)/\(name)")
        try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(),
            withIntermediateDirectories: true
        )
        try Data(text.utf8).write(to: url)
    }

    var names: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
    }
}

@Suite("Data directory") struct DataDirectoryTests {
    @Test("belongs to one herd at a time, and leaves no lock file")
    func lock() throws {
        let scratch = try Scratch()
        let path = scratch.path + "/new/data"
        var first: DataDirectory? = try DataDirectory(path)
        let failure = #expect(throws: Failure.self) { try DataDirectory(path) }
        #expect(failure?.why == "another herd uses it")
        #expect(try FileManager.default.contentsOfDirectory(atPath: path).isEmpty)
        #expect(first?.stateFile.hasSuffix("/new/data/herd.json") == true)
        first = nil
        _ = try DataDirectory(path)
    }

    @Test("names the process that has it")
    func owner() throws {
        let scratch = try Scratch()
        let first = try DataDirectory(scratch.path)
        try ReadyFile(pid: 4711, components: []).write(to: first.stateFile)
        let failure = #expect(throws: Failure.self) { try DataDirectory(scratch.path) }
        #expect(failure?.why.contains("4711") == true)
    }

    @Test("--fresh removes what herds wrote and nothing else")
    func fresh() throws {
        let scratch = try Scratch()
        for name in ["agent-0/cache/x", "build-index-12/y", "backend/z", "herd.json"] {
            try scratch.write(name)
        }
        for name in ["photos/a", "agent-x/b", "agents", "origin/c"] { try scratch.write(name) }
        try DataDirectory(scratch.path).empty()
        #expect(try scratch.names == ["agent-x", "agents", "origin", "photos"])
    }

    @Test("the ready file says who runs where, and can be read back")
    func readyFile() throws {
        let scratch = try Scratch()
        let component = ReadyFile.Component(
            kind: "agent",
            id: "agent-0",
            addresses: ["http": "127.0.0.1:16002", "registry": "127.0.0.1:16000"]
        )
        let document = ReadyFile(pid: 12, components: [component])
        #expect(
            document.json.text
                == #"{"version":1,"pid":12,"components":[{"kind":"agent","id":"agent-0","addresses":{"#
                + #""http":"127.0.0.1:16002","registry":"127.0.0.1:16000"}}]}"#
        )
        let path = scratch.path + "/ready.json"
        let files = ReadyFiles([path])
        try files.write(document)
        #expect(ReadyFile.read(path) == document)
        files.remove()
        try files.write(document)
        #expect(ReadyFile.read(path) == nil, "a stopped herd must not look ready")
        #expect(try scratch.names.isEmpty)
    }

    @Test("lines that nobody reads are dropped, oldest first, and counted")
    func lineSink() async {
        let gate = DispatchSemaphore(value: 0)
        let written = Mutex("")
        let sink = LineSink(capacity: 4) { text in
            gate.wait()
            written.withLock { $0 += text }
        }
        sink.append("first")
        for index in 0..<1000 { sink.append("line \(index)") }
        for _ in 0..<1000 { gate.signal() }
        sink.flush(within: 10)
        let text = written.withLock { $0 }
        #expect(text.hasSuffix("line 996\nline 997\nline 998\nline 999\n"), "\(text)")
        #expect(text.contains("lines dropped"))
    }

    @Test("foreign text cannot steer a terminal")
    func printable() {
        #expect("a\u{1b}[2Jb\nc\u{9b}d".printable == "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d")
        #expect("größe 日本".printable == "größe 日本")
    }
}
