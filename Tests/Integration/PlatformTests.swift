// SPDX-License-Identifier: Apache-2.0

import Content
import Foundation
import Testing

extension IntegrationTests {
    /// Images of several platforms, and one with a layer longer than 32 bits can count with a sign.
    @Suite("Platforms and sizes") struct PlatformTests {
        private static let architectures = ["amd64", "arm64"]

        @Test(
            "an image of two platforms, as an OCI index and as Docker's list, is copied whole and chosen from",
            .timeLimit(.minutes(5))
        )
        func platforms() async throws {
            let folder = try TemporaryDirectory()
            let herd = try await HerdProcess.start(in: folder.url, agents: 2)
            let agent = try #require(herd.agentRegistries.first)
            var images: [OCIImage] = []
            for (number, platform) in Self.architectures.enumerated() {
                let image = try OCIImage.make(
                    in: folder.url.appending(path: platform),
                    layerBytes: [300_000, 20_000],
                    seed: UInt64(140 + number)
                )
                let push = try await Clients.push(
                    image,
                    to: herd.proxyRegistry,
                    as: "team/app:\(platform)"
                )
                #expect(push.status == 0, "\(push.errors)")
                images.append(image)
            }
            let text = Artifacts.index(of: images, for: Self.architectures)
            let digest = try await Artifacts.put(text, at: herd.proxyRegistry, as: "all")

            // The whole index, byte for byte, with what it refers to.
            let copy = folder.url.appending(path: "copy").path
            let whole = try await Command(
                "skopeo",
                [
                    "copy", "-q", "--all", "--preserve-digests", "--src-tls-verify=false",
                    "docker://\(agent)/team/app:all", "dir:\(copy)",
                ]
            ).run()
            #expect(whole.status == 0, "\(whole.errors)")
            #expect(try Clients.sha256(URL(filePath: "\(copy)/manifest.json")) == digest)
            for layer in images.flatMap(\.layers) {
                let file = URL(filePath: "\(copy)/\(layer.dropFirst("sha256:".count))")
                #expect(try Clients.sha256(file) == layer)
            }
            // A client takes the platform that it wants, by the index.
            for (platform, image) in zip(Self.architectures, images) {
                let target = folder.url.appending(path: "one-\(platform)").path
                let one = try await Command(
                    "skopeo",
                    [
                        "copy", "-q", "--override-os", "linux", "--override-arch", platform,
                        "--src-tls-verify=false", "docker://\(agent)/team/app:all", "dir:\(target)",
                    ]
                ).run()
                #expect(one.status == 0, "\(one.errors)")
                let manifest = URL(filePath: "\(target)/manifest.json")
                #expect(try Clients.sha256(manifest) == image.manifest)
            }
            try await dockerList(herd, agent, images, in: folder.url)
            #expect(try await herd.stop() == 0)
        }

        /// skopeo makes Docker's list of the index on its way in, and an agent gives it back.
        private func dockerList(
            _ herd: HerdProcess,
            _ agent: String,
            _ images: [OCIImage],
            in folder: URL
        ) async throws {
            let push = try await Command(
                "skopeo",
                [
                    "copy", "-q", "--all", "--format", "v2s2", "--src-tls-verify=false",
                    "--dest-tls-verify=false", "docker://\(agent)/team/app:all",
                    "docker://\(herd.proxyRegistry)/team/app:docker",
                ]
            ).run()
            #expect(push.status == 0, "\(push.errors)")
            let raw = try await Command(
                "skopeo",
                ["inspect", "--raw", "--tls-verify=false", "docker://\(agent)/team/app:docker"]
            ).run()
            let list = "application/vnd.docker.distribution.manifest.list.v2+json"
            let json = try JSON(parsing: Array(raw.output.utf8))
            #expect(json["mediaType"]?.string == list)
            #expect(json["manifests"]?.array?.count == images.count)
            let copy = folder.appending(path: "docker").path
            let pull = try await Command(
                "skopeo",
                [
                    "copy", "-q", "--all", "--preserve-digests", "--src-tls-verify=false",
                    "docker://\(agent)/team/app:docker", "dir:\(copy)",
                ]
            ).run()
            #expect(pull.status == 0, "\(pull.errors)")
        }

        /// Bytes of the long layer, and of the disk that its copies need: the layout's, the proxy's, an origin's, the
        /// backend's and an agent's, with some to spare.
        private static let longBytes = 2 << 30 + 5000
        private static let diskBytes = 6 * longBytes

        private static var hasDisk: Bool {
            get throws {
                let folder = FileManager.default.temporaryDirectory.path
                let values = try FileManager.default.attributesOfFileSystem(forPath: folder)
                return (values[.systemFreeSize] as? Int ?? 0) > diskBytes
            }
        }

        @Test(
            "a layer of more than 2 GiB is pushed, pulled and read in part beyond 2^31",
            .enabled("13 GB of disk", { try hasDisk }),
            .timeLimit(.minutes(10))
        )
        func longLayer() async throws {
            let folder = try TemporaryDirectory()
            let blob = folder.url.appending(path: "layer").path
            let made = try await Command(
                "bash",
                [
                    "-c",
                    """
                    set -euo pipefail
                    head -c \(Self.longBytes) /dev/zero | openssl enc -aes-128-ctr -nosalt -pass pass:seed \
                      2>/dev/null > '\(blob)'
                    sha256sum < '\(blob)' | cut -d ' ' -f 1
                    """,
                ]
            ).run(within: .seconds(240))
            #expect(made.status == 0, "\(made.errors)")
            let digest = "sha256:\(made.output.trimmingCharacters(in: .whitespacesAndNewlines))"
            let herd = try await HerdProcess.start(
                in: folder.url,
                agents: 1,
                arguments: ["--origins", "1"]
            )
            let agent = try #require(herd.agentRegistries.first)
            let push = try await Command(
                "bash",
                [
                    "-c",
                    """
                    set -euo pipefail
                    base='http://\(herd.proxyRegistry)'
                    location=$(curl -sf -X POST -H 'Content-Length: 0' -D - "$base/v2/team/long/blobs/uploads/" \
                      | sed -n 's/^[Ll]ocation: //p' | tr -d '\\r')
                    curl -sf -H 'Content-Type: application/octet-stream' -T '\(blob)' "$base$location?digest=\(digest)"
                    """,
                ]
            ).run(within: .seconds(240))
            #expect(push.status == 0, "\(push.errors)")
            let url = "http://\(agent)/v2/team/long/blobs/\(digest)"
            let pull = try await Command(
                "bash",
                ["-c", "set -o pipefail; curl -sf '\(url)' | sha256sum | cut -d ' ' -f 1"]
            ).run(within: .seconds(240))
            #expect(pull.status == 0, "\(pull.errors)")
            #expect("sha256:\(pull.output.trimmingCharacters(in: .newlines))" == digest)
            let start = (2 << 30) - 8
            let part = try await Command(
                "bash",
                [
                    "-c",
                    """
                    set -euo pipefail
                    curl -sf -r \(start)-\(start + 4999) '\(url)' \
                      | cmp - <(tail -c +\(start + 1) '\(blob)' | head -c 5000)
                    """,
                ]
            ).run()
            #expect(part.status == 0, "\(part.output) \(part.errors)")
            let head = try await Clients.curl(["-I", url])
            #expect(head.body.lowercased().contains("content-length: \(Self.longBytes)"))
            #expect(try await herd.stop() == 0)
        }
    }
}
