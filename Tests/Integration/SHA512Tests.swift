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
    }
}
