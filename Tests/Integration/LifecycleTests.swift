// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

extension IntegrationTests {
    /// Starting, stopping, and what stays behind.
    @Suite("Life cycle") struct LifecycleTests {
        @Test(
            "SIGTERM ends it with status 0 within ten seconds and leaves nothing",
            .timeLimit(.minutes(3))
        )
        func terminates() async throws {
            let folder = try TemporaryDirectory()
            let herd = try await HerdProcess.start(in: folder.url, agents: 3)
            let ports = herd.ready.components.flatMap { $0.addresses.values }
            #expect(try await herd.stop() == 0)
            for address in ports {
                let (status, _) = try await Clients.curl(["http://\(address)/health"])
                #expect(status == 0, "\(address) still answers")
            }
            #expect(
                !FileManager.default.fileExists(
                    atPath: folder.url.appending(path: "ready.json").path
                )
            )
            let leftovers = try Leftovers.find(in: herd.dataDirectory)
            #expect(leftovers == [])
        }

        @Test("with --log-format json each line of standard error is an object")
        func jsonLines() async throws {
            let folder = try TemporaryDirectory()
            let herd = try await HerdProcess.start(
                in: folder.url,
                agents: 1,
                arguments: ["--log-format", "json", "--log-level", "debug"]
            )
            #expect(try await herd.stop() == 0)
            let text = try String(contentsOf: herd.log, encoding: .utf8)
            let lines = text.split(separator: "\n")
            #expect(lines.count > 5)
            for line in lines {
                let object = try JSONSerialization.jsonObject(with: Data(line.utf8))
                let members = try #require(object as? [String: Any], "\(line)")
                for key in ["ts", "level", "component", "message"] {
                    #expect(members[key] is String, "\(line)")
                }
            }
            let failed = try await Command(
                HerdProcess.executable,
                ["push", "--log-format", "json", "/nonexistent", "127.0.0.1:1/a:b"]
            ).run(within: .seconds(30))
            #expect(failed.status == 1)
            let last = try #require(failed.errors.split(separator: "\n").last)
            #expect(throws: Never.self) {
                try JSONSerialization.jsonObject(with: Data(last.utf8))
            }
        }

        @Test("SIGINT does the same", .timeLimit(.minutes(3)))
        func interrupted() async throws {
            let folder = try TemporaryDirectory()
            let herd = try await HerdProcess.start(in: folder.url, agents: 1)
            herd.process.send(SIGINT)
            let status = try await herd.process.waitForExit(within: .seconds(10))
            #expect(status == 0 || status == 130)
        }

        @Test("a port in use is named, and nothing starts", .timeLimit(.minutes(3)))
        func portInUse() async throws {
            let folder = try TemporaryDirectory()
            let first = try await HerdProcess.start(in: folder.url, agents: 1)
            let port = try #require(first.proxyRegistry.split(separator: ":").last)
            let result = try await Command(
                HerdProcess.executable,
                [
                    "up", "--headless", "--agents", "1", "--base-port", "\(port)", "--data-dir",
                    folder.url.appending(path: "second").path,
                ]
            ).run(within: .seconds(30))
            #expect(result.status == 1)
            #expect(
                result.errors.contains(port) && result.errors.contains("--ephemeral-ports"),
                "\(result.errors)"
            )
            #expect(try await first.stop() == 0)
        }

        @Test("a wrong option is a usage error with status 2")
        func usage() async throws {
            let result = try await Command(HerdProcess.executable, ["up", "--no-such-option"]).run()
            #expect(result.status == 2)
            #expect(result.output.isEmpty)
        }
    }
}

/// What a stopped herd must not leave in its data directory.
enum Leftovers {
    /// Unfinished uploads and downloads, and temporary files, below `folder`; not the uploads that a proxy keeps for
    /// clients to go on with: those have a label.
    static func find(in folder: URL) throws -> [String] {
        let paths =
            FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String } ?? []
        let labels = Set(paths.filter { $0.hasSuffix(".label") })
        return paths.filter { path in
            let parts = path.split(separator: "/")
            let upload = path.hasSuffix("/data") ? String(path.dropLast("/data".count)) : path
            let isKept = labels.contains(path) || labels.contains(upload + ".label")
            let isUpload = parts.contains("upload") && parts.last != "upload" && !isKept
            // Empty directories of downloads that are through may stay.
            let isDownload = parts.contains("download") && parts.last == "data"
            return isUpload || isDownload || path.contains(".tmp") || path.hasSuffix("-tmp")
        }
    }
}
