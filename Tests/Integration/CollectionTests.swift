// SPDX-License-Identifier: Apache-2.0

import Content
import Foundation
import Testing

extension IntegrationTests {
    /// `herd gc` on a running cluster, with pushes, deletes and pulls by real clients.
    @Suite("Garbage collection") struct CollectionTests {
        private struct Report: Decodable {
            struct Row: Decodable {
                let digest: String
                let bytes: Int
                let reason: String
            }
            let dryRun: Bool
            let removed: [Row]
            let spared: [Row]
            let kept: Int
            let bytesFreed: Int

            private enum CodingKeys: String, CodingKey {
                case dryRun = "dry_run"
                case removed, spared, kept
                case bytesFreed = "bytes_freed"
            }
        }

        private func herd(_ herd: HerdProcess, _ arguments: [String]) async throws -> String {
            let all = arguments + ["--data-dir", herd.dataDirectory.path]
            let result = try await Command(HerdProcess.executable, all).run()
            #expect(result.status == 0, "herd \(arguments): \(result.errors)")
            return result.output
        }

        private func collect(_ running: HerdProcess, _ arguments: [String]) async throws -> Report {
            let output = try await herd(running, ["gc", "--json"] + arguments)
            return try JSONDecoder().decode(Report.self, from: Data(output.utf8))
        }

        /// Has origins write back what they owe now, copies too, and waits until nothing is owed.
        private func writeBack(_ running: HerdProcess) async throws {
            let end = ContinuousClock.now + .seconds(60)
            while ContinuousClock.now < end {
                _ = try await herd(running, ["queue", "retry", "--all"])
                let list = try await herd(running, ["queue", "list"])
                if list.split(separator: "\n").count == 1 { return }
            }
            Issue.record("the queues did not become empty")
        }

        /// How many files the cluster has of the blob `digest`, on origins' disks and in the backend.
        private func copies(_ digest: String, _ running: HerdProcess) -> Int {
            let hex = String(digest.dropFirst("sha256:".count))
            guard let files = FileManager.default.enumerator(atPath: running.dataDirectory.path)
            else { return 0 }
            var count = 0
            for case let path as String in files where path.hasSuffix("\(hex)/data") {
                if path.hasPrefix("origin-") || path.hasPrefix("backend") { count += 1 }
            }
            return count
        }

        @Test("frees what was deleted and nothing else", .timeLimit(.minutes(5)))
        func frees() async throws {
            let folder = try TemporaryDirectory()
            func image(_ name: String, _ layers: [Int], _ seed: UInt64) throws -> OCIImage {
                let place = folder.url.appending(path: name)
                return try OCIImage.make(in: place, layerBytes: layers, seed: seed)
            }
            // They share their first layer.
            let kept = try image("kept", [300_000], 71)
            let deleted = try image("deleted", [300_000, 400_000], 71)
            #expect(kept.layers[0] == deleted.layers[0])
            let running = try await HerdProcess.start(in: folder.url, agents: 1)
            let proxy = running.proxyRegistry
            for (image, tag) in [(kept, "v1"), (deleted, "v2")] {
                let push = try await Clients.push(image, to: proxy, as: "demo/app:\(tag)")
                #expect(push.status == 0, "\(push.errors)")
            }
            try await writeBack(running)
            let all = try await collect(running, ["--dry-run", "--grace", "0s", "--backends"])
            #expect(all.removed.isEmpty && all.kept == 6, "\(all)")

            let deletion = try await Command(
                "skopeo",
                ["delete", "--tls-verify=false", "docker://\(proxy)/demo/app:v2"]
            ).run()
            #expect(deletion.status == 0, "\(deletion.errors)")
            let gone = Set(deleted.blobs.keys).subtracting(kept.blobs.keys)
            #expect(gone.count == 3)

            // Within the grace period nothing goes, and a dry run removes nothing at all.
            let early = try await collect(running, ["--backends"])
            #expect(early.removed.isEmpty && Set(early.spared.map(\.digest)) == gone, "\(early)")
            let dry = try await collect(running, ["--dry-run", "--grace", "0s", "--backends"])
            #expect(dry.dryRun && Set(dry.removed.map(\.digest)) == gone, "\(dry)")
            for digest in gone { #expect(copies(digest, running) > 1) }

            let report = try await collect(running, ["--grace", "0s", "--backends"])
            #expect(Set(report.removed.map(\.digest)) == gone, "\(report)")
            #expect(report.bytesFreed >= 400_000)
            for digest in gone { #expect(copies(digest, running) == 0, "\(digest)") }
            for digest in kept.blobs.keys { #expect(copies(digest, running) > 1, "\(digest)") }
            let registries = [proxy] + running.agentRegistries
            try await Clients.pullEverywhere(
                "demo/app:v1",
                of: kept,
                from: registries,
                under: folder.url
            )

            // What is gone can be pushed again, from the first byte to the last.
            let push = try await Clients.push(deleted, to: proxy, as: "demo/app:v2")
            #expect(push.status == 0, "\(push.errors)")
            try await Clients.pullEverywhere(
                "demo/app:v2",
                of: deleted,
                from: registries,
                under: folder.url
            )
            #expect(try await running.stop() == 0)
        }

        /// Names content by its sha512 and pushes it so to `registry`.
        private func pushBySHA512(_ seed: Int, to registry: String) async throws -> Named {
            let bytes = (0..<5000).map { UInt8(truncatingIfNeeded: $0 * $0 / 7 + seed) }
            let blob = Named(bytes)
            let folder = try TemporaryDirectory()
            let file = folder.url.appending(path: "blob")
            try Data(bytes).write(to: file)
            let (status, body) = try await Clients.curl([
                "-X", "POST", "-H", "Content-Type: application/octet-stream",
                "--data-binary", "@\(file.path)",
                "http://\(registry)/v2/\(Artifacts.repository)/blobs/uploads/?digest=\(blob.name)",
            ])
            #expect(status == 201, "\(body)")
            return blob
        }

        /// Content with both of its names.
        private struct Named {
            let name: SHA512Digest
            let stored: String
            let descriptor: String

            init(_ bytes: [UInt8]) {
                name = SHA512Digest(hashing: bytes)
                stored = "\(Digest(hashing: bytes))"
                descriptor = #"{"mediaType":"a/b","digest":"\#(name)","size":\#(bytes.count)}"#
            }
        }

        /// The aliases that the repository of ``Artifacts`` remembers.
        private func aliases(_ running: HerdProcess) async throws -> Set<SHA512Digest> {
            let index = try #require(running.ready.addresses("build-index", "http").first)
            let (_, list) = try await Clients.curl(["http://\(index)/list/\(Artifacts.repository)"])
            let tags = list.matches(of: /sha512\.[A-Za-z0-9_-]{86}/).map { String($0.output) }
            return Set(
                try tags.compactMap { text in
                    guard case .alias(let name) = ReservedTag(try Tag(text)) else { return nil }
                    return name
                }
            )
        }

        @Test(
            "follows names by sha512, and removes them with their content",
            .timeLimit(.minutes(5))
        )
        func namesBySHA512() async throws {
            let folder = try TemporaryDirectory()
            let running = try await HerdProcess.start(in: folder.url, agents: 1)
            let proxy = running.proxyRegistry
            let agent = try #require(running.agentRegistries.first)
            // The first is pulled by an agent, and being seeded keeps it; the others are pulled by nobody, and nothing refers to
            // the last.
            let blobs = [
                try await pushBySHA512(1, to: proxy), try await pushBySHA512(2, to: proxy),
                try await pushBySHA512(3, to: proxy),
            ]
            func image(_ layers: [Named], _ tag: String) async throws -> String {
                let list = layers.map(\.descriptor).joined(separator: ",")
                return try await Artifacts.put(
                    #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":\#(blobs[0].descriptor),"layers":[\#(list)]}"#,
                    at: proxy,
                    as: tag
                )
            }
            _ = try await image([blobs[0]], "v1")
            let second = try await image([blobs[0], blobs[1]], "v2")
            func status(_ blob: Named) async throws -> Int {
                let path = "\(agent)/v2/\(Artifacts.repository)/blobs/\(blob.name)"
                return try await Clients.curl(["-o", "/dev/null", "http://\(path)"]).status
            }
            #expect(try await status(blobs[0]) == 200)
            try await writeBack(running)
            let options = ["--grace", "0s", "--backends"]

            // Every step: what is deleted, what goes, and which aliases are left.
            for (manifest, gone, left) in [
                (nil, [blobs[2].stored], [blobs[0], blobs[1]]),
                (second, [second, blobs[1].stored], [blobs[0]]),
            ] {
                if let manifest {
                    let url = "http://\(proxy)/v2/\(Artifacts.repository)/manifests/\(manifest)"
                    #expect(try await Clients.curl(["-X", "DELETE", url]).status == 202)
                    try await writeBack(running)
                }
                let report = try await collect(running, options)
                #expect(Set(report.removed.map(\.digest)) == Set(gone), "\(report)")
                for digest in gone { #expect(copies(digest, running) == 0, "\(digest)") }
                for blob in left { #expect(copies(blob.stored, running) > 1, "\(blob.stored)") }
                #expect(try await aliases(running) == Set(left.map(\.name)))
            }
            #expect(try await status(blobs[1]) == 404)
            let copy = folder.url.appending(path: "copy")
            let path = "\(proxy)/v2/\(Artifacts.repository)/blobs/\(blobs[0].name)"
            _ = try await Clients.curl(["-o", copy.path, "http://\(path)"])
            #expect(Clients.sha256(try Data(contentsOf: copy)) == blobs[0].stored)
            #expect(try await running.stop() == 0)
        }

        @Test("removes nothing while an origin is away", .timeLimit(.minutes(5)))
        func incomplete() async throws {
            let folder = try TemporaryDirectory()
            let running = try await HerdProcess.start(in: folder.url, agents: 1)
            let addresses = running.ready.addresses("origin", "http").dropLast()
            let urls = (addresses + running.ready.addresses("build-index", "http")).map {
                "http://\($0)"
            }
            let result = try await Command(HerdProcess.executable, ["gc"] + urls).run()
            #expect(result.status == 1)
            #expect(result.errors.contains("the ring has 3 origins, and 2 are named"))
            #expect(try await running.stop() == 0)
        }

        @Test("pushes beside collections are safe", .timeLimit(.minutes(10)))
        func pushesBeside() async throws {
            let folder = try TemporaryDirectory()
            let running = try await HerdProcess.start(in: folder.url, agents: 1)
            let proxy = running.proxyRegistry
            var images: [OCIImage] = []
            for number in 0..<12 {
                // Every second one shares its first layer with the one before.
                let layerBytes = number % 2 == 0 ? [100_000] : [100_000, 50_000]
                let place = folder.url.appending(path: "image\(number)")
                let seed = UInt64(90 + number / 2)
                images.append(try OCIImage.make(in: place, layerBytes: layerBytes, seed: seed))
            }
            let collections = Task {
                var removedCount = 0
                while !Task.isCancelled {
                    let report = try await collect(running, ["--grace", "3s", "--backends"])
                    removedCount += report.removed.count
                }
                return removedCount
            }
            // The tag moves at each push, so that what it named is garbage until its layers are needed again.
            for round in 0..<2 {
                for (number, image) in images.enumerated() {
                    let moving = try await Clients.push(image, to: proxy, as: "demo/app:moving")
                    #expect(moving.status == 0, "\(moving.errors)")
                    guard round == 1 else { continue }
                    let push = try await Clients.push(image, to: proxy, as: "demo/app:v\(number)")
                    #expect(push.status == 0, "\(push.errors)")
                }
                try await writeBack(running)
            }
            collections.cancel()
            let removedCount = try await collections.value
            print("\(removedCount) blobs were collected beside the pushes")
            for (number, image) in images.enumerated() {
                try await Clients.pullEverywhere(
                    "demo/app:v\(number)",
                    of: image,
                    from: [proxy] + running.agentRegistries,
                    under: folder.url
                )
            }
            #expect(try await running.stop() == 0)
        }
    }
}
