// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestServers
import Testing

extension IntegrationTests {
    /// What registries that are mirrored may ask of us: a log-in, and to be asked less often.
    @Suite("Registries that are mirrored") struct MirrorUpstreamTests {
        private static let repository = "library/demo"

        /// A cluster that mirrors the registry at `address` as `up.test`, with what `more` says of it.
        private func cluster(
            of address: String,
            _ more: String,
            in folder: URL
        ) async throws -> BackedCluster {
            func backends(_ kind: String, _ namePath: String) -> String {
                """
                backends:
                  - namespace: ^up\\.test/
                    backend: {registry_\(kind): {address: "http://\(address)", prefix: up.test\(more)}}
                  - namespace: .*
                    backend: {file: {root: \(folder.path)/\(kind), name_path: \(namePath)}}
                """
            }
            return try await BackedCluster.start(
                in: folder.appending(path: "cluster"),
                blobs: backends("blob", "sharded_docker_blob"),
                tags: backends("tag", "docker_tag")
            )
        }

        @Test(
            "one that wants tokens is read through agents, each blob once",
            .timeLimit(.minutes(4))
        )
        func tokens() async throws {
            let folder = try TemporaryDirectory()
            let service = try await TokenService(in: folder.url.appending(path: "tokens"))
            let upstream = try await DockerRegistry.start(
                in: folder.url.appending(path: "upstream"),
                tokens: service
            )
            #expect(try await Clients.curl(["http://\(upstream.address)/v2/"]).status == 401)
            let image = try OCIImage.make(
                in: folder.url.appending(path: "image"),
                layerBytes: [2_000_000, 50_000],
                seed: 81
            )
            let push = try await Command(
                "skopeo",
                [
                    "copy", "-q", "--preserve-digests", "--dest-tls-verify=false",
                    "--dest-creds", "herd:herd-secret", "oci:\(image.folder.path):v1",
                    "docker://\(upstream.address)/\(Self.repository):v1",
                ]
            ).run()
            #expect(push.status == 0, "\(push.errors)")
            let pushed = try service.scopes().count
            let cluster = try await cluster(
                of: upstream.address,
                ", security: {basic: {username: herd, password: herd-secret}}",
                in: folder.url
            )
            let agents = [try await cluster.addAgent(), try await cluster.addAgent()]
            try await Clients.pullEverywhere(
                "up.test/\(Self.repository):v1",
                of: image,
                from: agents,
                under: folder.url
            )
            for digest in image.blobs.keys {
                let count = try upstream.count("GET", digest, 200)
                #expect(count == 1, "\(digest) was fetched \(count) times")
            }
            // A token for each component that asks, not for each request; for nothing but reading.
            let scopes = try service.scopes().dropFirst(pushed)
            #expect((1...6).contains(scopes.count), "\(scopes)")
            #expect(scopes.allSatisfy { $0 == "repository:\(Self.repository):pull" }, "\(scopes)")
            try await cluster.stop()
            try await upstream.kill()
            try await service.stop()
        }

        @Test(
            "a token that ends before it was said to is replaced by another one",
            .timeLimit(.minutes(4))
        )
        func endedTokens() async throws {
            let folder = try TemporaryDirectory()
            let service = try await TokenService(in: folder.url.appending(path: "tokens"))
            let upstream = try await DockerRegistry.start(
                in: folder.url.appending(path: "upstream"),
                tokens: service
            )
            var images: [OCIImage] = []
            for (index, tag) in ["v1", "v2"].enumerated() {
                let image = try OCIImage.make(
                    in: folder.url.appending(path: tag),
                    layerBytes: [100_000, 50_000],
                    seed: 90 + UInt64(index),
                    tag: tag
                )
                let push = try await Command(
                    "skopeo",
                    [
                        "copy", "-q", "--preserve-digests", "--dest-tls-verify=false",
                        "--dest-creds", "herd:herd-secret", "oci:\(image.folder.path):\(tag)",
                        "docker://\(upstream.address)/\(Self.repository):\(tag)",
                    ]
                ).run()
                #expect(push.status == 0, "\(push.errors)")
                images.append(image)
            }
            let cluster = try await cluster(
                of: upstream.address,
                ", security: {basic: {username: herd, password: herd-secret}}",
                in: folder.url
            )
            let agent = try await cluster.addAgent()
            try service.endTokens(after: 5)
            for (tag, image) in zip(["v1", "v2"], images) {
                let given = try service.scopes().count
                try await Clients.pullEverywhere(
                    "up.test/\(Self.repository):\(tag)",
                    of: image,
                    from: [agent],
                    under: folder.url
                )
                // Those that the origin and the build-index had before are of no use any more.
                #expect(try service.scopes().count >= given + 2, "\(tag)")
                try await service.untilEnded(at: upstream.address, repository: Self.repository)
            }
            try await cluster.stop()
            try await upstream.kill()
            try await service.stop()
        }

        /// nginx before `registry`, which lets one request a minute through for what is scarce.
        private func limited(_ registry: String, in folder: URL) async throws -> Nginx {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            return try await Nginx.start(
                in: folder.path,
                http: "limit_req_zone $server_port zone=scarce:1m rate=1r/m;"
            ) { _ in
                """
                proxy_set_header Host $http_host;
                location / { proxy_pass http://\(registry); }
                location /v2/scarce/ {
                  limit_req zone=scarce;
                  limit_req_status 429;
                  error_page 429 @limited;
                  proxy_pass http://\(registry);
                }
                location @limited { add_header Retry-After 77 always; return 429; }
                """
            }
        }

        /// The request is answered with 429 in the registry's words, and with when to come back.
        private func expectRefusal(_ path: String, at registry: String) async throws {
            let url = "http://\(registry)/v2/\(path)"
            let (status, text) = try await Clients.curl(["-D", "-", url])
            #expect(status == 429, "\(url): \(text)")
            #expect(text.contains("TOOMANYREQUESTS"), "\(url): \(text)")
            let pause = text.firstMatch(of: /(?i)retry-after: (\d+)/).flatMap { Int($0.output.1) }
            #expect((20...77).contains(pause ?? 0), "\(url): \(text)")
        }

        @Test(
            "one that limits the rate is not asked, clients hear when to come back, and what is known is served",
            .enabled(if: ServerTools.has("nginx")),
            .timeLimit(.minutes(4))
        )
        func limits() async throws {
            let folder = try TemporaryDirectory()
            let upstream = try await DockerRegistry.start(
                in: folder.url.appending(path: "upstream")
            )
            let images = try (0..<2).map { number in
                try OCIImage.make(
                    in: folder.url.appending(path: "image\(number)"),
                    layerBytes: [200_000],
                    seed: UInt64(82 + number)
                )
            }
            for (image, reference) in [
                (images[0], "\(Self.repository):v1"), (images[1], "scarce/demo:v1"),
                (images[1], "scarce/demo:v2"),
            ] {
                let push = try await Clients.push(image, to: upstream.address, as: reference)
                #expect(push.status == 0, "\(push.errors)")
            }
            let front = try await limited(
                upstream.address,
                in: folder.url.appending(path: "front")
            )
            let cluster = try await cluster(of: front.address, "", in: folder.url)
            let agent = try await cluster.addAgent()
            let known = "up.test/\(Self.repository):v1"
            try await Clients.pullEverywhere(
                known,
                of: images[0],
                from: [agent],
                under: folder.url
            )
            // The first question is answered, so that the tag is known; the bytes and the other tag are not to be had.
            for registry in [agent, cluster.proxy] {
                for path in [
                    "manifests/v1", "manifests/v2", "manifests/\(images[1].manifest)",
                    "blobs/\(images[1].layers[0])",
                ] {
                    try await expectRefusal("up.test/scarce/demo/\(path)", at: registry)
                }
            }
            try await Clients.pullEverywhere(
                known,
                of: images[0],
                from: [agent, try await cluster.addAgent()],
                under: folder.url
            )
            try await cluster.stop()
            try await upstream.kill()
        }
    }
}
