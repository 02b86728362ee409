// SPDX-License-Identifier: Apache-2.0

import Content
import HTTPTypes
import Primitives
import TestSupport
import Testing

extension ServicesTests {
    /// Images that are fetched from the backend before anybody asks for them: requests and answers are Kraken's.
    @Suite("Proxy: prefetch") struct ProxyPrefetchTests {
        private static let index = "application/vnd.oci.image.index.v1+json"

        /// Tries until the origin answers `status`: it does not tell when it has written back or fetched something.
        private func until(
            _ status: Int,
            _ method: HTTPRequest.Method,
            _ path: String,
            _ cluster: ProxyCluster
        ) async throws {
            let origin = cluster.origins[0].addresses["http"] ?? ""
            let end = ContinuousClock.now + .seconds(30)
            var last = 0
            while ContinuousClock.now < end {
                last = try await ProxyCluster.send(method, origin, path).status
                if last == status { return }
            }
            Issue.record("\(method) \(path) still answers \(last)")
        }

        private func evict(_ digests: [Digest], _ cluster: ProxyCluster) async throws {
            for digest in digests {
                try await until(202, .delete, "/internal/blobs/\(digest)", cluster)
                try await until(404, .head, local(digest), cluster)
            }
        }

        private func local(_ digest: Digest) -> String {
            "/internal/namespace/demo%2Fteam%2Fweb/blobs/\(digest)?local=true"
        }

        /// Pushes an index of two images; answers everything that it consists of, itself first.
        private func pushIndex(_ cluster: ProxyCluster) async throws -> [Digest] {
            var digests = [Digest(hashing: Array("{}".utf8))]
            var rows: [String] = []
            for number in 0..<2 {
                var generator = Generator(seed: UInt64(number))
                let layer = generator.bytes(1000)
                let manifest = try await cluster.pushImage(
                    "part\(number)",
                    layer: layer,
                    to: "demo/team/web"
                )
                let digest = Digest(hashing: manifest)
                digests += [Digest(hashing: layer), digest]
                rows.append(
                    #"{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"\#(digest)","#
                        + #""size":\#(manifest.count)}"#
                )
            }
            let text =
                #"{"schemaVersion":2,"mediaType":"\#(Self.index)","manifests":["#
                + rows.joined(separator: ",") + "]}"
            let put = try await cluster.send(
                .put,
                "/v2/demo/team/web/manifests/multi",
                Array(text.utf8)
            )
            #expect(put.status == 201, "\(put.text)")
            return [Digest(hashing: Array(text.utf8))] + digests
        }

        @Test("follows an index to its leaves and answers as Kraken does")
        func prefetches() async throws {
            try await ProxyCluster.run { cluster in
                let digests = try await pushIndex(cluster)
                let server = cluster.proxy.addresses["http"] ?? ""
                for version in ["v2", "v1"] {
                    try await evict(digests, cluster)
                    let answer = try await cluster.send(
                        .post,
                        "/proxy/\(version)/registry/prefetch",
                        Array(#"{"tag":"reg.example/demo/team/web:multi","trace_id":"t"}"#.utf8),
                        to: server
                    )
                    #expect(answer.status == 200)
                    #expect(
                        answer.text
                            == #"{"tag":"team/web:multi","prefetched":true,"status":"success","#
                            + #""message":"prefetching initiated successfully","trace_id":"t"}"#
                    )
                    for digest in digests { try await until(200, .head, local(digest), cluster) }
                }
            }
        }

        @Test("refuses what it can't find, with Kraken's JSON")
        func refuses() async throws {
            try await ProxyCluster.run { cluster in
                let server = cluster.proxy.addresses["http"] ?? ""
                func ask(_ body: String) async throws -> ProxyCluster.Answer {
                    let path = "/proxy/v2/registry/prefetch"
                    return try await cluster.send(.post, path, Array(body.utf8), to: server)
                }
                let bad = try await ask(#"{"tag":"bad"}"#)
                #expect(bad.status == 400)
                #expect(
                    bad.text == #"{"error":"Bad Request","prefetched":false,"status":"failure","#
                        + #""message":"tag: bad, invalid tag format: invalid tag format: bad"}"#
                )
                #expect(try await ask("{").status == 400)
                let unknown = try await ask(#"{"tag":"r/demo/web:none","trace_id":"t"}"#)
                #expect(unknown.status == 404 && unknown.json["trace_id"] == .string("t"))
            }
        }

        @Test("takes notifications of pushes, of indexes too, and passes over other events")
        func notifications() async throws {
            try await ProxyCluster.run { cluster in
                let digests = try await pushIndex(cluster)
                let server = cluster.proxy.addresses["http"] ?? ""
                try await evict(digests, cluster)
                func event(_ action: String, _ digest: Digest, _ type: String) -> String {
                    #"{"id":"1","action":"\#(action)","target":{"mediaType":"\#(type)","#
                        + #""digest":"\#(digest)","repository":"demo/team/web"}}"#
                }
                let events = [
                    event("pull", digests[0], Self.index),
                    event("push", digests[1], "application/octet-stream"),
                    #"{"action":"push","target":{"mediaType":"\#(Self.index)","digest":"none"}}"#,
                    event("push", digests[0], Self.index),
                ]
                let body = #"{"events":[\#(events.joined(separator: ","))]}"#
                let answer = try await cluster.send(
                    .post,
                    "/registry/notifications",
                    Array(body.utf8),
                    to: server
                )
                #expect(answer.status == 200 && answer.text.isEmpty)
                for digest in digests { try await until(200, .head, local(digest), cluster) }
                let bad = try await cluster.send(
                    .post,
                    "/registry/notifications",
                    Array("[".utf8),
                    to: server
                )
                #expect(bad.status == 400)
            }
        }
    }
}
