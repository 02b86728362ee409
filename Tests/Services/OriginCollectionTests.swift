// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import ClusterConfiguration
import Content
import Files
import HTTPTypes
import Primitives
import TestSupport
import Testing

extension ServicesTests {
    @Suite("Origin: collections") struct OriginCollectionTests {
        private func client(_ origin: OriginUnderTest) -> CollectionClient {
            CollectionClient(address: origin.address, http: TrackerWorld.http)
        }

        private func order(
            _ start: CollectionStart,
            _ digests: [Digest],
            run: UInt64 = 7,
            isDryRun: Bool = false
        ) -> CondemnOrder {
            CondemnOrder(
                run: run,
                start: start,
                grace: .zero,
                duration: .minutes(2),
                isDryRun: isDryRun,
                digests: digests
            )
        }

        @Test("lists what is on the disk and in the backend, and removes both when told to")
        func removes() async throws {
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with(root) { origin in
                    let (blob, other) = (OriginBlob.random(20_000), OriginBlob("other"))
                    for each in [blob, other] {
                        try await origin.upload(each)
                        await origin.untilWrittenBack(each)
                    }
                    let client = client(origin)
                    let start = try await client.begin()
                    let stored = try await client.blobs(after: nil)
                    #expect(
                        Set(stored.blobs) == [
                            .init(digest: blob.digest, bytes: 20_000),
                            .init(digest: other.digest, bytes: 5),
                        ]
                    )
                    let backend = try await client.backendBlobs(0, after: nil)
                    #expect(Set(backend.digests) == [blob.digest, other.digest])
                    #expect(backend.nextIndex == nil)

                    let dry = order(start, [blob.digest], isDryRun: true)
                    #expect(try await client.condemn(dry).refused.isEmpty)
                    #expect(
                        try await client.remove(.init(run: 7, digests: [blob.digest])).removed
                            .isEmpty
                    )
                    #expect(try await client.condemn(order(start, [blob.digest])).refused.isEmpty)
                    let removal = RemoveOrder(run: 7, digests: [blob.digest, other.digest])
                    let answer = try await client.remove(removal)
                    #expect(answer.removed == [blob.digest: 20_000])
                    #expect(Array(answer.refused.keys) == [other.digest])
                    let cleared = try await client.removeFromBackends(removal)
                    #expect(cleared.removed == [blob.digest: 20_000])
                    try await client.release(removal)
                    #expect(
                        try await client.blobs(after: nil).blobs.map(\.digest) == [other.digest]
                    )
                    #expect(try await client.backendBlobs(0, after: nil).digests == [other.digest])
                    #expect(try await origin.send(.get, blob.path).status == 404)
                    #expect(try await origin.send(.get, other.path).bytes == other.bytes)
                }
            }
        }

        @Test(
            "refuses what was asked for since, what is owed to the backend, and other collections"
        )
        func refuses() async throws {
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with(root) { origin in
                    let blob = OriginBlob.random(2000)
                    try await origin.upload(blob)
                    await origin.untilWrittenBack(blob)
                    let client = client(origin)
                    let early = try await client.begin()
                    #expect(try await origin.send(.head, blob.internalPath).status == 200)
                    let refused = try await client.condemn(order(early, [blob.digest])).refused
                    #expect(refused[blob.digest] == "used since the collection began")

                    // Another origin that looks after copies does not count, nor does a collection that reads.
                    let start = try await client.begin()
                    _ = try await origin.send(.head, "\(blob.internalPath)?local=true")
                    _ = try await origin.send(.get, "\(blob.path)?collection=true")
                    #expect(try await client.condemn(order(start, [blob.digest])).refused.isEmpty)
                    let second = try await client.condemn(order(start, [blob.digest], run: 8))
                    #expect(second.refused[blob.digest] == "another collection is at work on it")
                    let unknown = CollectionStart(epoch: start.epoch &+ 1, at: start.at)
                    let other = try await client.condemn(order(unknown, [blob.digest], run: 8))
                    let restarted = "the origin has restarted since the collection began"
                    #expect(other.refused[blob.digest] == restarted)
                }
                let broken = OriginBlob("its backend is gone")
                try await OriginUnderTest.with(root, id: "origin-1") {
                    $0.backends = []
                } body: { origin in
                    try await origin.upload(broken)
                    let client = client(origin)
                    let start = try await client.begin()
                    let answer = try await client.condemn(order(start, [broken.digest]))
                    #expect(answer.refused[broken.digest] == "not written back yet")
                    #expect(try await origin.send(.get, broken.path).bytes == broken.bytes)
                }
            }
        }

        @Test("what is condemned is as good as gone, over a restart too, until it is released")
        func condemned() async throws {
            try await withTemporaryFolder { root in
                let blob = OriginBlob.random(2000)
                try await OriginUnderTest.with(root) { origin in
                    try await origin.upload(blob)
                    await origin.untilWrittenBack(blob)
                    let client = client(origin)
                    let start = try await client.begin()
                    #expect(try await client.condemn(order(start, [blob.digest])).refused.isEmpty)
                    #expect(try await origin.send(.head, blob.internalPath).status == 404)
                }
                try await OriginUnderTest.with(root) { origin in
                    #expect(try await origin.send(.get, blob.path).status == 404)
                    let client = client(origin)
                    // An upload waits for the collection, and then has its way.
                    async let upload: Void = origin.upload(blob)
                    let removal = RemoveOrder(run: 7, digests: [blob.digest])
                    #expect(try await client.remove(removal).removed == [blob.digest: 2000])
                    _ = try await client.removeFromBackends(removal)
                    try await client.release(removal)
                    try await upload
                    #expect(try await origin.send(.get, blob.path).bytes == blob.bytes)
                    await origin.untilWrittenBack(blob)
                    #expect(try await client.backendBlobs(0, after: nil).digests == [blob.digest])
                }
            }
        }
    }
}
