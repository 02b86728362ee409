// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import Files
import Foundation
import HTTPKit
import NIOCore
import Primitives
import Testing

extension IntegrationTests {
    /// A disk without room, at each component that has one: what is asked for is refused with 507 and the reason, what is there
    /// is served, and the same request succeeds once there is room.
    @Suite(
        "Full disks",
        .enabled("needs a user who may mount (root outside of a closed container)") {
            try await SmallDisk.isPermitted()
        }
    )
    struct FullDiskTests {
        private static let namespace = "demo/full"

        /// Bytes from `seed`, with their name.
        private struct Blob {
            let bytes: [UInt8]
            let digest: Digest

            init(_ count: Int, seed: UInt64) {
                var generator = Generator(seed: seed)
                bytes = (0..<count / 8).flatMap { _ in
                    withUnsafeBytes(of: generator.next()) { Array($0) }
                }
                digest = Digest(hashing: bytes)
            }

            func upload(to address: String) async throws {
                try await OriginClient(address: address, http: IntegrationTests.http).upload(
                    digest,
                    namespace: try Namespace(namespace),
                    from: .bytes(ByteBuffer(bytes: bytes))
                )
            }
        }

        /// The path of a blob at origins and agents.
        private func path(_ digest: Digest) -> String {
            "/namespace/\(Self.namespace.replacing("/", with: "%2F"))/blobs/\(digest)"
        }

        /// What `address` has of `blob`: its status, and whether its bytes are right.
        private func fetch(
            _ blob: Blob,
            from address: String,
            in folder: URL
        ) async throws -> (status: Int, isRight: Bool) {
            let file = folder.appending(path: UUID().uuidString)
            let url = "http://\(address)\(path(blob.digest))"
            let (status, _) = try await Clients.curl(["-o", file.path, url])
            let bytes = FileManager.default.contents(atPath: file.path) ?? Data()
            return (status, Digest(hashing: Array(bytes)) == blob.digest)
        }

        @Test(
            "an origin refuses uploads, serves what it has, and owes the backend nothing less",
            .timeLimit(.minutes(4))
        )
        func origin() async throws {
            let folder = try TemporaryDirectory()
            let cluster = try await SmallDiskCluster.start(in: folder.url)
            let origin = cluster.origin
            let (there, large) = (Blob(4 << 20, seed: 1), Blob(8 << 20, seed: 2))
            try await there.upload(to: origin.address)
            try origin.disk.fill()
            let refusal = await #expect(throws: ClusterError.self) {
                try await large.upload(to: origin.address)
            }
            #expect(refusal?.code == .status(507))
            let why = refusal?.why ?? ""
            #expect(why.contains("No space left on device") && why.contains(origin.disk.path))
            #expect(try origin.disk.names(in: "upload") == [])
            #expect(try await fetch(large, from: origin.address, in: folder.url).status == 404)
            let held = try await fetch(there, from: origin.address, in: folder.url)
            #expect(held.status == 200 && held.isRight)
            for probe in ["health", "readiness"] {
                #expect(
                    try await Clients.curl(["http://\(origin.address)/\(probe)"]).status == 200
                )
            }
            // Now there is room for a part of what an upload needs: its bytes, its sidecars, the queue.
            var refused: [Blob] = []
            var taken = [there]
            for pages in 0..<24 {
                let small = Blob(1024, seed: 100 + UInt64(pages))
                try origin.disk.fill(leaving: pages)
                do {
                    try await small.upload(to: origin.address)
                    taken.append(small)
                } catch let error as ClusterError {
                    #expect(error.code == .status(507), "\(pages) pages: \(error)")
                    refused.append(small)
                }
            }
            #expect(!refused.isEmpty)
            try origin.disk.free()
            for blob in [large] + refused { try await blob.upload(to: origin.address) }
            try await cluster.drain(origin)
            for blob in [large] + refused + taken {
                #expect(try cluster.isKept(blob.digest))
                let held = try await fetch(blob, from: origin.address, in: folder.url)
                #expect(held.status == 200 && held.isRight)
            }
            try await cluster.stop()
        }

        @Test(
            "an origin copies to its backend what it has taken and could not queue, once there is room",
            .timeLimit(.minutes(4))
        )
        func unqueued() async throws {
            let folder = try TemporaryDirectory()
            let cluster = try await SmallDiskCluster.start(in: folder.url)
            let origin = cluster.origin
            let client = OriginClient(address: origin.address, http: IntegrationTests.http)
            var owed: [Blob] = []
            // Room for the bytes and their sidecars, and none for the queue: somewhere among these.
            for round in 0..<4 where owed.isEmpty {
                for pages in 0..<24 {
                    let small = Blob(1024, seed: UInt64(1000 * (round + 1) + pages))
                    try origin.disk.fill(leaving: pages)
                    do { try await small.upload(to: origin.address) } catch let error
                        as ClusterError
                    {
                        #expect(error.code == .status(507), "\(pages) pages: \(error)")
                        let held = try await client.stat(
                            small.digest,
                            namespace: try Namespace(Self.namespace),
                            isLocal: true
                        )
                        if held != nil { owed.append(small) }
                    }
                }
            }
            try #require(!owed.isEmpty, "every blob that was taken was queued")
            try origin.disk.free()
            for blob in owed {
                // Nobody asks for it again; until the test's own limit.
                while try !cluster.isKept(blob.digest) {}
            }
            try await cluster.drain(origin)
            try await cluster.stop()
        }

        @Test(
            "an origin says why it can't fetch a blob from its backend, and fetches it later",
            .timeLimit(.minutes(4))
        )
        func refresh() async throws {
            let folder = try TemporaryDirectory()
            let cluster = try await SmallDiskCluster.start(in: folder.url)
            let origin = cluster.origin
            let blob = Blob(8 << 20, seed: 3)
            let hex = blob.digest.hex
            let place = cluster.backend.appending(
                path: "docker/registry/v2/blobs/sha256/\(hex.prefix(2))/\(hex)"
            )
            try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
            try Data(blob.bytes).write(to: place.appending(path: "data"))
            try origin.disk.fill()
            let url = "http://\(origin.address)\(path(blob.digest))"
            var answer = (status: 202, body: "")
            while answer.status == 202 { answer = try await Clients.curl([url]) }
            #expect(answer.status == 507 && answer.body.contains("No space left on device"))
            #expect(try origin.disk.names(in: "upload") == [])
            try origin.disk.free()
            // The failure is remembered for a while.
            var held = (status: 507, isRight: false)
            while held.status == 507 || held.status == 202 {
                held = try await fetch(blob, from: origin.address, in: folder.url)
            }
            #expect(held.status == 200 && held.isRight)
            try await cluster.stop()
        }

        @Test(
            "a build-index refuses tags, and keeps and writes back each that it took",
            .timeLimit(.minutes(4))
        )
        func buildIndex() async throws {
            let folder = try TemporaryDirectory()
            let cluster = try await SmallDiskCluster.start(in: folder.url)
            let blob = Blob(1024, seed: 4)
            try await blob.upload(to: cluster.origin.address)
            let index = cluster.buildIndex
            func url(_ name: String) -> String {
                "http://\(index.address)/tags/demo%2F\(name)%3Av1"
            }
            func put(_ name: String) async throws -> (status: Int, body: String) {
                try await Clients.curl(["-X", "PUT", "\(url(name))/digest/\(blob.digest)"])
            }
            #expect(try await put("before").status == 200)
            try index.disk.fill()
            let refusal = try await put("full")
            #expect(refusal.status == 507 && refusal.body.contains("No space left on device"))
            #expect(refusal.body.contains(index.disk.path))
            #expect(try await Clients.curl([url("full")]).status == 404)
            #expect(try await Clients.curl([url("before")]).body == "\(blob.digest)")
            var refused = ["full"]
            var taken = ["before"]
            for pages in 0..<16 {
                try index.disk.fill(leaving: pages)
                let name = "pages\(pages)"
                let answer = try await put(name)
                #expect([200, 507].contains(answer.status), "\(pages) pages: \(answer)")
                if answer.status == 200 { taken.append(name) } else { refused.append(name) }
            }
            try index.disk.free()
            for name in refused { #expect(try await put(name).status == 200) }
            try await cluster.drain(index)
            for name in refused + taken {
                let file = cluster.backend.appending(
                    path:
                        "docker/registry/v2/repositories/demo/\(name)/_manifests/tags/v1/current/link"
                )
                #expect(
                    try String(contentsOf: file, encoding: .utf8) == "\(blob.digest)",
                    "\(name)"
                )
            }
            try await cluster.stop()
        }

        @Test(
            "a push says whose disk is full, be it the proxy's, the origin's or the build-index's",
            .timeLimit(.minutes(4))
        )
        func push() async throws {
            let folder = try TemporaryDirectory()
            let cluster = try await SmallDiskCluster.start(in: folder.url)
            let image = try OCIImage.make(
                in: folder.url.appending(path: "image"),
                layerBytes: [6 << 20],
                seed: 5
            )
            func push(_ tag: String) async throws -> CommandResult {
                try await Clients.push(image, to: cluster.proxyRegistry, as: "demo/full:\(tag)")
            }
            for (member, word) in [
                (cluster.proxy, "proxy's disk is full"), (cluster.origin, "disk of the origin"),
                (cluster.buildIndex, "disk of the build-index"),
            ] {
                try member.disk.fill()
                let refusal = try await push("v1")
                #expect(refusal.errors.contains("507 Insufficient Storage"), "\(refusal)")
                // Clients show the status only.
                let log = try String(
                    contentsOf: folder.url.appending(path: "proxy.log"),
                    encoding: .utf8
                )
                #expect(log.contains(word), "\(log)")
                #expect(try cluster.proxy.disk.names(in: "upload") == [])
                try member.disk.free()
            }
            let success = try await push("v1")
            #expect(success.status == 0, "\(success.errors)")
            try await Clients.pullEverywhere(
                "demo/full:v1",
                of: image,
                from: [cluster.agentRegistry, cluster.proxyRegistry],
                under: folder.url.appending(path: "pulled")
            )
            try await cluster.stop()
        }

        @Test(
            "an agent refuses pulls of what it lacks, and serves what it has",
            .timeLimit(.minutes(4))
        )
        func pull() async throws {
            let folder = try TemporaryDirectory()
            let cluster = try await SmallDiskCluster.start(in: folder.url)
            let pulled = folder.url.appending(path: "pulled")
            var images: [OCIImage] = []
            for number in 0..<2 {
                let image = try OCIImage.make(
                    in: folder.url.appending(path: "image\(number)"),
                    layerBytes: [4 << 20],
                    seed: 6 + UInt64(number)
                )
                let push = try await Clients.push(
                    image,
                    to: cluster.proxyRegistry,
                    as: "demo/full:v\(number)"
                )
                #expect(push.status == 0, "\(push.errors)")
                images.append(image)
            }
            func pull(_ number: Int) async throws {
                try await Clients.pullEverywhere(
                    "demo/full:v\(number)",
                    of: images[number],
                    from: [cluster.agentRegistry],
                    under: pulled
                )
            }
            try await pull(0)
            try cluster.agent.disk.fill()
            let url = "http://\(cluster.agentRegistry)/v2/demo/full/blobs/\(images[1].layers[0])"
            let refusal = try await Clients.curl([url])
            #expect(refusal.status == 507, "\(refusal)")
            #expect(refusal.body.contains(#"{"errors":[{"code":"UNAVAILABLE""#))
            #expect(refusal.body.contains("No space left on device"))
            let client = try await Clients.pull(
                "demo/full:v1",
                from: cluster.agentRegistry,
                into: pulled.appending(path: "refused")
            )
            #expect(client.errors.contains("507 Insufficient Storage"), "\(client)")
            let digest = try Digest(parsing: images[1].layers[0])
            let other = try await Clients.curl(["http://\(cluster.agent.address)\(path(digest))"])
            #expect(other.status == 507 && other.body.contains("NO_SPACE"))
            #expect(
                try await Clients.curl(["http://\(cluster.agent.address)/health"]).status == 200
            )
            let metrics = try await Clients.curl(["http://\(cluster.agent.address)/metrics"])
            #expect(metrics.body.contains("\nherd_disk_free_bytes{component=\"agent\"} 0\n"))
            try await pull(0)
            try cluster.agent.disk.free()
            try await pull(1)
            try await cluster.stop()
        }

        @Test(
            "an agent whose disk has filled up drops what was used longest ago, and pulls go on",
            .timeLimit(.minutes(4))
        )
        func eviction() async throws {
            let folder = try TemporaryDirectory()
            let cluster = try await SmallDiskCluster.start(
                in: folder.url,
                agent: """
                    , store: {cache_cleanup: {interval: 10h, aggressive_threshold: 50,
                    aggressive_lower_threshold: 20}}, scheduler: {seeder_tti: 1s}
                    """
            )
            // Four of them have no room at a time, and none is left in the origin's way.
            for number in 0..<4 {
                let blob = Blob(7 << 20, seed: 20 + UInt64(number))
                let hex = blob.digest.hex
                let place = cluster.backend.appending(
                    path: "docker/registry/v2/blobs/sha256/\(hex.prefix(2))/\(hex)"
                )
                try FileManager.default.createDirectory(
                    at: place,
                    withIntermediateDirectories: true
                )
                try Data(blob.bytes).write(to: place.appending(path: "data"))
                var held = (status: 507, isRight: false)
                // Until the test's own limit.
                while held.status == 507 {
                    held = try await fetch(blob, from: cluster.agent.address, in: folder.url)
                }
                #expect(held.status == 200 && held.isRight, "blob \(number): \(held.status)")
                let origin = "http://\(cluster.origin.address)/internal/blobs/\(blob.digest)"
                #expect(try await Clients.curl(["-X", "DELETE", origin]).status == 202)
            }
            try await cluster.stop()
        }
    }
}
