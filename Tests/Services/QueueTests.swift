// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import ClusterConfiguration
import Content
import Files
import HTTPKit
import HTTPTypes
import Primitives
import RetryCore
import Telemetry
import TestSupport
import Testing

extension ServicesTests {
    @Suite("Queues over HTTP") struct QueueTests {
        private func queue(_ origin: OriginUnderTest) -> QueueClient {
            QueueClient(address: origin.address, http: TrackerWorld.http)
        }

        @Test("an origin's queue is listed, tried again and dropped")
        func origin() async throws {
            try await withTemporaryFolder { root in
                // A file lies where the backend's directory would be.
                try AtomicFile.write([], to: "\(root)/backend", durable: false)
                try await OriginUnderTest.with(root) { configuration in
                    configuration.writeBack.pauseMin = .hours(1)
                    configuration.writeBack.pauseMax = .hours(1)
                } body: { origin in
                    let blobs = ["one", "two", "three"].map { OriginBlob($0) }
                    for blob in blobs { try await origin.upload(blob) }
                    for blob in blobs {
                        await origin.event { $0.kind == .writeBackFailed && $0.blob == blob.digest }
                    }
                    let page = try await queue(origin).tasks(limit: 2)
                    #expect(page.tasks.count == 2 && page.nextAfter == page.tasks.last?.id)
                    let rest = try await queue(origin).tasks(after: page.nextAfter ?? 0)
                    #expect(rest.tasks.count == 1 && rest.nextAfter == nil)
                    let task = try #require(page.tasks.first)
                    #expect(task.state == .failed && task.kind == "write-back")
                    #expect(task.scope == OriginUnderTest.namespace && task.lastError != nil)
                    #expect(task.destination.hasPrefix("file:"))
                    #expect(try await queue(origin).tasks(.init(id: task.id)).tasks == [task])
                    let status = try #require(try await origin.status().queues?.first)
                    #expect((status.failedCount, status.deadCount) == (3, 0))
                    #expect(status.target == task.destination && status.tasks?.count == 3)

                    #expect(try await queue(origin).drop(.init(name: task.name)) == 1)
                    let digest = try Digest(parsing: task.name)
                    let delete = try await origin.send(.delete, "/internal/blobs/\(digest)")
                    #expect(delete.status == 202, "what was dropped is owed no more")

                    try Directory.remove("\(root)/backend")
                    #expect(try await queue(origin).retry(.init(state: .failed)) == 2)
                    for blob in blobs where blob.digest != digest {
                        await origin.untilWrittenBack(blob)
                    }
                    #expect(try await queue(origin).tasks().tasks.isEmpty)
                }
            }
        }

        @Test("requests that choose nothing, or the impossible, are refused")
        func refusals() async throws {
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with(root) { origin in
                    for path in ["/queue/drop", "/queue/retry", "/queue/drop?state=lost"] {
                        #expect(try await origin.send(.post, path).status == 400, "\(path)")
                    }
                    for query in ["state=x", "limit=0", "limit=100000", "colour=red", "after=x"] {
                        let answer = try await origin.send(.get, "/queue/tasks?\(query)")
                        #expect(answer.status == 400, "\(query)")
                    }
                    #expect(try await origin.send(.get, "/queue/tasks/7").status == 404)
                    #expect(try await origin.send(.get, "/queue/tasks/x").status == 400)
                    #expect(try await origin.send(.delete, "/queue/tasks/7").status == 404)
                    #expect(try await origin.send(.post, "/queue/tasks/7/retry").status == 404)
                    let all = try await origin.send(.post, "/queue/drop?all=true")
                    #expect((all.status, all.text) == (200, #"{"count":0}"#))
                }
            }
        }

        @Test("a blob that no backend takes is given up, kept, and tried again when one does")
        func noBackend() async throws {
            try await withTemporaryFolder { root in
                let blob = OriginBlob("of no namespace")
                try await OriginUnderTest.with(root) {
                    $0.backends = []
                } body: { origin in
                    try await origin.upload(blob)
                    await origin.event { $0.kind == .writeBackFailed }
                    let dead = try await queue(origin).tasks(.init(state: .dead)).tasks
                    #expect(dead.map(\.name) == [blob.digest.description])
                    #expect(dead.first?.lastError?.contains("backend table") == true)
                    #expect(
                        try await origin.send(.delete, "/internal/blobs/\(blob.digest)").status
                            == 409
                    )
                }
                try await OriginUnderTest.with(root) { await $0.untilWrittenBack(blob) }
            }
        }

        @Test("what a version without a queue file owed is taken over")
        func takeOver() async throws {
            try await withTemporaryFolder { root in
                let blob = OriginBlob.random(10_000)
                try await OriginUnderTest.with(root) {
                    $0.backends = []
                } body: { origin in
                    try await origin.upload(blob)
                }
                for suffix in ["", "-wal", "-shm"] {
                    try Directory.remove("\(root)/origin-0/queue.sqlite\(suffix)")
                }
                try await OriginUnderTest.with(root) { await $0.untilWrittenBack(blob) }
            }
        }

        @Test("an upload that the queue has no room for is not acknowledged")
        func full() async throws {
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with(root) { configuration in
                    configuration.backends = []
                    configuration.limits.retryTasksMax = 1
                } body: { origin in
                    try await origin.upload(OriginBlob("first"))
                    let second = OriginBlob("second")
                    let error = await #expect(throws: ClusterError.self) {
                        try await origin.upload(second)
                    }
                    #expect(error?.code == .status(503))
                    // Not even as one that is there already.
                    let again = try await origin.send(.post, "\(second.path)/uploads")
                    #expect(again.status == 503 && again.header("Retry-After") != nil)
                    await origin.event { $0.kind == .writeBackFailed }
                    #expect(try await queue(origin).drop(.init(state: .dead)) == 1)
                    #expect(try await origin.send(.post, "\(second.path)/uploads").status == 409)
                }
            }
        }

        @Test("a build-index's queue is listed, too")
        func buildIndex() async throws {
            try await BuildIndexUnderTest.withOrigin { index, origin, root async throws in
                let image = BuildIndexImage("one")
                try await image.upload(to: origin)
                let tag = try QualifiedTag(parsing: "team/app:v1")
                try await index.client.duplicatePut(tag, image.digest, delay: .hours(1))
                let queue = QueueClient(address: index.address, http: TrackerWorld.http)
                let tasks = try await queue.tasks(.init(kind: "write-back")).tasks
                #expect(tasks.map(\.name) == ["team/app:v1"] && tasks.first?.state == .pending)
                #expect(try await queue.retry(.init(name: "team/app:v1")) == 1)
                await index.untilWrittenBack("team/app:v1", image.digest)
                #expect(try BuildIndexUnderTest.stored("team/app:v1", root) != nil)
            }
        }
    }
}
