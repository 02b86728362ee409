// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import Foundation
import NIOCore
import Primitives
import Testing

extension IntegrationTests {
    /// kill -9 of a build-index that owes tags to another cluster.
    @Suite("Replication through crashes") struct ReplicationCrashTests {
        @Test(
            "tags put and deleted reach the other cluster as they were acknowledged last, whatever kill -9 hits",
            .timeLimit(.minutes(10))
        )
        func killed() async throws {
            print("crash seed \(CrashTests.seed), rounds \(CrashTests.rounds)")
            var generator = Generator(seed: CrashTests.seed)
            let folder = try TemporaryDirectory()
            let there = try ReplicatingCluster(folder.url.appending(path: "there"))
            let here = try ReplicatingCluster(
                folder.url.appending(path: "here"),
                remotes: "{\"\(there.indexAddresses[0])\": [.*]}"
            )
            var others = [try await here.startOrigin()]
            let namespace = try Namespace("demo")
            var blobs: [Digest] = []
            for index in 0..<8 {
                let bytes = Array("blob \(index)".utf8)
                blobs.append(Digest(hashing: bytes))
                try await here.origin.upload(
                    blobs[index],
                    namespace: namespace,
                    from: .bytes(ByteBuffer(bytes: bytes))
                )
            }
            var wanted = TagExpectations()
            for _ in 0..<CrashTests.rounds {
                let process = try await here.startIndex()
                let timer = process.kill(after: .milliseconds(50 + generator.below(1000)))
                while process.isRunning {
                    let tag = try QualifiedTag(parsing: "demo/app:v\(generator.below(40))")
                    let isDeletion = generator.below(3) == 0
                    let digest = isDeletion ? nil : blobs[generator.below(blobs.count)]
                    await wanted.change(tag, digest, at: here.index)
                }
                _ = try await process.waitForExit(within: .seconds(30))
                timer.cancel()
            }
            // The other cluster comes, and the one that owes it is killed while it sends.
            others += [try await there.startOrigin(), try await there.startIndex()]
            for _ in 0..<CrashTests.rounds {
                let process = try await here.startIndex()
                process.send(SIGKILL)
                _ = try await process.waitForExit(within: .seconds(30))
            }
            let last = try await here.startIndex()
            try await wanted.askAgain(at: here.index)
            try await here.drain()
            #expect(!wanted.tags.isEmpty)
            for (tag, wanted) in wanted.tags {
                let found = try await there.index.digest(of: tag)
                #expect(found == wanted.acknowledged, "\(tag)")
                #expect(try await here.index.digest(of: tag) == found, "\(tag)")
            }
            for process in others + [last] {
                process.send(SIGTERM)
                #expect(try await process.waitForExit(within: .seconds(20)) == 0)
            }
        }
    }
}
