// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import Foundation
import Primitives
import Telemetry
import TestSupport
import Testing

extension IntegrationTests {
    /// Tags that go to Docker's registry, and to another herd's proxy as to any registry.
    @Suite("Replication to registries") struct RegistryReplicationTests {
        private static let repository = Artifacts.repository

        /// The remotes of a build-index whose tags go to the registry at `address`.
        private func remotes(
            _ address: String,
            tags: String = "^team/",
            user: String? = nil
        ) -> String {
            let login =
                user.map { "security: {basic: {username: \($0), password: herd-secret}}" } ?? ""
            return """
                {copies: {tags: ["\(tags)"], repository: "copy/{repository}",
                  registry: {address: "http://\(address)", \(login)}}}
                """
        }

        private func clean(_ result: CommandResult, _ what: String) {
            #expect(result.status == 0, "\(what): \(result.errors)")
        }

        private func images(_ count: Int, in folder: URL, layer: Int) throws -> [OCIImage] {
            try (0..<count).map { number in
                try OCIImage.make(
                    in: folder.appending(path: "image\(number)"),
                    layerBytes: [layer, 50_000],
                    seed: UInt64(300 + number)
                )
            }
        }

        /// What the index under the referrers tag of `subject` lists at `registry`.
        private func listed(
            _ subject: String,
            at registry: DockerRegistry
        ) async throws -> Set<String> {
            let tag = subject.replacing(":", with: "-")
            let (status, body) = try await registry.curl("copy/\(Self.repository)/manifests/\(tag)")
            #expect(status == 200, "\(tag): \(body)")
            let document = try JSON(parsing: Array(body.utf8))
            return Set((document["manifests"]?.array ?? []).compactMap { $0["digest"]?.string })
        }

        private func stop(_ processes: [RunningProcess]) async throws {
            for process in processes {
                process.send(SIGTERM)
                #expect(try await process.waitForExit(within: .seconds(20)) == 0)
            }
        }

        @Test(
            "an image for several machines arrives once, whole, with all that refers to it",
            .timeLimit(.minutes(5))
        )
        func arrives() async throws {
            let folder = try TemporaryDirectory()
            let registry = try await DockerRegistry.start(
                in: folder.url.appending(path: "registry"),
                isClosed: true
            )
            let here = try ReplicatingCluster(
                folder.url.appending(path: "here"),
                remotes: remotes(registry.address, user: "herd"),
                tagType: "docker"
            )
            let processes = [
                try await here.startOrigin(), try await here.startIndex(),
                try await here.startProxy(),
            ]
            let images = try images(2, in: folder.url, layer: 3 << 20)
            for (image, tag) in zip(images, ["amd64", "arm64"]) {
                clean(
                    try await Clients.push(image, to: here.proxy, as: "\(Self.repository):\(tag)"),
                    "push"
                )
            }
            let text = Artifacts.index(of: images)
            let whole = (try await Artifacts.put(text, at: here.proxy, as: "v1"), text.utf8.count)
            let sbom = try await Artifacts.attach("sbom", to: whole, at: here.proxy, isIndex: true)
            let signature = try await Artifacts.attach("signature", to: sbom, at: here.proxy)
            let first = (images[0].manifest, images[0].blobs[images[0].manifest] ?? 0)
            let proof = try await Artifacts.attach("proof", to: first, at: here.proxy)
            // A client that keeps the list itself, as where a registry does not.
            let second = (images[1].manifest, images[1].blobs[images[1].manifest] ?? 0)
            let other = try await Artifacts.attach("other", to: second, at: here.proxy)
            let list = Artifacts.index(of: [other])
            let listTag = second.0.replacing(":", with: "-")
            try await Artifacts.put(list, at: here.proxy, as: listTag)
            try await here.drain()

            let there = "copy/\(Self.repository)"
            #expect(try await registry.digest(of: "\(there):v1") == whole.0)
            #expect(
                try await registry.digest(of: "\(there):\(listTag)")
                    == Clients.sha256(Data(list.utf8))
            )
            let pulled = try await Command(
                "skopeo",
                [
                    "copy", "-q", "--all", "--preserve-digests", "--src-tls-verify=false",
                    "--src-creds", "herd:herd-secret", "docker://\(registry.address)/\(there):v1",
                    "dir:\(folder.url.appending(path: "pulled").path)",
                ]
            ).run()
            clean(pulled, "pull")
            for (subject, referrer) in [
                (whole.0, sbom.digest), (sbom.digest, signature.digest),
                (first.0, proof.digest), (second.0, other.digest),
            ] {
                #expect(try await listed(subject, at: registry) == [referrer])
                let (status, _) = try await registry.curl("\(there)/manifests/\(referrer)")
                #expect(status == 200)
            }
            try checkUploads(of: images, to: registry)
            try await check(here, registry)
            try await stop(processes)
            try await registry.kill()
        }

        /// Nothing was sent twice.
        private func checkUploads(of images: [OCIImage], to registry: DockerRegistry) throws {
            for image in images {
                for digest in image.blobs.keys where digest != image.manifest {
                    let count = try registry.count("PUT", "digest=\(digest)", 201)
                    #expect(count == 1, "\(digest) was sent \(count) times")
                }
                // It may come by its digest before the index that names it, else its own tag brings it.
                #expect(try registry.count("PUT", "manifests/\(image.manifest)", 201) <= 1)
            }
        }

        /// What the build-index tells of a remote that has everything.
        private func check(_ here: ReplicatingCluster, _ registry: DockerRegistry) async throws {
            let status = try await here.status()
            let row = try #require(status.queues?.first { $0.name == "replication" })
            #expect(row.target == "copies" && row.pendingCount == 0 && row.failedCount == 0)
            #expect((status.counters["registry_bytes_sent"] ?? 0) > 6 << 20)
            let (_, metrics) = try await Clients.curl([
                "http://\(here.indexAddresses[0])/metrics"
            ])
            #expect(metrics.contains("herd_queue_oldest_seconds{"))
            #expect(metrics.contains("target=\"copies\""))
            #expect(!metrics.contains("herd-secret"))
        }

        @Test(
            "deletions arrive; where nothing is deleted, that is told and given up",
            .timeLimit(.minutes(5))
        )
        func deletions() async throws {
            let folder = try TemporaryDirectory()
            let (place, port) = (folder.url.appending(path: "registry"), try ReservedPort.make())
            var registry = try await DockerRegistry.start(in: place, port: port, deletes: true)
            let here = try ReplicatingCluster(
                folder.url.appending(path: "here"),
                remotes: remotes(registry.address),
                tagType: "docker"
            )
            let processes = [
                try await here.startOrigin(), try await here.startIndex(),
                try await here.startProxy(),
            ]
            let image = try images(1, in: folder.url, layer: 60_000)[0]
            func push(_ tag: String) async throws {
                let reference = "\(Self.repository):\(tag)"
                clean(try await Clients.push(image, to: here.proxy, as: reference), "push")
            }
            func delete(_ reference: String) async throws {
                let url = "http://\(here.proxy)/v2/\(Self.repository)/manifests/\(reference)"
                #expect(try await Clients.curl(["-X", "DELETE", url]).status == 202)
                try await here.drain()
            }
            let there = "copy/\(Self.repository)"
            for tag in ["v1", "v2"] { try await push(tag) }
            let subject = (image.manifest, image.blobs[image.manifest] ?? 0)
            let kept = try await Artifacts.attach("kept", to: subject, at: here.proxy)
            let gone = try await Artifacts.attach("gone", to: subject, at: here.proxy)
            try await here.drain()
            #expect(try await listed(image.manifest, at: registry) == [kept.digest, gone.digest])

            try await delete("v1")
            #expect(try await registry.digest(of: "\(there):v1") == nil)
            #expect(try await registry.digest(of: "\(there):v2") == image.manifest)
            try await delete(gone.digest)
            #expect(try await listed(image.manifest, at: registry) == [kept.digest])
            #expect(try await registry.curl("\(there)/manifests/\(gone.digest)").status == 404)
            try await delete(image.manifest)
            #expect(try await registry.digest(of: "\(there):v2") == nil)

            try await registry.kill()
            registry = try await DockerRegistry.start(in: place, port: port)
            try await push("v3")
            try await here.drain()
            try await delete("v3")
            #expect(try await registry.digest(of: "\(there):v3") == image.manifest)
            #expect(try await here.status().counters["tag_deletions_refused"] == 1)
            try await stop(processes)
            try await registry.kill()
        }

        @Test("another herd's proxy keeps account of referrers itself", .timeLimit(.minutes(5)))
        func herd() async throws {
            let folder = try TemporaryDirectory()
            let place = folder.url.appending(path: "there")
            try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
            let other = try await HerdProcess.start(in: place, agents: 1)
            let here = try ReplicatingCluster(
                folder.url.appending(path: "here"),
                // A rule for tags of users, not for what else is a tag.
                remotes: remotes(other.proxyRegistry, tags: ":v1$"),
                tagType: "docker"
            )
            let processes = [
                try await here.startOrigin(), try await here.startIndex(),
                try await here.startProxy(),
            ]
            let image = try images(1, in: folder.url, layer: 5 << 20)[0]
            let (reference, draft) = ("\(Self.repository):v1", "\(Self.repository):draft")
            clean(try await Clients.push(image, to: here.proxy, as: draft), "push")
            let subject = (image.manifest, image.blobs[image.manifest] ?? 0)
            let sbom = try await Artifacts.attach("sbom", to: subject, at: here.proxy)
            clean(try await Clients.push(image, to: here.proxy, as: reference), "push")
            try await here.drain()
            try await Clients.pullEverywhere(
                "copy/\(reference)",
                of: image,
                from: other.agentRegistries,
                under: folder.url
            )
            let there = "http://\(other.proxyRegistry)/v2/copy/\(Self.repository)"
            let (_, body) = try await Clients.curl(["\(there)/referrers/\(image.manifest)"])
            #expect(body.contains(sbom.digest))
            let (_, tags) = try await Clients.curl(["\(there)/tags/list"])
            #expect(try JSON(parsing: Array(tags.utf8))["tags"] == .array([.string("v1")]))
            let url = "http://\(here.proxy)/v2/\(Self.repository)/manifests/v1"
            #expect(try await Clients.curl(["-X", "DELETE", url]).status == 202)
            try await here.drain()
            #expect(try await Clients.curl(["\(there)/manifests/v1"]).status == 404)
            #expect(try await Clients.curl(["\(there)/manifests/\(image.manifest)"]).status == 200)
            try await stop(processes)
            #expect(try await other.stop() == 0)
        }

        @Test(
            "many attachments at a time are all listed, whichever of two build-indexes they fall to",
            .timeLimit(.minutes(5))
        )
        func attachments() async throws {
            let folder = try TemporaryDirectory()
            let registry = try await DockerRegistry.start(
                in: folder.url.appending(path: "registry")
            )
            let here = try ReplicatingCluster(
                folder.url.appending(path: "here"),
                remotes: remotes(registry.address),
                tagType: "docker",
                indexCount: 2
            )
            let processes = [
                try await here.startOrigin(), try await here.startIndex(0),
                try await here.startIndex(1), try await here.startProxy(),
            ]
            let image = try images(1, in: folder.url, layer: 60_000)[0]
            let reference = "\(Self.repository):v1"
            clean(try await Clients.push(image, to: here.proxy, as: reference), "push")
            let subject = (image.manifest, image.blobs[image.manifest] ?? 0)
            let attached = try await withThrowingTaskGroup { group in
                for number in 0..<24 {
                    group.addTask {
                        try await Artifacts.attach("number-\(number)", to: subject, at: here.proxy)
                            .digest
                    }
                }
                return try await group.reduce(into: Set()) { $0.insert($1) }
            }
            try await here.drain()
            #expect(try await listed(image.manifest, at: registry) == attached)
            // Docker's own manifests pass as they are.
            let docker = try await Command(
                "skopeo",
                [
                    "copy", "-q", "--format", "v2s2", "--dest-tls-verify=false",
                    "oci:\(image.folder.path):v1",
                    "docker://\(here.proxy)/\(Self.repository):docker",
                ]
            ).run()
            clean(docker, "push of Docker's")
            try await here.drain()
            let there = "\(registry.address)/copy/\(Self.repository):docker"
            let raw = try await Command(
                "skopeo",
                ["inspect", "--raw", "--tls-verify=false", "docker://\(there)"]
            ).run()
            #expect(raw.output.contains("vnd.docker.distribution.manifest.v2+json"))
            let digest = try await here.index.digest(
                of: try QualifiedTag(parsing: "\(Self.repository):docker")
            )
            #expect(digest?.description == Clients.sha256(Data(raw.output.utf8)))
            try await stop(processes)
            try await registry.kill()
        }

        @Test(
            "tokens allow what their user may: blobs are mounted, and a deletion that is not allowed is given up",
            .timeLimit(.minutes(5))
        )
        func tokens() async throws {
            let folder = try TemporaryDirectory()
            let service = try await TokenService(in: folder.url.appending(path: "tokens"))
            let registry = try await DockerRegistry.start(
                in: folder.url.appending(path: "registry"),
                deletes: true,
                tokens: service
            )
            let image = try images(1, in: folder.url, layer: 1 << 20)[0]
            for user in ["herd", "pusher"] {
                let here = try ReplicatingCluster(
                    folder.url.appending(path: user),
                    remotes: remotes(registry.address, user: user),
                    tagType: "docker"
                )
                let processes = [
                    try await here.startOrigin(), try await here.startIndex(),
                    try await here.startProxy(),
                ]
                for name in ["\(user)-one", "\(user)-two"] {
                    let reference = "team/\(name):v1"
                    clean(try await Clients.push(image, to: here.proxy, as: reference), "push")
                    try await here.drain()
                    #expect(try await registry.digest(of: "copy/\(reference)") == image.manifest)
                }
                let counters = try await here.status().counters
                let blobs = image.blobs.count - 1
                #expect(counters["registry_blobs_sent"] == blobs)
                #expect(counters["registry_blobs_mounted"] == blobs)
                let url = "http://\(here.proxy)/v2/team/\(user)-one/manifests/v1"
                #expect(try await Clients.curl(["-X", "DELETE", url]).status == 202)
                try await here.drain()
                let left = try await registry.digest(of: "copy/team/\(user)-one:v1")
                #expect(left == (user == "herd" ? nil : image.manifest))
                let refused = try await here.status().counters["tag_deletions_refused"]
                #expect(refused == (user == "herd" ? 0 : 1))
                try await stop(processes)
            }
            // A token for each repository, not for each request.
            let scopes = try service.scopes()
            #expect(scopes.count { $0.hasSuffix("pull,push") } <= 6, "\(scopes)")
            try await registry.kill()
            try await service.stop()
        }
    }
}
