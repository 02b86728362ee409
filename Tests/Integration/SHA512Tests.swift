// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

extension IntegrationTests {
    /// Content named by its sha512, from a push with curl to an agent.
    @Suite("Content named by its sha512") struct SHA512Tests {
        private func curl(_ arguments: [String]) async throws -> String {
            let result = try await Command("curl", ["-sS", "--fail-with-body"] + arguments).run()
            #expect(result.status == 0, "\(arguments): \(result.output) \(result.errors)")
            return result.output
        }

        private func sum(_ file: URL, _ algorithm: String) async throws -> String {
            let result = try await Command("\(algorithm)sum", [file.path]).run()
            return "\(algorithm):" + (result.output.split(separator: " ").first ?? "")
        }

        @Test("is checked by an agent; a forged name is not believed", .timeLimit(.minutes(3)))
        func agent() async throws {
            let folder = try TemporaryDirectory()
            let running = try await HerdProcess.start(in: folder.url, agents: 1)
            let repository = "http://\(running.proxyRegistry)/v2/demo/app"
            let agent = "http://\(try #require(running.agentRegistries.first))/v2/demo/app"
            let file = folder.url.appending(path: "blob")
            try Data((0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 * $0 / 7) }).write(to: file)
            let (name, stored) = (try await sum(file, "sha512"), try await sum(file, "sha256"))
            _ = try await curl([
                "-X", "POST", "--data-binary", "@\(file.path)",
                "-H", "Content-Type: application/octet-stream",
                "\(repository)/blobs/uploads/?digest=\(name)",
            ])
            let copy = folder.url.appending(path: "copy")
            let headers = try await curl([
                "-o", copy.path, "-D", "-", "\(agent)/blobs/\(name)",
            ])
            #expect(headers.contains(name))
            #expect(try Data(contentsOf: copy) == Data(contentsOf: file))

            // An alias that says something else than the truth is not believed.
            let index = try #require(running.ready.addresses("build-index", "http").first)
            let tags = try await curl(["http://\(index)/list/demo/app"])
            let alias = try #require(tags.firstMatch(of: /sha512\.[A-Za-z0-9_-]{86}/)).output
            let forged = alias.replacing(/^sha512\.../, with: "sha512.AA")
            let path = "http://\(index)/tags/demo%2Fapp:\(forged)/digest/\(stored)"
            _ = try await curl(["-X", "PUT", path])
            let encoded = forged.dropFirst("sha512.".count).replacing("-", with: "+")
                .replacing("_", with: "/")
            let bytes = try #require(Data(base64Encoded: encoded + "=="))
            let lie = "sha512:" + bytes.map { String(format: "%02x", $0) }.joined()
            let answer = try await Command(
                "curl",
                ["-s", "-o", "/dev/null", "-w", "%{http_code}", "\(agent)/blobs/\(lie)"]
            ).run()
            #expect(answer.output == "404")
        }

        @Test("reaches a registry under that name", .timeLimit(.minutes(3)))
        func replicated() async throws {
            let folder = try TemporaryDirectory()
            let place = folder.url.appending(path: "there")
            try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
            let other = try await HerdProcess.start(in: place, agents: 1)
            let here = try ReplicatingCluster(
                folder.url.appending(path: "here"),
                remotes: """
                    {copies: {tags: [":v1$"], registry: {address: "http://\(other.proxyRegistry)"}}}
                    """,
                tagType: "docker"
            )
            let processes = [
                try await here.startOrigin(), try await here.startIndex(),
                try await here.startProxy(),
            ]
            let file = folder.url.appending(path: "blob")
            try Data((0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 * $0 / 5) }).write(to: file)
            let name = try await sum(file, "sha512")
            _ = try await curl([
                "-X", "POST", "--data-binary", "@\(file.path)",
                "-H", "Content-Type: application/octet-stream",
                "http://\(here.proxy)/v2/\(Artifacts.repository)/blobs/uploads/?digest=\(name)",
            ])
            let layer = #"{"mediaType":"a/b","digest":"\#(name)","size":1000000}"#
            let manifest = try await Artifacts.put(
                #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":\#(layer),"layers":[\#(layer)]}"#,
                at: here.proxy,
                as: "v1"
            )
            try await here.drain()
            let there = "http://\(other.proxyRegistry)/v2/\(Artifacts.repository)"
            let copy = folder.url.appending(path: "copy")
            _ = try await curl(["-o", copy.path, "\(there)/blobs/\(name)"])
            #expect(try Data(contentsOf: copy) == Data(contentsOf: file))
            let found = try await curl(["\(there)/manifests/v1"])
            #expect(Clients.sha256(Data(found.utf8)) == manifest)
            for process in processes {
                process.send(SIGTERM)
                #expect(try await process.waitForExit(within: .seconds(20)) == 0)
            }
            #expect(try await other.stop() == 0)
        }
    }
}
