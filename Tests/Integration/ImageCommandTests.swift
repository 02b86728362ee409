// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

extension IntegrationTests {
    /// `herd copy`, `inspect`, `ls`, `pull --explain` and `preheat` against a running cluster.
    @Suite("Commands for images") struct ImageCommandTests {
        private func herd(_ arguments: [String], status: Int32 = 0) async throws -> CommandResult {
            let result = try await Command(HerdProcess.executable, arguments).run()
            #expect(result.status == status, "herd \(arguments): \(result.errors)")
            return result
        }

        private func json(_ text: String) throws -> [String: Any] {
            let document = try JSONSerialization.jsonObject(with: Data(text.utf8))
            return try #require(document as? [String: Any])
        }

        @Test("push, copy, list, inspect and pull tell what they did", .timeLimit(.minutes(5)))
        func images() async throws {
            let folder = try TemporaryDirectory()
            let image = try OCIImage.make(
                in: folder.url.appending(path: "image"),
                layerBytes: [300_000, 200_000, 0],
                seed: 120
            )
            let running = try await HerdProcess.start(in: folder.url, agents: 2)
            let (proxy, agent) = (running.proxyRegistry, running.agentRegistries[0])
            let (app, copy) = ("\(proxy)/demo/app:v1", "\(proxy)/demo/copy:v1")
            let source = "oci:\(image.folder.path):v1"
            let push = try json(try await herd(["push", "--json", source, app]).output)
            #expect(push["digest"] as? String == image.manifest)
            let blobs = try #require(push["blobs"] as? [[String: Any]])
            #expect(
                Set(blobs.compactMap { $0["digest"] as? String } + [image.manifest])
                    == Set(image.blobs.keys)
            )
            #expect(blobs.allSatisfy { $0["was_there"] as? Bool == false })

            // The same registry mounts; nothing is sent.
            let copied = try json(try await herd(["copy", "--json", app, copy]).output)
            #expect(copied["digest"] as? String == image.manifest)
            #expect(copied["bytes"] as? Int == 0)
            #expect(try await herd(["ls", proxy]).output == "demo/app\ndemo/copy\n")
            #expect(try await herd(["ls", "\(proxy)/demo/copy"]).output == "v1\n")
            let long = try await herd(["ls", "--long", "\(agent)/demo/copy"]).output
            #expect(long.contains(image.manifest))

            let inspection = try json(try await herd(["inspect", "--json", app]).output)
            #expect(inspection["digest"] as? String == image.manifest)
            #expect((inspection["blobs"] as? [Any])?.count == image.blobs.count - 1)
            let raw = try await herd(["inspect", "--raw", app]).output
            #expect(raw.contains(image.layers[0]))
            let nothing = try await herd(["inspect", "\(proxy)/demo/app:none"], status: 1)
            #expect(nothing.errors.contains("404"))

            // The first agent has all from origins; the receipt says so because the agent does.
            let data = ["--data-dir", running.dataDirectory.path]
            func pull(_ registry: String, _ name: String) async throws -> [[String: Any]] {
                let target = folder.url.appending(path: name).path
                let arguments = ["pull", "--json", "--explain"] + data
                let output = try await herd(arguments + ["\(registry)/demo/app:v1", target]).output
                return try #require(try json(output)["blobs"] as? [[String: Any]])
            }
            for blob in try await pull(agent, "first") where blob["bytes"] as? Int != 0 {
                let from = try #require(blob["source"] as? [String: Any])
                #expect(blob["verified"] as? Bool == true && blob["retries"] as? Int == 0)
                #expect(from["kind"] as? String == "fetched", "\(blob)")
                let sum = [from["bytes_from_agents"], from["bytes_from_origins"]].reduce(0) {
                    $0 + ($1 as? Int ?? 0)
                }
                #expect(sum == blob["bytes"] as? Int, "\(blob)")
            }
            let lines = try await herd(
                ["pull", "--explain"] + data
                    + ["\(agent)/demo/app:v1", folder.url.appending(path: "second").path]
            ).output
            #expect(
                lines.contains("begun before this pull") && lines.contains("sha256"),
                "\(lines)"
            )
            let refused = try await herd(
                ["pull", "--explain"] + data
                    + [app, folder.url.appending(path: "third").path],
                status: 1
            )
            #expect(refused.errors.contains("is no agent"))
            #expect(try await running.stop() == 0)
        }

        @Test("copies between registries byte for byte", .timeLimit(.minutes(5)))
        func copies() async throws {
            let folder = try TemporaryDirectory()
            let image = try OCIImage.make(
                in: folder.url.appending(path: "image"),
                layerBytes: [3_000_000, 0],
                seed: 121
            )
            func start(_ name: String) async throws -> HerdProcess {
                let place = folder.url.appending(path: name)
                try FileManager.default.createDirectory(
                    at: place,
                    withIntermediateDirectories: true
                )
                return try await HerdProcess.start(in: place, agents: 1)
            }
            let (first, second) = (try await start("one"), try await start("two"))
            let from = "\(first.proxyRegistry)/demo/app:v1"
            let push = try await Clients.push(image, to: first.proxyRegistry, as: "demo/app:v1")
            #expect(push.status == 0, "\(push.errors)")
            let copy = try json(
                try await herd(["copy", "--json", from, "\(second.proxyRegistry)/mine/app:v2"])
                    .output
            )
            #expect(copy["bytes"] as? Int ?? 0 > 3_000_000)
            try await Clients.pullEverywhere(
                "mine/app:v2",
                of: image,
                from: second.agentRegistries,
                under: folder.url
            )
            for herd in [first, second] { #expect(try await herd.stop() == 0) }
        }

        @Test("preheat brings an image to all agents, and says who had it", .timeLimit(.minutes(5)))
        func preheat() async throws {
            let folder = try TemporaryDirectory()
            let image = try OCIImage.make(
                in: folder.url.appending(path: "image"),
                layerBytes: [400_000, 100_000],
                seed: 122
            )
            let running = try await HerdProcess.start(in: folder.url, agents: 3)
            let app = "\(running.proxyRegistry)/demo/app:v1"
            let push = try await Clients.push(image, to: running.proxyRegistry, as: "demo/app:v1")
            #expect(push.status == 0, "\(push.errors)")
            let data = ["--data-dir", running.dataDirectory.path]
            let total = image.blobs.values.reduce(0, +)
            func run(_ more: [String]) async throws -> [[String: Any]] {
                let output = try await herd(["preheat", "--json"] + data + [app] + more).output
                return try #require(try json(output)["agents"] as? [[String: Any]])
            }
            let agent = try #require(running.ready.addresses("agent", "http").first)
            let one = try await run(["--agents", "http://\(agent)"])
            #expect(one.map { $0["bytes_fetched"] as? Int } == [total])
            let all = try await run([])
            #expect(all.count == 3)
            #expect(all.compactMap { $0["bytes_held"] as? Int }.sorted() == [0, 0, total])
            let again = try await run([])
            #expect(again.allSatisfy { $0["bytes_held"] as? Int == total })
            #expect(try await running.stop() == 0)
        }
    }
}
