// SPDX-License-Identifier: Apache-2.0

import BuildIndexService
import ClusterClients
import ClusterConfiguration
import Content
import Files
import HTTPKit
import HTTPTypes
import Primitives
import Telemetry
import TestSupport
import Testing

extension ServicesTests {
    @Suite("Build-index: tags that move and go") struct BuildIndexMovesTests {
        private let first = BuildIndexImage("one")
        private let second = BuildIndexImage("two")
        private let tag: QualifiedTag

        init() throws { tag = try QualifiedTag(parsing: "team/app:v1") }

        private func withImages(
            configure: (inout BuildIndexConfiguration) -> Void = { _ in },
            body: (BuildIndexUnderTest, String) async throws -> Void
        ) async throws {
            try await BuildIndexUnderTest.withOrigin(configure: configure) { index, origin, root in
                for image in [first, second] { try await image.upload(to: origin) }
                try await body(index, root)
            }
        }

        @Test("a condition decides whether a tag moves")
        func conditions() async throws {
            try await withImages { index, _ async throws in
                let client = index.client
                func refusal(
                    _ digest: Digest,
                    _ condition: TagCondition
                ) async -> ClusterError.Code? {
                    await #expect(throws: ClusterError.self) {
                        try await client.put(tag, digest, condition: condition)
                    }?.code
                }
                #expect(await refusal(first.digest, .exists) == .status(412))
                #expect(await refusal(first.digest, .names([first.digest])) == .status(412))
                try await client.put(tag, first.digest, condition: .absent)
                #expect(await refusal(second.digest, .absent) == .status(412))
                #expect(await refusal(second.digest, .names([second.digest])) == .status(412))
                #expect(
                    await refusal(second.digest, .namesNone(of: [first.digest])) == .status(412)
                )
                #expect(try await client.digest(of: tag) == first.digest)
                try await client.put(tag, second.digest, condition: .names([first.digest]))
                #expect(try await client.digest(of: tag) == second.digest)
                // An answer that was lost makes a client ask once more.
                try await client.put(tag, second.digest, condition: .names([first.digest]))
                await #expect(throws: ClusterError.self) {
                    try await client.delete(tag, condition: .names([first.digest]))
                }
                try await client.delete(tag, condition: .names([second.digest]))
                #expect(try await client.digest(of: tag) == nil)
                try await client.put(tag, first.digest, condition: .absent)
                let answer = try await index.send(.get, "/tags/team%2Fapp:v1")
                #expect(answer.headers[.eTag] == "\"\(first.digest)\"")
            }
        }

        @Test(
            "of many who create a tag at once, under the condition that it is absent, one succeeds"
        )
        func oneWins() async throws {
            try await withImages { index, _ async throws in
                for round in 0..<5 {
                    let tag = try QualifiedTag(parsing: "team/app:r\(round)")
                    let wins = await withTaskGroup(of: Bool.self) { group in
                        for turn in 0..<12 {
                            let digest = turn % 2 == 0 ? first.digest : second.digest
                            group.addTask {
                                do {
                                    try await index.client.put(tag, digest, condition: .absent)
                                    return true
                                } catch { return false }
                            }
                        }
                        return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
                    }
                    #expect(wins == 1)
                }
            }
        }

        @Test("a removed tag is gone here, in lists and in the backend, also after a restart")
        func removal() async throws {
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with("\(root)/o") { origin in
                    try await first.upload(to: origin)
                    let other = try QualifiedTag(parsing: "team/app:v2")
                    try await BuildIndexUnderTest.with(root, origins: [origin.address]) {
                        index async throws in
                        try await index.client.put(tag, first.digest)
                        try await index.client.put(other, first.digest)
                        await index.untilWrittenBack("\(tag)", first.digest)
                        try await index.client.delete(tag)
                        #expect(try await index.client.digest(of: tag) == nil)
                        #expect(try BuildIndexUnderTest.stored("\(tag)", root) == nil)
                        let names = try await index.client.tags(of: tag.repository)?.names
                        #expect(names == ["v2"])
                        #expect(try await index.status().tags?.tagCount == 1)
                        let error = await #expect(throws: ClusterError.self) {
                            try await index.client.delete(tag)
                        }
                        #expect(error?.code == .notFound)
                    }
                    try await BuildIndexUnderTest.with(root, origins: [origin.address]) {
                        index async throws in
                        #expect(try await index.client.digest(of: tag) == nil)
                        #expect(try await index.client.tags(of: tag.repository)?.names == ["v2"])
                        try await index.client.put(tag, first.digest)
                        await index.untilWrittenBack("\(tag)", first.digest)
                        #expect(
                            try await index.client.tags(of: tag.repository)?.names == ["v1", "v2"]
                        )
                    }
                }
            }
        }

        @Test("a tag is not removed while the backend, which would bring it back, is down")
        func removalWithoutBackend() async throws {
            try await withImages { index, root async throws in
                try await index.client.put(tag, first.digest)
                await index.untilWrittenBack("\(tag)", first.digest)
                try Directory.remove("\(root)/backend")
                try AtomicFile.write([], to: "\(root)/backend", durable: false)
                let error = await #expect(throws: ClusterError.self) {
                    try await index.client.delete(tag)
                }
                #expect(error?.code == .status(503))
                #expect(try await index.client.digest(of: tag) == first.digest)
            }
        }

        @Test("an immutable tag is put once, and again only as it is")
        func immutable() async throws {
            try await withImages {
                $0.immutableTags = ["^team/.*:v[0-9]+$"]
            } body: {
                index,
                _ async throws in
                try await index.client.put(tag, first.digest)
                try await index.client.put(tag, first.digest)
                let move = await #expect(throws: ClusterError.self) {
                    try await index.client.put(tag, second.digest)
                }
                #expect(move?.code == .status(409))
                #expect(move?.why.contains("immutable_tags") == true)
                let removal = await #expect(throws: ClusterError.self) {
                    try await index.client.delete(tag)
                }
                #expect(removal?.code == .status(409))
                #expect(try await index.client.digest(of: tag) == first.digest)
                let latest = try QualifiedTag(parsing: "team/app:latest")
                for image in [first, second] { try await index.client.put(latest, image.digest) }
                #expect(try await index.client.digest(of: latest) == second.digest)
            }
        }

        @Test("a change made elsewhere is seen after the interval; at once when that is zero")
        func elsewhere() async throws {
            try await withImages {
                $0.tagCacheInterval = .zero
            } body: { index, root async throws in
                try await index.client.put(tag, first.digest)
                await index.untilWrittenBack("\(tag)", first.digest)
                let path =
                    "\(root)/backend/docker/registry/v2/repositories/team/app/_manifests/tags"
                    + "/v1/current/link"
                for image in [second, first] {
                    try AtomicFile.write(Array("\(image.digest)".utf8), to: path, durable: false)
                    #expect(try await index.client.digest(of: tag) == image.digest)
                }
                // Lost by the backend, not removed by anybody.
                try Directory.remove(path)
                #expect(try await index.client.digest(of: tag) == first.digest)
            }
        }

        @Test("neighbours take changes in the order in which they were made")
        func order() async throws {
            try await withTemporaryFolder { root in
                try await BuildIndexUnderTest.with(root, origins: []) { index async throws in
                    func tell(_ digest: Digest?, at moment: Int64) async throws {
                        try await index.client.duplicatePut(
                            tag,
                            digest,
                            delay: .hours(1),
                            madeAtNanoseconds: moment
                        )
                    }
                    let now = Timestamp.now.unixNanoseconds
                    try await tell(second.digest, at: now)
                    try await tell(first.digest, at: now - 1000)
                    #expect(try await index.client.digest(of: tag) == second.digest)
                    try await tell(nil, at: now + 1000)
                    try await tell(second.digest, at: now)
                    #expect(try await index.client.digest(of: tag) == nil)
                    #expect(try await index.client.list().names.isEmpty)
                    try await tell(first.digest, at: now + 2000)
                    #expect(try await index.client.digest(of: tag) == first.digest)
                }
            }
        }

        @Test(
            "a neighbour that was down learns what it missed, even from one that restarted meanwhile"
        )
        func missedChanges() async throws {
            let ports = [try ReservedPort.make(), try ReservedPort.make()]
            let cluster = ports.map { "127.0.0.1:\($0)" }
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with(root) { origin in
                    for image in [first, second] { try await image.upload(to: origin) }
                    // Each with a backend of its own, so that they can learn from each other only.
                    func with(
                        _ place: Int,
                        _ body: (BuildIndexUnderTest) async throws -> Void
                    ) async throws {
                        let folder = "\(root)/\(place)"
                        try await BuildIndexUnderTest.with(folder, origins: [origin.address]) {
                            ($0.port, $0.cluster) = (ports[place], cluster)
                            $0.drainTimeout = .milliseconds(50)
                        } body: {
                            try await body($0)
                        }
                    }
                    let gone = try QualifiedTag(parsing: "team/app:gone")
                    try await with(0) { index async throws in
                        try await with(1) { neighbour async throws in
                            try await index.client.put(gone, first.digest)
                            #expect(try await neighbour.client.digest(of: gone) == first.digest)
                        }
                        try await index.client.put(tag, first.digest)
                        try await index.client.put(tag, second.digest)
                        try await index.client.delete(gone)
                    }
                    try await with(0) { _ async throws in
                        try await with(1) { neighbour async throws in
                            await neighbour.event {
                                $0.kind == .writeBackQueued && $0.blob == second.digest
                            }
                            #expect(try await neighbour.client.digest(of: tag) == second.digest)
                            await neighbour.event {
                                $0.kind == .writeBackQueued && $0.detail?["tag"] == "\(gone)"
                                    && $0.blob == nil
                            }
                            #expect(try await neighbour.client.digest(of: gone) == nil)
                        }
                    }
                }
            }
        }
    }
}
