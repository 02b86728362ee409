// SPDX-License-Identifier: Apache-2.0

import BuildIndexService
import ClusterClients
import ClusterConfiguration
import Content
import Files
import HTTPKit
import HTTPTypes
import Primitives
import RegistryAPI
import TestSupport
import Testing

extension ServicesTests {
    @Suite("Build-index: lists that are asked for again and again") struct TagListTests {
        private let image = BuildIndexImage("one")
        private let repository: RepositoryName

        init() throws { repository = try RepositoryName("team/app") }

        private func tag(_ name: String) throws -> QualifiedTag {
            try QualifiedTag(parsing: "team/app:\(name)")
        }

        private func withImage(
            interval: Duration,
            body: (BuildIndexUnderTest, String) async throws -> Void
        ) async throws {
            try await BuildIndexUnderTest.withOrigin {
                $0.tagCacheInterval = interval
            } body: { index, origin, root in
                try await image.upload(to: origin)
                try await body(index, root)
            }
        }

        /// Adds to the backend what no build-index has put.
        private func plant(_ name: String, _ root: String) throws {
            let folder =
                "\(root)/backend/docker/registry/v2/repositories/team/app/_manifests/tags/\(name)/current"
            try Directory.create(folder)
            let bytes = Array("\(image.digest)".utf8)
            try AtomicFile.write(bytes, to: "\(folder)/link", durable: false)
        }

        @Test("what has not changed is not sent again; every change here is seen at once")
        func unchanged() async throws {
            try await withImage(interval: .hours(1)) { index, root in
                func list(_ known: String?) async throws -> TagPage? {
                    try await index.client.tags(
                        of: repository,
                        limit: nil,
                        offset: nil,
                        unless: known
                    )
                }
                try await index.client.put(tag("v1"), image.digest)
                let first = try #require(try await list(nil))
                #expect(first.names == ["v1"])
                let name = try #require(first.entityTag)
                await index.untilWrittenBack("team/app:v1", image.digest)
                #expect(try await list(name) == nil)
                #expect(try await list("\"another\"")?.names == ["v1"])
                // Nobody here knows of it, and the list is still good.
                try plant("v2", root)
                #expect(try await list(name) == nil)
                try await index.client.put(tag("v3"), image.digest)
                let third = try #require(try await list(name))
                #expect(third.names == ["v1", "v2", "v3"])
                try await index.client.delete(tag("v1"))
                #expect(try await list(third.entityTag)?.names == ["v2", "v3"])
                let answer = try await index.send(.get, "/repositories/team%2Fapp/tags")
                #expect(answer.headers[.eTag] != nil && answer.headers[.eTag] != name)
            }
        }

        @Test("with an interval of zero, changes made elsewhere are seen at once")
        func elsewhere() async throws {
            try await withImage(interval: .zero) { index, root in
                let tags = registry(index)
                for count in 1...3 {
                    try plant("v\(count)", root)
                    #expect(try await tags.userTags(of: repository).count == count)
                }
            }
        }

        private func registry(_ index: BuildIndexUnderTest) -> BuildIndexTags {
            BuildIndexTags(
                buildIndexes: BuildIndexCluster(
                    hosts: HostList([index.address]),
                    http: TrackerWorld.http,
                    log: TrackerWorld.log
                ),
                limits: Limits()
            )
        }

        @Test(
            "a registry lists what is there after any history of puts and deletions",
            arguments: 1...4
        )
        func histories(seed: UInt64) async throws {
            print("seed \(seed)")
            var random = Generator(seed: seed)
            try await withImage(interval: .hours(1)) { index, _ in
                let tags = registry(index)
                var expected = Set<String>()
                for _ in 0..<60 {
                    let name = "v\(Int.random(in: 0..<12, using: &random))"
                    if Bool.random(using: &random) {
                        try await index.client.put(tag(name), image.digest)
                        expected.insert(name)
                    } else if expected.remove(name) != nil {
                        try await index.client.delete(tag(name))
                    }
                    // Sometimes nothing has changed since, sometimes much has.
                    for _ in 0..<Int.random(in: 0..<3, using: &random) {
                        #expect(try await tags.userTags(of: repository) == expected.sorted())
                    }
                    let after = expected.randomElement(using: &random)
                    let page = try await tags.tags(
                        of: repository,
                        page: PageRequest(limit: 3, after: after)
                    )
                    let rest = expected.filter { $0 > after ?? "" }.sorted()
                    #expect(page?.names ?? [] == Array(rest.prefix(3)))
                    if let page { #expect(page.hasMore == (rest.count > 3)) }
                }
            }
        }
    }
}
