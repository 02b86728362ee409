// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

extension IntegrationTests {
    /// What registry clients do besides pushing and pulling an image.
    @Suite("Real clients") struct ClientTests {
        /// Runs skopeo and answers its output.
        private func skopeo(_ arguments: [String]) async throws -> String {
            let result = try await Command("skopeo", arguments).run()
            #expect(result.status == 0, "skopeo \(arguments): \(result.errors)")
            return result.output
        }

        private func names(_ json: String, _ key: String) throws -> [String] {
            let document = try JSONSerialization.jsonObject(with: Data(json.utf8))
            return (document as? [String: Any])?[key] as? [String] ?? []
        }

        @Test("skopeo lists, inspects, synchronizes and deletes", .timeLimit(.minutes(5)))
        func skopeo() async throws {
            let folder = try TemporaryDirectory()
            let images = try (0..<2).map { number in
                try OCIImage.make(
                    in: folder.url.appending(path: "image\(number)"),
                    layerBytes: [100_000, 0],
                    seed: UInt64(60 + number)
                )
            }
            let herd = try await HerdProcess.start(in: folder.url, agents: 1)
            let (proxy, agent) = (herd.proxyRegistry, try #require(herd.agentRegistries.first))
            for (tag, image) in [("v1", images[0]), ("v2", images[1]), ("moves", images[0])] {
                let push = try await Clients.push(image, to: proxy, as: "demo/app:\(tag)")
                #expect(push.status == 0, "\(push.errors)")
            }
            for registry in [proxy, agent] {
                let list = try await skopeo([
                    "list-tags", "--tls-verify=false", "docker://\(registry)/demo/app",
                ])
                #expect(try names(list, "Tags") == ["moves", "v1", "v2"])
                let inspection = try await skopeo([
                    "inspect", "--tls-verify=false", "docker://\(registry)/demo/app:v1",
                ])
                #expect(try names(inspection, "Layers") == images[0].layers)
            }

            // A tag that moves is seen everywhere at once.
            let move = try await Clients.push(images[1], to: proxy, as: "demo/app:moves")
            #expect(move.status == 0, "\(move.errors)")
            let inspection = try await skopeo([
                "inspect", "--tls-verify=false", "--format", "{{.Digest}}",
                "docker://\(agent)/demo/app:moves",
            ])
            #expect(inspection.contains(images[1].manifest))

            let mirror = folder.url.appending(path: "mirror")
            _ = try await skopeo([
                "sync", "--src-tls-verify=false", "--src", "docker", "--dest", "dir",
                "\(agent)/demo/app", mirror.path,
            ])
            let tags = try FileManager.default.contentsOfDirectory(atPath: mirror.path).sorted()
            #expect(tags == ["app:moves", "app:v1", "app:v2"])

            _ = try await skopeo(["delete", "--tls-verify=false", "docker://\(proxy)/demo/app:v1"])
            for registry in [proxy, agent] {
                let list = try await skopeo([
                    "list-tags", "--tls-verify=false", "docker://\(registry)/demo/app",
                ])
                #expect(try names(list, "Tags") == ["moves", "v2"])
            }
            #expect(try await herd.stop() == 0)
        }

        @Test("podman and buildah push, podman searches", .timeLimit(.minutes(5)))
        func podmanAndBuildah() async throws {
            let folder = try TemporaryDirectory()
            let herd = try await HerdProcess.start(in: folder.url, agents: 1)
            let (proxy, agent) = (herd.proxyRegistry, try #require(herd.agentRegistries.first))
            // podman refuses a runroot of more than 50 characters, wherever TMPDIR is.
            let runRoot = "/tmp/\(UUID().uuidString.prefix(13))"
            defer { try? FileManager.default.removeItem(atPath: runRoot) }
            let roots = [
                "--storage-driver", "vfs", "--root", folder.url.appending(path: "root").path,
                "--runroot", runRoot,
            ]
            func run(_ program: String, _ arguments: [String]) async throws -> String {
                let result = try await Command(program, roots + arguments).run()
                #expect(result.status == 0, "\(program) \(arguments): \(result.errors)")
                return result.output
            }
            let file = folder.url.appending(path: "file")
            try Data(repeating: 7, count: 300_000).write(to: file)
            let container = try await run("buildah", ["from", "scratch"])
                .trimmingCharacters(in: .whitespacesAndNewlines)
            _ = try await run("buildah", ["copy", container, file.path, "/file"])
            _ = try await run("buildah", ["commit", "-q", container, "built:v1"])
            _ = try await run(
                "buildah",
                ["push", "--tls-verify=false", "built:v1", "docker://\(proxy)/demo/built:v1"]
            )
            // Docker's own format, of the same image.
            _ = try await run(
                "podman",
                [
                    "push", "-q", "--tls-verify=false", "--format", "v2s2", "localhost/built:v1",
                    "docker://\(proxy)/demo/docker:v1",
                ]
            )
            for repository in ["demo/built", "demo/docker"] {
                _ = try await run(
                    "podman",
                    ["pull", "-q", "--tls-verify=false", "\(agent)/\(repository):v1"]
                )
            }
            let raw = try await Command(
                "skopeo",
                ["inspect", "--raw", "--tls-verify=false", "docker://\(agent)/demo/docker:v1"]
            ).run()
            #expect(raw.output.contains("application/vnd.docker.distribution.manifest.v2+json"))
            for registry in [proxy, agent] {
                let found = try await run(
                    "podman",
                    ["search", "--tls-verify=false", "\(registry)/"]
                )
                #expect(found.contains("demo/built") && found.contains("demo/docker"), "\(found)")
                let tags = try await run(
                    "podman",
                    ["search", "--tls-verify=false", "--list-tags", "\(registry)/demo/built"]
                )
                #expect(tags.contains("v1"), "\(tags)")
            }
            #expect(try await herd.stop() == 0)
        }

        @Test(
            "an upload goes on, and tags and referrers are there, after everything was killed",
            .timeLimit(.minutes(5))
        )
        func killed() async throws {
            let folder = try TemporaryDirectory()
            let image = try OCIImage.make(
                in: folder.url.appending(path: "image"),
                layerBytes: [200_000],
                seed: 71
            )
            let bytes = Data((0..<400_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) })
            let halves = ["first", "second"].map { folder.url.appending(path: $0) }
            try bytes[..<150_000].write(to: halves[0])
            try bytes[150_000...].write(to: halves[1])
            let whole = folder.url.appending(path: "whole")
            try bytes.write(to: whole)
            let digest = try Clients.sha256(whole)

            let first = try await HerdProcess.start(in: folder.url, agents: 2)
            let base = "http://\(first.proxyRegistry)"
            let push = try await Clients.push(image, to: first.proxyRegistry, as: "demo/app:v1")
            #expect(push.status == 0, "\(push.errors)")
            let (begun, head) = try await Clients.curl([
                "-i", "-X", "POST", "\(base)/v2/demo/app/blobs/uploads/",
            ])
            #expect(begun == 202)
            let location = try #require(
                head.split(whereSeparator: \.isNewline).first {
                    $0.lowercased().hasPrefix("location: ")
                }?.dropFirst("location: ".count)
            )
            let patch = ["-X", "PATCH", "-H", "Content-Type: application/octet-stream"]
            let sent = try await Clients.curl(
                patch + ["--data-binary", "@\(halves[0].path)", "\(base)\(location)"]
            )
            #expect(sent.status == 202, "\(sent.body)")
            let file = folder.url.appending(path: "signature.json")
            try signature(of: image, at: file)
            let put = try await Clients.curl([
                "-X", "PUT", "-H", "Content-Type: application/vnd.oci.image.manifest.v1+json",
                "--data-binary", "@\(file.path)",
                "\(base)/v2/demo/app/manifests/\(try Clients.sha256(file))",
            ])
            #expect(put.status == 201, "\(put.body)")
            try await first.kill()

            let second = try await HerdProcess.start(in: folder.url, agents: 2)
            let again = "http://\(second.proxyRegistry)"
            let rest = try await Clients.curl(
                patch + [
                    "-H", "Content-Range: 150000-399999", "--data-binary", "@\(halves[1].path)",
                    "\(again)\(location)",
                ]
            )
            #expect(rest.status == 202, "\(rest.body)")
            let end = try await Clients.curl([
                "-X", "PUT", "\(again)\(location)?digest=\(digest)",
            ])
            #expect(end.status == 201, "\(end.body)")
            for registry in [second.proxyRegistry] + second.agentRegistries {
                let copy = folder.url.appending(path: "copy")
                let got = try await Clients.curl([
                    "-o", copy.path, "http://\(registry)/v2/demo/app/blobs/\(digest)",
                ])
                #expect(got.status == 200)
                #expect(try Clients.sha256(copy) == digest)
                try await checkLists(of: registry, image.manifest, try Clients.sha256(file))
            }
            #expect(try await second.stop() == 0)
        }

        /// Checks that `registry` lists the repository, its tag, and `referrer` of `manifest`.
        private func checkLists(
            of registry: String,
            _ manifest: String,
            _ referrer: String
        ) async throws {
            let path = "http://\(registry)/v2/demo/app/referrers/\(manifest)"
            let (status, body) = try await Clients.curl([path])
            #expect(status == 200)
            #expect(body.contains(referrer), "\(registry): \(body)")
            #expect(body.contains("application/vnd.example.signature"))
            let filtered = try await Clients.curl(["\(path)?artifactType=other"])
            #expect(filtered.body.contains(#""manifests":[]"#), "\(filtered.body)")
            let tags = try await Clients.curl(["http://\(registry)/v2/demo/app/tags/list"])
            #expect(tags.body == #"{"name":"demo/app","tags":["v1"]}"#)
            let catalog = try await Clients.curl(["http://\(registry)/v2/_catalog"])
            #expect(catalog.body == #"{"repositories":["demo/app"]}"#)
        }

        /// Writes a signature of `image` as signing tools push it.
        private func signature(of image: OCIImage, at file: URL) throws {
            let config = try #require(image.blobs.min { $0.value < $1.value }?.key)
            let signature = """
                {"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",\
                "artifactType":"application/vnd.example.signature","config":{"mediaType":"x/y",\
                "digest":"\(config)","size":\(image.blobs[config] ?? 0)},"layers":[],\
                "subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json",\
                "digest":"\(image.manifest)","size":\(image.blobs[image.manifest] ?? 0)}}
                """
            try Data(signature.utf8).write(to: file)
        }
    }
}
