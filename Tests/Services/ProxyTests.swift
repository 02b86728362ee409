// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import Foundation
import HTTPKit
import HTTPTypes
import Primitives
import Telemetry
import TestSupport
import Testing

extension ServicesTests {
    @Suite("Proxy") struct ProxyTests {
        private static func bytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
            var generator = Generator(seed: seed)
            return generator.bytes(count)
        }

        @Test("takes an image and gives it back")
        func roundTrip() async throws {
            try await ProxyCluster.run { cluster in
                let layer = Self.bytes(3_000_000)
                let digest = Digest(hashing: layer)
                let blob = "/v2/demo/web/blobs/\(digest)"
                #expect(try await cluster.send(.head, blob).status == 404)
                let manifest = try await cluster.pushImage("v1", layer: layer)

                let head = try await cluster.send(.head, blob)
                #expect(head.status == 200)
                #expect(head["Content-Length"] == "3000000")
                #expect(try await cluster.send(.get, blob).bytes == layer)
                let part = try await cluster.send(.get, blob, headers: [.range: "bytes=1000-1999"])
                #expect(part.status == 206)
                #expect(part.bytes == Array(layer[1000..<2000]))
                #expect(part["Content-Range"] == "bytes 1000-1999/3000000")

                for reference in ["v1", Digest(hashing: manifest).description] {
                    let answer = try await cluster.send(.get, "/v2/demo/web/manifests/\(reference)")
                    #expect(answer.status == 200)
                    #expect(answer.bytes == manifest)
                    #expect(answer["Content-Type"] == "application/vnd.oci.image.manifest.v1+json")
                }
                let absent = try await cluster.send(.get, "/v2/demo/web/manifests/v2")
                #expect(absent.code == "MANIFEST_UNKNOWN")
                let mount = "/v2/other/blobs/uploads/?mount=\(digest)&from=demo/web"
                #expect(try await cluster.send(.post, mount).status == 201)
                #expect(try cluster.filesOnDisk().isEmpty)
            }
        }

        @Test("lists tags and repositories on both listeners")
        func lists() async throws {
            try await ProxyCluster.run { cluster in
                for (tag, repository) in [("v1", "demo/web"), ("v2", "demo/web"), ("v1", "a")] {
                    _ = try await cluster.pushImage(tag, layer: [1, 2, 3], to: repository)
                }
                let tags = try await cluster.send(.get, "/v2/demo/web/tags/list?n=1")
                #expect(tags.json["tags"]?.array?.compactMap(\.string) == ["v1"])
                #expect(tags["Link"] == "</v2/demo/web/tags/list?last=v1&n=1>; rel=\"next\"")
                for address in cluster.proxy.addresses.values {
                    let all = try await cluster.send(.get, "/v2/_catalog", to: address)
                    let names = all.json["repositories"]?.array?.compactMap(\.string)
                    #expect(names == ["a", "demo/web"])
                    #expect(try await cluster.send(.get, "/health", to: address).text == "OK\n")
                    #expect(try await cluster.send(.get, "/readiness", to: address).status == 200)
                }
            }
        }

        @Test("tells its state and counts what it does")
        func status() async throws {
            try await ProxyCluster.run { cluster in
                _ = try await cluster.pushImage("v1", layer: [1, 2, 3])
                try await cluster.send(.get, "/v2/demo/web/manifests/v1")
                let http = try #require(cluster.proxy.addresses["http"])
                let answer = try await cluster.send(.get, "/status", to: http)
                let snapshot = try TelemetryJSON.decode(ComponentSnapshot.self, from: answer.bytes)
                #expect(snapshot.kind == .proxy)
                #expect(snapshot.health == .ok)
                #expect(snapshot.addresses == cluster.proxy.addresses)
                #expect(snapshot.counters["pushes"] == 1)
                #expect(snapshot.counters["pulls"] == 1)
                #expect(snapshot.counters["blobs_uploaded"] == 2)
                #expect(snapshot.counters["bytes_pushed"] == 5)
                #expect(snapshot.counters["upload_sessions"] == 0)
            }
        }

        @Test("keeps nothing of a blob whose digest is wrong")
        func wrongDigest() async throws {
            try await ProxyCluster.run { cluster in
                let wrong = Digest(hashing: [9])
                let answer = try await cluster.push([1, 2, 3, 4], as: wrong)
                #expect(answer.status == 400)
                #expect(answer.code == "DIGEST_INVALID")
                #expect(try cluster.filesOnDisk().isEmpty)
                #expect(try await cluster.send(.head, "/v2/demo/web/blobs/\(wrong)").status == 404)
                #expect(cluster.proxy.counters.counter("upload_sessions").value == 0)
            }
        }

        @Test("takes the same blob from many clients at once")
        func sameBlobAtOnce() async throws {
            try await ProxyCluster.run { cluster in
                let blob = Self.bytes(400_000)
                try await withThrowingTaskGroup(of: Int.self) { group in
                    for index in 0..<8 {
                        group.addTask { try await cluster.push(blob, to: "r\(index)").status }
                    }
                    for try await status in group { #expect(status == 201) }
                }
                #expect(try cluster.filesOnDisk().isEmpty)
                let path = "/v2/r0/blobs/\(Digest(hashing: blob))"
                #expect(try await cluster.send(.get, path).bytes == blob)
            }
        }

        @Test("takes a blob while one of its owners is down")
        func ownerDown() async throws {
            try await ProxyCluster.run(origins: 2) { cluster in
                try await cluster.origins[0].stop()
                for seed in 1...4 {
                    let blob = Self.bytes(10_000, seed: UInt64(seed))
                    #expect(try await cluster.push(blob).status == 201)
                    let path = "/v2/demo/web/blobs/\(Digest(hashing: blob))"
                    #expect(try await cluster.send(.get, path).bytes == blob)
                }
            }
        }

        @Test("refuses more uploads than it may have")
        func uploadsMax() async throws {
            try await ProxyCluster.run(configure: { $0.limits.uploadSessionsMax = 2 }) { cluster in
                var locations: [String] = []
                for _ in 0..<2 {
                    let answer = try await cluster.send(.post, "/v2/a/blobs/uploads/")
                    #expect(answer.status == 202)
                    locations.append(answer["Location"] ?? "")
                }
                let refused = try await cluster.send(.post, "/v2/a/blobs/uploads/")
                #expect(refused.status == 429)
                #expect(refused.code == "TOOMANYREQUESTS")
                #expect(refused["Retry-After"] == "1")
                #expect(try await cluster.send(.delete, locations[0]).status == 204)
                #expect(try await cluster.send(.post, "/v2/a/blobs/uploads/").status == 202)
            }
        }

        @Test("goes on with uploads after a restart, and keeps nothing else")
        func restart() async throws {
            try await ProxyCluster.run { cluster in
                var configuration = cluster.configuration
                configuration.dataDirectory += "-2"
                let blob = Self.bytes(300_000)
                let digest = Digest(hashing: blob)
                let first = try await ProxyCluster.startProxy(configuration)
                let registry = try #require(first.addresses["registry"])
                let start = try await ProxyCluster.send(.post, registry, "/v2/a/blobs/uploads/")
                let location = try #require(start["Location"])
                try await ProxyCluster.send(.patch, registry, location, Array(blob[..<100_000]))
                let ended = try await ProxyCluster.send(.post, registry, "/v2/a/blobs/uploads/")
                try await ProxyCluster.send(.delete, registry, try #require(ended["Location"]))
                try await first.stop()
                // As if the process had been killed between the commit and the hand-over to the origins.
                let hex = String(repeating: "ab", count: 32)
                let entry = "\(configuration.dataDirectory)/cache/ab/ab/\(hex)"
                try FileManager.default.createDirectory(
                    atPath: entry,
                    withIntermediateDirectories: true
                )
                try Data([1, 2, 3]).write(to: URL(fileURLWithPath: entry + "/data"))
                // And one whose label was lost, which nobody can find any more.
                let stray = "\(configuration.dataDirectory)/upload/stray"
                try FileManager.default.createDirectory(
                    atPath: stray,
                    withIntermediateDirectories: true
                )

                let second = try await ProxyCluster.startProxy(configuration)
                let again = try #require(second.addresses["registry"])
                let elsewhere = location.replacing("/v2/a/", with: "/v2/b/")
                #expect(try await ProxyCluster.send(.get, again, elsewhere).status == 404)
                let status = try await ProxyCluster.send(.get, again, location)
                #expect(status.status == 204)
                #expect(status["Range"] == "0-99999")
                let rest = try await ProxyCluster.send(
                    .patch,
                    again,
                    location,
                    Array(blob[100_000...]),
                    headers: [.contentRange: "100000-299999"]
                )
                #expect(rest.status == 202)
                let put = try await ProxyCluster.send(.put, again, "\(location)?digest=\(digest)")
                #expect(put.status == 201, "\(put.text)")
                #expect(
                    try await ProxyCluster.send(.get, again, "/v2/a/blobs/\(digest)").bytes == blob
                )
                let left = try FileManager.default.subpathsOfDirectory(
                    atPath: configuration.dataDirectory
                )
                #expect(left.filter { $0.hasPrefix("upload/") || $0.hasSuffix("/data") } == [])
                try await second.stop()
            }
        }
    }
}
