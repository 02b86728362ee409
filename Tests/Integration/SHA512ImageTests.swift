// SPDX-License-Identifier: Apache-2.0

import Content
import Foundation
import Testing

extension IntegrationTests {
    /// `herd push`, `pull`, `copy` and `inspect` of an image that names its content by sha512.
    @Suite("Images named by their sha512") struct SHA512ImageTests {
        /// An index of one image in an OCI layout, all of it named by sha512.
        private struct Layout {
            let folder: URL
            /// The index, the image that it lists, and what that consists of.
            let (index, image, blobs): (Data, String, [String])

            init(in folder: URL) throws {
                self.folder = folder
                try FileManager.default.createDirectory(
                    at: folder.appending(path: "blobs/sha512"),
                    withIntermediateDirectories: true
                )
                var names: [String] = []
                func add(_ data: Data, _ type: String, _ more: String = "") throws -> String {
                    let digest = SHA512Digest(hashing: Array(data))
                    names.append(digest.hex)
                    try data.write(to: folder.appending(path: "blobs/sha512/\(digest.hex)"))
                    return
                        #"{"mediaType":"application/vnd.oci.image.\#(type)","digest":"\#(digest)","size":\#(data.count)\#(more)}"#
                }
                let config = try add(
                    Data(#"{"architecture":"amd64","os":"linux"}"#.utf8),
                    "config.v1+json"
                )
                let layers = try [300_000, 5000].map { count in
                    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * $0 / 11 + count) }
                    return try add(Data(bytes), "layer.v1.tar")
                }
                blobs = names
                let manifest = try add(
                    Data(
                        #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":\#(config),"layers":[\#(layers.joined(separator: ","))]}"#
                            .utf8
                    ),
                    "manifest.v1+json",
                    #","platform":{"architecture":"amd64","os":"linux"}"#
                )
                image = names[names.count - 1]
                index = Data(
                    #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[\#(manifest)]}"#
                        .utf8
                )
                let root = try add(
                    index,
                    "index.v1+json",
                    #","annotations":{"org.opencontainers.image.ref.name":"v1"}"#
                )
                try Data(#"{"imageLayoutVersion":"1.0.0"}"#.utf8)
                    .write(to: folder.appending(path: "oci-layout"))
                try Data(#"{"schemaVersion":2,"manifests":[\#(root)]}"#.utf8)
                    .write(to: folder.appending(path: "index.json"))
            }

            /// Whether the layout in `other` has the image and what it consists of under the same names.
            func isIn(_ other: URL) throws -> Bool {
                try ([image] + blobs).allSatisfy { name in
                    let path = "blobs/sha512/\(name)"
                    return try Data(contentsOf: other.appending(path: path))
                        == Data(contentsOf: folder.appending(path: path))
                }
            }
        }

        private func herd(_ arguments: [String], status: Int32 = 0) async throws -> CommandResult {
            let result = try await Command(HerdProcess.executable, arguments).run()
            #expect(result.status == status, "herd \(arguments): \(result.errors)")
            return result
        }

        private func json(_ arguments: [String]) async throws -> JSON {
            try JSON(parsing: Array(try await herd(arguments + ["--json"]).output.utf8))
        }

        private func digests(_ rows: JSON?) -> [String] {
            rows?.array?.compactMap { $0["digest"]?.string } ?? []
        }

        private func start(_ name: String, _ folder: URL) async throws -> HerdProcess {
            let place = folder.appending(path: name)
            try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
            return try await HerdProcess.start(in: place, agents: 1)
        }

        @Test("go from a layout to registries and back under their names", .timeLimit(.minutes(5)))
        func roundTrip() async throws {
            let folder = try TemporaryDirectory()
            let layout = try Layout(in: folder.url.appending(path: "layout"))
            let source = "oci:\(layout.folder.path):v1"
            let (first, second) = (
                try await start("one", folder.url), try await start("two", folder.url)
            )
            let app = "\(first.proxyRegistry)/demo/app"
            let agent = try #require(first.agentRegistries.first)
            let names = layout.blobs.map { "sha512:\($0)" }
            for isThere in [false, true] {
                let push = try await json(["push", source, "\(app):v1"])
                #expect(push["digest"]?.string == Clients.sha256(layout.index))
                #expect(Set(digests(push["blobs"])) == Set(names))
                let rows = push["blobs"]?.array ?? []
                #expect(rows.allSatisfy { $0["was_there"] == .bool(isThere) }, "\(push.text)")
            }

            let inspection = try await json(["inspect", "\(agent)/demo/app:v1"])
            #expect(digests(inspection["manifests"]) == ["sha512:\(layout.image)"])
            #expect(digests(inspection["manifests"]?.array?.first?["blobs"]) == names)
            let lines = try await herd(["inspect", "\(agent)/demo/app@sha512:\(layout.image)"])
                .output
            #expect(lines.contains("digest      sha512:\(layout.image)"), "\(lines)")

            // The same registry mounts; another one gets the bytes.
            let preheat = try await json([
                "preheat", "\(app):v1", "--data-dir", first.dataDirectory.path,
            ])
            let preheated = try #require(preheat["agents"]?.array)
            #expect(!preheated.isEmpty)
            for agent in preheated {
                #expect(agent["failure"] == nil, "\(agent)")
                let had = agent["bytes_held"]?.integer ?? 0
                #expect(had + (agent["bytes_fetched"]?.integer ?? 0) > 300_000)
            }
            let mounted = try await json(["copy", "\(app):v1", "\(first.proxyRegistry)/demo/b:v1"])
            #expect(mounted["bytes"]?.integer == 0)
            let copied = try await json(["copy", "\(app):v1", "\(second.proxyRegistry)/c:v2"])
            #expect(copied["bytes"]?.integer ?? 0 > 300_000)
            for (number, image) in [
                "\(app):v1", "\(agent)/demo/app@sha512:\(layout.image)",
                "\(first.proxyRegistry)/demo/b:v1", "\(second.agentRegistries[0])/c:v2",
            ].enumerated() {
                let place = folder.url.appending(path: "pulled\(number)")
                _ = try await herd(["pull", image, "oci:\(place.path):v1"])
                #expect(try layout.isIn(place), "\(image)")
                // What was written is an image to be pushed.
                _ = try await herd([
                    "push", "oci:\(place.path):v1", "\(second.proxyRegistry)/again/n\(number):v1",
                ])
            }
            let archive = folder.url.appending(path: "app.tar").path
            _ = try await herd(["pull", "--platform", "linux/amd64", "\(app):v1", archive])
            _ = try await herd(["push", archive, "\(second.proxyRegistry)/archive:v1"])

            try await refusals(first, "\(app):v1", layout)
            for running in [first, second] { #expect(try await running.stop() == 0) }
        }

        /// What can't be done says so.
        private func refusals(
            _ running: HerdProcess,
            _ image: String,
            _ layout: Layout
        ) async throws {
            let layer = layout.folder.appending(path: "blobs/sha512/\(layout.blobs[1])")
            try Data(count: 300_000).write(to: layer)
            let place = "\(running.proxyRegistry)/demo/damaged:v1"
            let damaged = try await herd(
                ["push", "oci:\(layout.folder.path):v1", place],
                status: 1
            )
            #expect(damaged.errors.contains("sha512:\(layout.blobs[1]) are others"))
        }
    }
}
