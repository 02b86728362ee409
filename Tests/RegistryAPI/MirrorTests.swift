// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import HTTPTypes
import RegistryAPI
import Testing

@Suite("Mirrors") struct MirrorTests {
    private static func mirrors() -> [MirroredRegistry] {
        var hub = MirroredRegistry("docker.io")
        hub.isDefault = true
        var own = MirroredRegistry("registry.test")
        own.prefix = ""
        return [hub, MirroredRegistry("localhost:5000"), own]
    }

    @Test("a repository is that of the registry in ns, of the path, or of the default one")
    func names() async throws {
        let memory = MemoryRegistry()
        let config = memory.add("{}")
        func add(_ name: String, _ layer: String) throws -> Digest {
            let manifest = Documents.manifest(config: config, layers: [memory.add(layer)])
            let digest = memory.add(manifest)
            try memory.tag(name, digest)
            return digest
        }
        let hub = try add("docker.io/library/alpine:3", "hub")
        let local = try add("localhost_5000/library/alpine:3", "local")
        let own = try add("own/app:3", "own")
        let both = (own: try add("own/both:3", "a"), hub: try add("docker.io/own/both:3", "b"))
        try await RegistryHarness.run(memory, isReadOnly: true, mirrors: Self.mirrors()) {
            registry in
            func digest(_ path: String) async throws -> String? {
                try await registry.send(.head, "/v2/\(path)")["Docker-Content-Digest"]
            }
            for (path, expected) in [
                ("library/alpine/manifests/3?ns=docker.io", hub),
                ("library/alpine/manifests/3?x=1&ns=DOCKER.IO", hub),
                ("library/alpine/manifests/3?ns=localhost%3A5000", local),
                ("docker.io/library/alpine/manifests/3", hub),
                ("localhost_5000/library/alpine/manifests/3", local),
                ("library/alpine/manifests/3", hub), ("own/app/manifests/3", own),
                ("own/app/manifests/3?ns=registry.test", own),
                ("own/both/manifests/3", both.own),
                ("own/both/manifests/3?ns=docker.io", both.hub),
            ] {
                #expect(try await digest(path) == expected.description, "\(path)")
            }
            // Another registry's name must not lead to ours.
            for path in [
                "own/app/manifests/3?ns=docker.io", "own/app/manifests/3?ns=quay.io",
                "library/alpine/manifests/3?ns=registry.test", "docker.io/own/app/manifests/3",
            ] {
                let answer = try await registry.send(.get, "/v2/\(path)")
                #expect(answer.status == 404, "\(path)")
            }
            let list = try await registry.send(.get, "/v2/library/alpine/tags/list?ns=docker.io")
            #expect(list.json["tags"] == .array([.string("3")]))
            let push = try await registry.send(.post, "/v2/a/blobs/uploads/?ns=docker.io")
            #expect(push.status == 405)
        }
    }

    @Test("without mirrors, ns means nothing")
    func noMirrors() async throws {
        let memory = MemoryRegistry()
        let digest = memory.add(Documents.manifest(config: memory.add("{}")))
        try memory.tag("own/app:3", digest)
        try await RegistryHarness.run(memory, isReadOnly: true) { registry in
            let answer = try await registry.send(.get, "/v2/own/app/manifests/3?ns=any.test")
            #expect(answer.status == 200)
        }
    }
}
