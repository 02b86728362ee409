// SPDX-License-Identifier: Apache-2.0

import Foundation
import Primitives
import Testing

extension IntegrationTests {
    /// Nonsense on every port: an answer of the 4xx kind or a closed connection, never a crash, never growth.
    @Suite("Garbage") struct GarbageTests {
        @Test("random bytes, huge lengths and path tricks harm nothing", .timeLimit(.minutes(10)))
        func garbage() async throws {
            let folder = try TemporaryDirectory()
            let herd = try await HerdProcess.start(in: folder.url, agents: 2)
            let image = try OCIImage.make(
                in: folder.url.appending(path: "image"),
                layerBytes: [1 << 20],
                seed: 31
            )
            #expect(
                try await Clients.push(image, to: herd.proxyRegistry, as: "demo/g:v1").status == 0
            )
            let before = (resident: herd.residentBytes, descriptors: herd.descriptorCount)

            try await hostileRequests(herd)
            try randomBytes(herd, seed: 32)
            try hostileFrames(herd, seed: 33)

            #expect(herd.process.isRunning)
            #expect(herd.residentBytes < before.resident + 48 << 20)
            #expect(herd.descriptorCount < before.descriptors + 64)
            try await Clients.pullEverywhere(
                "demo/g:v1",
                of: image,
                from: herd.agentRegistries,
                under: folder.url.appending(path: "pulled")
            )
            #expect(try await herd.stop() == 0)
        }

        /// Paths and parameters that no honest client sends get a 4xx with a reason.
        private func hostileRequests(_ herd: HerdProcess) async throws {
            let digest = "sha256:" + String(repeating: "0", count: 64)
            let registryPaths = [
                "/v2/../../etc/passwd", "/v2/%2e%2e/%2e%2e/etc/passwd/manifests/x",
                "/v2/UPPER/manifests/x",
                "/v2/a/blobs/sha256:xyz",
                "/v2/a/blobs/sha256:" + String(repeating: "a", count: 5000),
                "/v2/a/manifests/\(String(repeating: "t", count: 200))", "/v2/a/blobs/uploads/%00",
                "/v2/a/manifests/..%2f..%2fetc", "/v2/a/blobs/\(digest)", "/nothing/here",
            ]
            for registry in [herd.proxyRegistry] + herd.agentRegistries {
                for path in registryPaths {
                    let (status, body) = try await Clients.curl([
                        "--path-as-is", "http://\(registry)\(path)",
                    ])
                    #expect(
                        (400..<500).contains(status),
                        "GET \(registry)\(path): \(status) \(body.prefix(200))"
                    )
                }
            }
            let servicePaths = [
                "/namespace/x/blobs/nodigest", "/namespace/%zz/blobs/\(digest)", "/tags/%ff%fe",
                "/blobs/nodigest/locations", "/namespace/..%2f..%2fetc/blobs/passwd",
                "/announce/zz",
                "/internal/blobs/nodigest/metainfo", "/repositories/%2e%2e/tags?limit=zero",
                "/list/?foo=1",
            ]
            for kind in ["agent", "origin", "tracker", "build-index", "proxy"] {
                for address in herd.ready.addresses(kind, "http") {
                    for path in servicePaths {
                        let (status, body) = try await Clients.curl([
                            "--path-as-is", "http://\(address)\(path)",
                        ])
                        #expect(
                            (400..<500).contains(status),
                            "GET \(kind)\(path): \(status) \(body.prefix(200))"
                        )
                    }
                }
            }
            try await hostileBodies(herd)
        }

        private func hostileBodies(_ herd: HerdProcess) async throws {
            let big = FileManager.default.temporaryDirectory.appending(
                path: "big-\(UUID().uuidString)"
            )
            try Data(count: 5 << 20).write(to: big)
            defer { try? FileManager.default.removeItem(at: big) }  // it may be gone
            let manifest = "http://\(herd.proxyRegistry)/v2/demo/g/manifests/big"
            let type = "Content-Type: application/vnd.oci.image.manifest.v1+json"
            let oversize = try await Clients.curl([
                "-X", "PUT", "-H", type, "-T", big.path, manifest,
            ])
            #expect((400..<500).contains(oversize.status))
            let nonsense = try await Clients.curl([
                "-X", "PUT", "-H", type, "-d", "{not json", manifest,
            ])
            #expect((400..<500).contains(nonsense.status))
            let tracker = herd.ready.addresses("tracker", "http")[0]
            let hash = String(repeating: "a", count: 40)
            for body in [
                "", "null", "[]", "{\"peer\":null}", String(repeating: "[", count: 100_000),
            ] {
                let answer = try await Clients.curl([
                    "-d", body, "http://\(tracker)/announce/\(hash)",
                ])
                #expect(
                    (400..<500).contains(answer.status),
                    "announce \(body.prefix(20)): \(answer.status)"
                )
            }
            let write = try await Clients.curl([
                "-X", "POST", "http://\(herd.agentRegistries[0])/v2/a/blobs/uploads/",
            ])
            #expect(write.status == 405)
            #expect(write.body.contains("UNSUPPORTED"))
        }

        /// Bytes from a seed to every port.
        private func randomBytes(_ herd: HerdProcess, seed: UInt64) throws {
            var generator = Generator(seed: seed)
            for component in herd.ready.components {
                for (_, address) in component.addresses.sorted(by: { $0.key < $1.key }) {
                    for _ in 0..<6 {
                        let connection = try RawConnection(to: address)
                        let bytes = (0..<1 + generator.below(3000)).map { _ in
                            UInt8(generator.below(256))
                        }
                        _ = connection.send(bytes)
                        connection.finishSending()
                        #expect(
                            connection.readToEnd() != nil,
                            "\(component.id) \(address) keeps a garbled connection"
                        )
                    }
                }
            }
        }

        /// Frames of the peer protocol with absurd contents.
        private func hostileFrames(_ herd: HerdProcess, seed: UInt64) throws {
            var generator = Generator(seed: seed)
            let frames: [[UInt8]] = [
                [0xff, 0xff, 0xff, 0xff], [0x00, 0x00, 0x80, 0x01], [0, 0, 0, 0],
                [0, 0, 0, 2, 0x10, 0x06],
                [0, 0, 0, 4, 0x10, 0x03, 0x32, 0x00], [0, 0, 0, 2, 0x1a, 0x7f],
                [
                    0, 0, 0, 15, 0x10, 0x01, 0x22, 0x0b, 0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                    0xff, 0xff, 0xff, 0x01,
                ],
            ]
            for address in herd.ready.addresses("origin", "peer")
                + herd.ready.addresses("agent", "peer")
            {
                for frame in frames {
                    let connection = try RawConnection(to: address)
                    _ = connection.send(
                        frame + (0..<generator.below(64)).map { _ in UInt8(generator.below(256)) }
                    )
                    connection.finishSending()
                    #expect(connection.readToEnd() != nil, "\(address) keeps a hostile connection")
                }
            }
        }
    }
}
