// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import Foundation
import Primitives
import TestSupport
import Testing

extension IntegrationTests {
    /// kill -9 of a build-index that owes tags to a registry, and of the registry.
    @Suite("Replication to registries through crashes") struct RegistryReplicationCrashTests {
        @Test(
            "tags put, moved and deleted end as they were acknowledged last, whatever kill -9 hits",
            .timeLimit(.minutes(10))
        )
        func killed() async throws {
            print("crash seed \(CrashTests.seed), rounds \(CrashTests.rounds)")
            var generator = Generator(seed: CrashTests.seed)
            let folder = try TemporaryDirectory()
            let (place, port) = (folder.url.appending(path: "registry"), try ReservedPort.make())
            func startRegistry() async throws -> DockerRegistry {
                try await DockerRegistry.start(
                    in: place,
                    port: port,
                    deletes: true,
                    isClosed: true
                )
            }
            let here = try ReplicatingCluster(
                folder.url.appending(path: "here"),
                remotes: """
                    {copies: {tags: [.*], registry: {address: "http://127.0.0.1:\(port)",
                      security: {basic: {username: herd, password: herd-secret}}}}}
                    """,
                tagType: "docker"
            )
            let others = [try await here.startOrigin(), try await here.startProxy()]
            var digests: [Digest] = []
            var index = try await here.startIndex()
            for number in 0..<4 {
                let image = try OCIImage.make(
                    in: folder.url.appending(path: "image\(number)"),
                    layerBytes: [8 << 20, 40_000],
                    seed: generator.next()
                )
                let push = try await Clients.push(image, to: here.proxy, as: "demo/app:i\(number)")
                #expect(push.status == 0, "\(push.errors)")
                digests.append(try Digest(parsing: image.manifest))
            }
            var wanted = TagExpectations()
            for round in 0..<CrashTests.rounds {
                if !index.isRunning { index = try await here.startIndex() }
                // Away the first time: everything waits.
                let registry = round == 0 ? nil : try await startRegistry()
                let timers = [
                    index.kill(after: .milliseconds(200 + generator.below(2000))),
                    registry.map {
                        $0.process.kill(after: .milliseconds(100 + generator.below(2000)))
                    },
                ]
                while index.isRunning {
                    let tag = try QualifiedTag(parsing: "demo/app:v\(generator.below(6))")
                    let isDeletion = generator.below(4) == 0
                    let digest = isDeletion ? nil : digests[generator.below(digests.count)]
                    await wanted.change(tag, digest, at: here.index)
                }
                _ = try await index.waitForExit(within: .seconds(30))
                try await registry?.kill()
                for timer in timers { timer?.cancel() }
            }
            let registry = try await startRegistry()
            index = try await here.startIndex()
            try await wanted.askAgain(at: here.index)
            try await here.drain()
            #expect(!wanted.tags.isEmpty)
            for (tag, wanted) in wanted.tags {
                let found = try await registry.digest(of: "\(tag)")
                #expect(found == wanted.acknowledged?.description, "\(tag)")
            }
            for process in others + [index] {
                process.send(SIGTERM)
                #expect(try await process.waitForExit(within: .seconds(20)) == 0)
            }
            try await registry.kill()
        }
    }
}
