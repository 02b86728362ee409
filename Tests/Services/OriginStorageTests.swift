// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import ClusterConfiguration
import Content
import Files
import Foundation
import HTTPTypes
import Primitives
import Telemetry
import TestSupport
import Testing

extension ServicesTests {
    @Suite("Origin: backend") struct OriginBackendTests {
        private func put(_ blob: OriginBlob, bytes: [UInt8]? = nil, _ root: String) throws {
            let path = "\(root)/backend/\(blob.backendPath)"
            try Directory.create(try #require(Directory.parent(of: path)))
            try AtomicFile.write(bytes ?? blob.bytes, to: path, durable: false)
        }

        private func backendBytes(_ blob: OriginBlob, _ root: String) throws -> [UInt8]? {
            try AtomicFile.read("\(root)/backend/\(blob.backendPath)", bytesMax: 1 << 26)
        }

        @Test("writes an uploaded blob back, and only then lets it be removed")
        func writesBack() async throws {
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with(root) { origin in
                    let blob = OriginBlob.random(3_000_000)
                    try await origin.upload(blob)
                    await origin.untilWrittenBack(blob)
                    #expect(try backendBytes(blob, root) == blob.bytes)
                    let counters = try await origin.status().counters
                    #expect(counters["blobs_written_back"] == 1)
                    #expect(
                        try await origin.send(.delete, "/internal/blobs/\(blob.digest)").status
                            == 202
                    )
                }
            }
        }

        @Test("keeps what its backend can't take, tries again, and goes on with it after a restart")
        func keepsWhatIsOwed() async throws {
            let port = try ReservedPort.make()
            let broken = BackendRule(
                backend: .testfs(
                    address: "127.0.0.1:\(port)",
                    root: "",
                    namePath: .shardedDockerBlob
                )
            )
            try await withTemporaryFolder { root in
                let blob = OriginBlob.random(10_000)
                let lost = OriginBlob("of no namespace")
                try await OriginUnderTest.with(root) {
                    $0.backends = [broken]
                } body: { origin in
                    try await origin.upload(blob)
                    await origin.event { event in
                        event.kind == .writeBackFailed && event.detail?["attempt"] == "2"
                    }
                    let queue = try #require(try await origin.status().queues?.first)
                    #expect((queue.pendingCount, queue.failedCount) == (1, 1))
                    #expect(queue.lastError != nil)
                    let delete = try await origin.send(.delete, "/internal/blobs/\(blob.digest)")
                    #expect(delete.status == 409)
                }
                try await OriginUnderTest.with(root) {
                    $0.backends = []
                } body: { origin in
                    try await origin.upload(lost)
                    await origin.event { $0.kind == .writeBackFailed && $0.blob == lost.digest }
                    let delete = try await origin.send(.delete, "/internal/blobs/\(lost.digest)")
                    #expect(delete.status == 409, "what no backend takes is not lost either")
                }
                try await OriginUnderTest.with(root) { origin in
                    await origin.untilWrittenBack(blob)
                    await origin.untilWrittenBack(lost)
                    let written = try [backendBytes(blob, root), backendBytes(lost, root)]
                    #expect(written == [blob.bytes, lost.bytes])
                }
            }
        }

        @Test("replaces what is in the backend with another length, and leaves the rest")
        func repairsBackend() async throws {
            try await withTemporaryFolder { root in
                let torn = OriginBlob("torn by a crash")
                try put(torn, bytes: [1], root)
                try await OriginUnderTest.with(root) { origin in
                    try await origin.upload(torn)
                    await origin.untilWrittenBack(torn)
                    #expect(try backendBytes(torn, root) == torn.bytes)
                }
            }
        }

        @Test("fetches a blob from its backend while the asker asks again, and says 404 at once")
        func refreshes() async throws {
            try await withTemporaryFolder { root in
                let blob = OriginBlob.random(5_000_000)
                try put(blob, root)
                try await OriginUnderTest.with(root) { origin in
                    let absent = OriginBlob("absent")
                    for path in [absent.path, "\(absent.internalPath)/metainfo"] {
                        #expect(try await origin.send(.get, path).status == 404)
                    }
                    #expect(try await origin.send(.post, "\(absent.path)/prefetch").status == 404)
                    let stat = try await origin.send(.head, blob.internalPath)
                    #expect((stat.status, stat.header("Content-Length")) == (200, "5000000"))
                    let local = try await origin.send(.head, "\(blob.internalPath)?local=true")
                    #expect(local.status == 404)

                    let first = try await origin.send(.get, "\(blob.internalPath)/metainfo")
                    #expect((first.status, first.text) == (202, ""))
                    let metaInfo = try await origin.poll("\(blob.internalPath)/metainfo")
                    #expect(metaInfo.status == 200)
                    #expect(try await origin.send(.get, blob.path).bytes == blob.bytes)
                    #expect(try await origin.send(.post, "\(blob.path)/prefetch").status == 200)
                    #expect(try await origin.status().queues?.first?.pendingCount == 0)
                }
            }
        }

        @Test("downloads a blob once, however many ask for it")
        func refreshesOnce() async throws {
            try await withTemporaryFolder { root in
                let blob = OriginBlob.random(2_000_000)
                try put(blob, root)
                try await OriginUnderTest.with(root) { origin in
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for _ in 0..<16 {
                            group.addTask {
                                let answer = try await origin.poll(blob.path)
                                #expect(answer.bytes == blob.bytes)
                            }
                        }
                        try await group.waitForAll()
                    }
                    #expect(try await origin.status().counters["blobs_refreshed"] == 1)
                }
            }
        }

        @Test("never serves a damaged copy of the backend, and remembers for a while that it is")
        func refusesDamage() async throws {
            try await withTemporaryFolder { root in
                let blob = OriginBlob("what should be there")
                try put(blob, bytes: Array("what is there indeed".utf8), root)
                try await OriginUnderTest.with(root) {
                    $0.refreshErrorTimeToLive = .minutes(10)
                } body: {
                    origin in
                    #expect(try await origin.send(.get, blob.path).status == 202)
                    var answer = try await origin.send(.get, blob.path)
                    while answer.status == 202 { answer = try await origin.send(.get, blob.path) }
                    #expect(answer.status == 502)
                    #expect(try await origin.send(.get, blob.path).status == 502)
                    #expect(try await origin.status().storage?.blobCount == 0)
                }
            }
        }

        @Test("refuses blobs that are too large and namespaces without a backend")
        func refusesByRule() async throws {
            try await withTemporaryFolder { root in
                let blob = OriginBlob.random(2000)
                try put(blob, root)
                try await OriginUnderTest.with(root) { configuration in
                    configuration.refreshBytesMax = ByteCount(1999)
                    configuration.backends[0].namespacePattern = "^ns/"
                } body: { origin in
                    #expect(try await origin.send(.get, blob.path).status == 403)
                    let other = try await origin.send(.get, "/namespace/other/blobs/\(blob.digest)")
                    #expect(other.status == 400)
                    #expect(other.text.contains("backend"))
                }
            }
        }

        @Test("is ready only while its backend is, where that is asked for")
        func reportsReadiness() async throws {
            let port = try ReservedPort.make()
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with(root) { configuration in
                    configuration.backends = [
                        BackendRule(
                            backend: .testfs(
                                address: "127.0.0.1:\(port)",
                                root: "",
                                namePath: .identity
                            ),
                            mustBeReady: true
                        )
                    ]
                } body: { origin in
                    let health = try await origin.send(.get, "/health")
                    #expect((health.status, health.text) == (200, "OK\n"))
                    let readiness = try await origin.send(.get, "/readiness")
                    #expect(readiness.status == 503)
                    #expect(readiness.text.hasPrefix("not ready to serve traffic: "))
                }
            }
        }

        @Test("cleans up by force what is old, once it is written back")
        func forcesCleanup() async throws {
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with(root) { origin in
                    for path in ["/forcecleanup", "/forcecleanup?ttl_hr=x", "/forcecleanup/v2"] {
                        #expect(try await origin.send(.post, path).status == 400)
                    }
                    let v2 = "/forcecleanup/v2?target_util_percent=50&respect_eviction_ban=true"
                    #expect(try await origin.send(.post, v2).status == 501)
                    let blob = OriginBlob("old")
                    try await origin.upload(blob)
                    let kept = try await origin.send(.post, "/forcecleanup?ttl_hr=1")
                    #expect(kept.text == #"{"deleted":null,"errors":null}"#)
                    let data = try #require(try dataFiles(root).first)
                    try FileManager.default.setAttributes(
                        [.modificationDate: Date(timeIntervalSinceNow: -7300)],
                        ofItemAtPath: data
                    )
                    let cleaned = try await origin.send(.post, "/forcecleanup?ttl_hr=2")
                    #expect(cleaned.text == #"{"deleted":["\#(blob.digest.hex)"],"errors":null}"#)
                    #expect(try backendBytes(blob, root) == blob.bytes)
                    #expect(try await origin.poll(blob.path).bytes == blob.bytes)
                }
            }
        }

        private func dataFiles(_ root: String) throws -> [String] {
            let cache = "\(root)/origin-0/cache"
            return try FileManager.default.subpathsOfDirectory(atPath: cache)
                .filter { $0.hasSuffix("/data") }.map { "\(cache)/\($0)" }
        }

        @Test("tells its state: storage, ring, queue and counters")
        func tellsState() async throws {
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with(root) { origin in
                    let blob = OriginBlob.random(1000)
                    try await origin.upload(blob)
                    let snapshot = try await origin.status()
                    #expect((snapshot.kind, snapshot.health) == (.origin, .ok))
                    #expect(snapshot.addresses["http"] == origin.address)
                    #expect(snapshot.addresses["peer"] == origin.peerAddress)
                    #expect(snapshot.storage?.blobCount == 1)
                    #expect(snapshot.storage?.blobBytes == 1000)
                    #expect(snapshot.ring?.members.map(\.address) == [origin.address])
                    #expect(snapshot.queues?.map(\.name) == ["write-back"])
                    #expect(snapshot.counters["blobs_committed"] == 1)
                }
            }
        }
    }
}
