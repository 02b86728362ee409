// SPDX-License-Identifier: Apache-2.0

import BuildIndexService
import ClusterClients
import ClusterConfiguration
import Content
import HTTPKit
import HTTPTypes
import Primitives
import Telemetry
import TestSupport
import Testing

extension ServicesTests {
    @Suite("Build-index") struct BuildIndexTests {
        private let image = BuildIndexImage("one")

        @Test("puts, gets and lists tags as Kraken's transcript has it")
        func transcript() async throws {
            try await BuildIndexUnderTest.withOrigin { index, origin, _ async throws in
                try await image.upload(to: origin)
                let path = "/tags/repo%2Fimg:v1/digest/\(image.digest)"
                let put = try await index.send(.put, path + "?replicate=true")
                #expect(put.status == 200 && put.bytes.isEmpty)
                for name in ["repo%2Fimg:v1", "repo%252Fimg:v1", "repo%2Fimg%3Av1"] {
                    let get = try await index.send(.get, "/tags/\(name)")
                    #expect(get.status == 200 && get.text == image.digest.description)
                    #expect(try await index.send(.head, "/tags/\(name)").status == 200)
                }
                let none = try await index.send(.get, "/tags/none:none")
                #expect(none.status == 404 && none.bytes.isEmpty)
                #expect(try await index.send(.head, "/tags/none:none").status == 404)
                let list = try await index.send(.get, "/repositories/repo%2Fimg/tags")
                #expect(
                    list.text
                        == #"{"Links":{"next":"","self":"/repositories/repo%2Fimg/tags"},"#
                        + #""size":1,"result":["v1"]}"# + "\n"
                )
                let remote = try await index.send(.post, "/remotes/tags/repo%2Fimg:v1")
                #expect(remote.status == 200 && remote.bytes.isEmpty)
                #expect(try await index.send(.post, "/remotes/tags/none:none").status == 404)
                #expect(try await index.send(.get, "/origin").text == origin.address)
                #expect(try await index.send(.get, "/health").text == "OK\n")
                #expect(try await index.send(.get, "/readiness").text == "OK\n")
            }
        }

        @Test("believes whoever has just seen what a manifest refers to, and nobody else")
        func seen() async throws {
            try await BuildIndexUnderTest.withOrigin { index, _, _ async throws in
                let tag = try QualifiedTag(parsing: "repo/img:v1")
                let error = await #expect(throws: ClusterError.self) {
                    try await index.client.put(tag, image.digest)
                }
                #expect(error?.code == .status(500))
                let (config, layer) = (image.config.digest, image.layer.digest)
                let answer = try await index.client.put(
                    tag,
                    image.digest,
                    dependencies: [config, layer]
                )
                #expect(answer == false)
                #expect(try await index.client.digest(of: tag) == image.digest)
                let repository = tag.repository
                let all = [image.digest, config, layer]
                #expect(try await index.client.deleted(among: all, in: repository) == [])
                for digest in [image.digest, layer] {
                    let marker = QualifiedTag(
                        repository: repository,
                        tag: ReservedTag.deleted(digest).tag
                    )
                    try await index.client.put(marker, digest)
                }
                let deleted = try await index.client.deleted(among: all, in: repository)
                #expect(deleted == [image.digest, layer])
                let again = try await index.client.put(tag, image.digest, dependencies: [layer])
                #expect(again == true)
            }
        }

        @Test("takes a neighbour's puts and replications without looking for blobs")
        func duplicates() async throws {
            try await withTemporaryFolder { root in
                try await BuildIndexUnderTest.with(root, origins: []) { index async throws in
                    let tag = "repo%2Fimg:v1/digest/\(image.digest)"
                    let put = try await index.send(
                        .put,
                        "/internal/duplicate/tags/\(tag)",
                        #"{"delay":1200000000000}"#
                    )
                    #expect(put.status == 200 && put.bytes.isEmpty)
                    let replicate = try await index.send(
                        .post,
                        "/internal/duplicate/remotes/tags/\(tag)",
                        #"{"dependencies":["\#(image.digest)"],"delay":0}"#
                    )
                    #expect(replicate.status == 200)
                    #expect(
                        try await index.send(.get, "/tags/repo%2Fimg:v1").text == "\(image.digest)"
                    )
                    // Put off, but owed: a list shows it.
                    #expect(try BuildIndexUnderTest.stored("repo/img:v1", root) == nil)
                    #expect(try await index.client.list().names == ["repo/img:v1"])
                    for body in ["", "{", #"{"delay":-1}"#, #"{"delay":"1s"}"#] {
                        let answer = try await index.send(
                            .put,
                            "/internal/duplicate/tags/\(tag)",
                            body
                        )
                        #expect(answer.status == 400)
                    }
                }
            }
        }

        @Test("pages join to the whole list; unknown and wrong arguments are refused")
        func lists() async throws {
            try await withTemporaryFolder { root in
                try await BuildIndexUnderTest.with(root, origins: []) { index async throws in
                    let names = ["a/b:1", "a/b:2", "a:1", "b:1", "b:2"]
                    for (position, name) in names.enumerated() {
                        let tag = try QualifiedTag(parsing: name)
                        // Some in the backend by now, some only here.
                        let delay = Duration.seconds(position % 2 == 0 ? 0 : 600)
                        try await index.client.duplicatePut(tag, image.digest, delay: delay)
                        if delay == .zero { await index.untilWrittenBack(name, image.digest) }
                    }
                    for limit in 1...6 {
                        var (listed, offset): ([String], String?) = ([], nil)
                        repeat {
                            let page = try await index.client.list(limit: limit, offset: offset)
                            #expect(page.names.count <= limit)
                            listed += page.names
                            offset = page.nextOffset
                        } while offset != nil
                        #expect(listed == names)
                    }
                    let page = try await index.send(.get, "/list/?limit=2")
                    #expect(
                        page.text
                            == #"{"Links":{"next":"/list/?limit=2&offset=a%2Fb%3A2","#
                            + #""self":"/list/?limit=2"},"size":2,"result":["a/b:1","a/b:2"]}"#
                            + "\n"
                    )
                    let repository = try RepositoryName("a/b")
                    #expect(try await index.client.tags(of: repository)?.names == ["1", "2"])
                    #expect(
                        try await index.client.list(prefix: "a/b/_manifests/tags").names == [
                            "a/b:1", "a/b:2",
                        ]
                    )
                    #expect(try await index.client.list(prefix: "a/").names == ["a/b:1", "a/b:2"])
                    let empty = try await index.send(.get, "/repositories/none/tags")
                    #expect(empty.status == 200 && empty.text.contains(#""size":0,"result":null"#))
                    for query in ["foo=1", "limit=0", "limit=x", "limit=1&limit=2", "limit=-1"] {
                        let answer = try await index.send(.get, "/list/?\(query)")
                        #expect(answer.status == 400)
                        #expect(answer.text.hasPrefix("invalid"))
                    }
                    #expect(try await index.send(.get, "/list/?foo=1").text == "invalid query foo")
                }
            }
        }

        @Test("refuses a tag whose blobs are missing, and names the missing one")
        func dependencies() async throws {
            try await BuildIndexUnderTest.withOrigin { index, origin, _ async throws in
                let path = "/tags/app:v1/digest/\(image.digest)"
                // Which of several missing ones is named is open.
                let steps: [(missing: [OriginBlob], uploaded: OriginBlob?)] = [
                    ([image.manifest], nil), ([image.config, image.layer], image.manifest),
                    ([image.layer], image.config),
                ]
                for (missing, uploaded) in steps {
                    if let uploaded { try await origin.upload(uploaded) }
                    let answer = try await index.send(.put, path)
                    #expect(answer.status == 500)
                    let named = missing.filter {
                        answer.text.contains("missing dependency \($0.digest)")
                    }
                    #expect(named.count == 1, "\(answer.text)")
                    #expect(try await index.send(.get, "/tags/app:v1").status == 404)
                }
                try await origin.upload(image.layer)
                #expect(try await index.send(.put, path).status == 200)
                let text = OriginBlob("not a manifest")
                try await origin.upload(text)
                let answer = try await index.send(.put, "/tags/app:v2/digest/\(text.digest)")
                #expect(answer.status == 500 && answer.text.contains("is not a manifest"))
            }
        }

        @Test("an index needs its manifests, not their layers")
        func indexes() async throws {
            try await BuildIndexUnderTest.withOrigin { index, origin, _ async throws in
                let child = image.manifest
                let list = OriginBlob(
                    #"{"schemaVersion":2,"manifests":[{"#
                        + #""mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"\#(child.digest)","size":\#(child.bytes.count)}]}"#
                )
                try await origin.upload(list)
                let path = "/tags/app:v1/digest/\(list.digest)"
                #expect(try await index.send(.put, path).status == 500)
                try await origin.upload(child)
                #expect(try await index.send(.put, path).status == 200)
            }
        }

        @Test("the kind of a tag decides what it needs; a tag of no kind is refused")
        func kinds() async throws {
            try await BuildIndexUnderTest.withOrigin { configuration in
                configuration.tagTypes = [
                    TagTypeRule(namespacePattern: "^data/", type: .blob),
                    TagTypeRule(namespacePattern: "^app", type: .docker),
                ]
            } body: { index, origin, _ async throws in
                let blob = OriginBlob("any bytes")
                #expect(
                    try await index.send(.put, "/tags/data%2Fx:1/digest/\(blob.digest)").status
                        == 500
                )
                try await origin.upload(blob)
                #expect(
                    try await index.send(.put, "/tags/data%2Fx:1/digest/\(blob.digest)").status
                        == 200
                )
                let other = try await index.send(.put, "/tags/other:1/digest/\(blob.digest)")
                #expect(other.status == 500 && other.text.contains("tag_types"))
            }
        }

        @Test(
            "names and digests of another form get 400 with the reason",
            arguments: [
                "/tags/no-colon/digest/D", "/tags/UPPER:1/digest/D",
                "/tags/..%2F..%2Fetc:1/digest/D",
                "/tags/a%2F..%2Fb:1/digest/D", "/tags/app:../digest/D",
                "/tags/app:v1/digest/sha256:12",
                "/tags/app:v1/digest/abc", "/tags/%zz:1/digest/D",
                "/tags/app:v1/digest/D?replicate=maybe",
                "/internal/duplicate/tags/x/digest/D",
            ]
        )
        func badNames(_ template: String) async throws {
            try await withTemporaryFolder { root in
                try await BuildIndexUnderTest.with(root, origins: []) { index async throws in
                    let path = template.split(
                        separator: "D",
                        maxSplits: 1,
                        omittingEmptySubsequences: false
                    )
                    let whole = path.joined(separator: image.digest.description)
                    let answer = try await index.send(.put, whole, "{}")
                    #expect(
                        answer.status == 400 && !answer.bytes.isEmpty,
                        "\(answer.status) \(whole)"
                    )
                }
            }
        }

        @Test("puts a tag only if nothing was deleted that its manifest refers to, when asked so")
        func unlessDeleted() async throws {
            try await BuildIndexUnderTest.withOrigin { index, origin, _ async throws in
                try await image.upload(to: origin)
                let tag = try QualifiedTag(parsing: "app:v1")
                let cluster = BuildIndexCluster(
                    hosts: HostList([index.address], index.environment),
                    http: TrackerWorld.http,
                    log: index.environment.log
                )
                func put() async throws -> TagPutOutcome? {
                    try await cluster.put(
                        tag,
                        image.digest,
                        replicating: true,
                        unlessDeleted: [image.config.digest, image.layer.digest],
                        condition: .none
                    )
                }
                func note(_ digest: Digest) async throws {
                    let mark = QualifiedTag(
                        repository: tag.repository,
                        tag: ReservedTag.deleted(digest).tag
                    )
                    try await index.client.put(mark, digest)
                }
                try await note(image.layer.digest)
                #expect(try await put() == .refused(deleted: [image.layer.digest]))
                #expect(try await index.client.digest(of: tag) == nil)
                try await index.client.delete(
                    QualifiedTag(
                        repository: tag.repository,
                        tag: ReservedTag.deleted(image.layer.digest).tag
                    )
                )
                #expect(try await put() == .put(wasDeleted: false))
                #expect(try await index.client.digest(of: tag) == image.digest)
                try await note(image.digest)
                #expect(try await put() == .put(wasDeleted: true))
                let conditional = try await cluster.put(
                    tag,
                    image.digest,
                    replicating: false,
                    unlessDeleted: [],
                    condition: .none
                )
                #expect(conditional == .put(wasDeleted: true))
                await #expect(throws: ClusterError.self) {
                    _ = try await cluster.put(
                        tag,
                        image.layer.digest,
                        replicating: false,
                        unlessDeleted: [],
                        condition: .absent
                    )
                }
            }
        }

        @Test(
            "a silent backend is asked for deletions for five seconds, however many layers a manifest has"
        )
        func silentBackend() async throws {
            let silent = try await SilentServer.start()
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with(root) { origin in
                    try await image.upload(to: origin)
                    try await BuildIndexUnderTest.with(
                        root,
                        origins: [origin.address],
                        configure: {
                            let backend = BackendConfiguration.testfs(
                                address: silent.address,
                                root: "",
                                namePath: .dockerTag
                            )
                            $0.backends = [BackendRule(backend: backend)]
                        }
                    ) { index in
                        let start = ContinuousClock.now
                        let cluster = BuildIndexCluster(
                            hosts: HostList([index.address], index.environment),
                            http: TrackerWorld.http,
                            log: index.environment.log
                        )
                        let put = try await cluster.put(
                            try QualifiedTag(parsing: "app:v1"),
                            image.digest,
                            replicating: false,
                            unlessDeleted: (0..<127).map { OriginBlob("layer \($0)").digest },
                            condition: .none
                        )
                        #expect(put == .put(wasDeleted: false))
                        // Eight waves, were each to wait, would be forty; who asks gives up after thirty.
                        #expect(ContinuousClock.now - start < .seconds(20))
                    }
                }
            }
            try await silent.stop()
        }

        @Test("status counts tags and shows the queue")
        func status() async throws {
            try await BuildIndexUnderTest.withOrigin { index, origin, root async throws in
                try await image.upload(to: origin)
                try await index.client.put(try QualifiedTag(parsing: "app:v1"), image.digest)
                await index.untilWrittenBack("app:v1", image.digest)
                let status = try await index.status()
                #expect(status.kind == .buildIndex && status.health == .ok)
                #expect(status.addresses == ["http": index.address])
                #expect(status.tags?.tagCount == 1)
                #expect(status.tags?.latest.first?.tag == "app:v1")
                #expect(status.counters["tags_put"] == 1)
                #expect(status.queues?.first?.name == "write-back")
            }
        }
    }
}
