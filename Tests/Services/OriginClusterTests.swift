// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import ClusterConfiguration
import Content
import HTTPTypes
import NIOCore
import OriginService
import Placement
import Primitives
import Telemetry
import TestSupport
import Testing

extension ServicesTests {
    @Suite("Origin: cluster") struct OriginClusterTests {
        private func holds(_ origin: OriginUnderTest, _ blob: OriginBlob) async throws -> Bool {
            try await origin.send(.head, "\(blob.internalPath)?local=true").status == 200
        }

        @Test("has a blob on all of its owners once the upload is answered")
        func copies() async throws {
            try await withTemporaryFolder { root in
                try await OriginUnderTest.cluster(of: 3, root) {
                    $0.replicasMax = 2
                } body: { origins in
                    for seed in 1..<5 {
                        let blob = OriginBlob.random(50_000, seed: UInt64(seed))
                        let owners = try await origins[0].client.locations(of: blob.digest)
                        #expect(owners.count == 2)
                        for origin in origins {
                            #expect(try await origin.client.locations(of: blob.digest) == owners)
                        }
                        let cluster = OriginCluster(
                            hosts: HostList(origins.map(\.address)),
                            http: TrackerWorld.http,
                            log: TrackerWorld.log
                        )
                        try await cluster.upload(
                            blob.digest,
                            namespace: .proxyUploads,
                            from: .bytes(ByteBuffer(bytes: blob.bytes))
                        )
                        for origin in origins {
                            let isOwner = owners.contains(origin.address)
                            #expect(try await holds(origin, blob) == isOwner)
                        }
                        // One copies to the backend now, the other one in half an hour if it has to.
                        let first = try #require(origins.first { $0.address == owners[0] })
                        await first.untilWrittenBack(blob)
                    }
                }
            }
        }

        @Test("copies what it fetched from the backend to the other owners")
        func copiesRefreshed() async throws {
            try await withTemporaryFolder { root in
                let blob = OriginBlob.random(100_000)
                try await OriginUnderTest.with(root, id: "seed") { origin in
                    try await origin.upload(blob)
                    await origin.untilWrittenBack(blob)
                }
                try await OriginUnderTest.cluster(of: 2, root) { _ in
                } body: { origins in
                    let answer = try await origins[0].poll(blob.path)
                    #expect(answer.bytes == blob.bytes)
                    await origins[0].event { $0.kind == .replicationDone }
                    #expect(try await holds(origins[1], blob))
                    #expect(try await origins[1].status().queues?.first?.pendingCount == 0)
                }
            }
        }

        @Test("takes uploads while another owner is down, and stops counting on it")
        func survivesLoss() async throws {
            let port = try ReservedPort.make()
            let own = try ReservedPort.make()
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with(root) { configuration in
                    configuration.port = own
                    configuration.cluster = ["127.0.0.1:\(own)", "127.0.0.1:\(port)"]
                    configuration.healthInterval = .milliseconds(20)
                    configuration.healthFailsMax = 2
                } body: { origin in
                    let blob = OriginBlob("hello")
                    try await origin.upload(blob)
                    #expect(try await origin.send(.get, blob.path).text == "hello")
                    await origin.event { $0.kind == .membership && $0.reason == "unhealthy" }
                    #expect(try await origin.client.locations(of: blob.digest) == [origin.address])
                    let members = try #require(try await origin.status().ring?.members)
                    #expect(members.count { $0.isHealthy } == 1)
                }
            }
        }

        @Test(
            "the next origin takes the place of one that is down, and gets copies of what that held"
        )
        func healsLoss() async throws {
            var ports: [Int] = []
            for _ in 0..<4 { ports.append(try ReservedPort.make()) }
            let cluster = ports.map { "127.0.0.1:\($0)" }
            let ring = Ring(members: cluster, replicasMax: 2)
            try await withTemporaryFolder { root in
                let blobs = (0..<12).map { OriginBlob.random(20_000, seed: UInt64($0)) }
                let configure = { (configuration: inout OriginConfiguration) in
                    configuration.cluster = cluster
                    configuration.replicasMax = 2
                    configuration.healthInterval = .milliseconds(20)
                    configuration.healthTimeout = .seconds(5)
                    configuration.healthFailsMax = 2
                    configuration.healingRetryInterval = .milliseconds(50)
                }
                try await Self.origins(Array(ports.dropLast()), root, configure) { others in
                    try await Self.origins([ports[3]], "\(root)/last", configure) { last in
                        for blob in blobs {
                            let owner = ring.owners(of: blob.digest)[0]
                            let origin = try #require((others + last).first { $0.address == owner })
                            try await origin.upload(blob)
                        }
                    }
                    // The last one is gone for good; what it held was on one other origin.
                    let left = Ring(members: Array(cluster.dropLast()), replicasMax: 2)
                    for blob in blobs {
                        for address in left.owners(of: blob.digest) {
                            let origin = try #require(others.first { $0.address == address })
                            try await untilHeld(origin, blob)
                        }
                    }
                    let healing = try await others[0].status().ring?.healing
                    #expect((healing?.passCount ?? 0) > 0)
                    // Whoever asks any origin for the owners gets a blob from each of them.
                    for blob in blobs {
                        for owner in try await others[0].client.locations(of: blob.digest) {
                            #expect(owner != cluster[3])
                            let origin = try #require(others.first { $0.address == owner })
                            #expect(try await origin.send(.get, blob.path).bytes == blob.bytes)
                        }
                    }
                }
            }
        }

        @Test("no request fails while an origin dies")
        func servesThroughLoss() async throws {
            var ports: [Int] = []
            for _ in 0..<3 { ports.append(try ReservedPort.make()) }
            let cluster = ports.map { "127.0.0.1:\($0)" }
            let origins = OriginCluster(
                hosts: HostList(cluster),
                http: TrackerWorld.http,
                log: TrackerWorld.log
            )
            let namespace = try Namespace(OriginUnderTest.namespace)
            try await withTemporaryFolder { root in
                let blobs = (0..<30).map { OriginBlob.random(30_000, seed: UInt64($0)) }
                let configure = { (configuration: inout OriginConfiguration) in
                    configuration.cluster = cluster
                    configuration.drainTimeout = .milliseconds(50)
                }
                func upload(_ blobs: ArraySlice<OriginBlob>) async throws {
                    for blob in blobs {
                        try await origins.upload(
                            blob.digest,
                            namespace: namespace,
                            from: .bytes(ByteBuffer(bytes: blob.bytes))
                        )
                    }
                }
                try await Self.origins(Array(ports.dropLast()), root, configure) { _ in
                    try await Self.origins([ports[2]], root, configure) { _ in
                        try await upload(blobs.prefix(10))
                    }
                    // Nobody has noticed yet that the third one is gone.
                    try await upload(blobs.dropFirst(10))
                    for blob in blobs {
                        let size = try await origins.stat(blob.digest, namespace: namespace)
                        #expect(size?.bytes == blob.bytes.count)
                        let body = try await origins.download(blob.digest, namespace: namespace)
                        let bytes = try await body.collect(upTo: 1 << 20)
                        #expect(Array(bytes.readableBytesView) == blob.bytes)
                        let metaInfo = try await origins.metaInfo(
                            of: blob.digest,
                            namespace: namespace
                        )
                        #expect(metaInfo.digest == blob.digest)
                    }
                }
            }
        }

        @Test(
            "an origin that joins gets the blobs that are its now, and what they owe is written back"
        )
        func healsJoin() async throws {
            let ports = [try ReservedPort.make(), try ReservedPort.make()]
            try await withTemporaryFolder { root in
                let blob = OriginBlob.random(300_000)
                try await Self.origins([ports[0]], root, { $0.backends = [] }) { origins in
                    try await origins[0].upload(blob)
                }
                let configure = { (configuration: inout OriginConfiguration) in
                    configuration.backends = []
                    configuration.cluster = ports.map { "127.0.0.1:\($0)" }
                    configuration.healingRetryInterval = .milliseconds(50)
                    configuration.healingRate = ByteRate(bytesPerSecond: 10 << 20)
                }
                try await Self.origins(ports, root, configure) { origins in
                    try await untilHeld(origins[1], blob)
                    await origins[0].event {
                        $0.kind == .replicationDone && $0.reason == "healing"
                            && $0.blob == blob.digest
                    }
                    // The new owner owes it, too, later.
                    let queues = try await origins[1].status().queues ?? []
                    #expect(queues.contains { $0.pendingCount == 1 })
                }
            }
        }

        /// Runs an origin on each of `ports`, while `body` runs.
        private static func origins(
            _ ports: [Int],
            _ root: String,
            _ configure: @escaping (inout OriginConfiguration) -> Void,
            _ running: [OriginUnderTest] = [],
            body: ([OriginUnderTest]) async throws -> Void
        ) async throws {
            guard let port = ports.first else { return try await body(running) }
            try await OriginUnderTest.with(root, id: "origin-\(port)") { configuration in
                configure(&configuration)
                configuration.port = port
            } body: { origin in
                try await origins(
                    Array(ports.dropFirst()),
                    root,
                    configure,
                    running + [origin],
                    body: body
                )
            }
        }

        /// Returns once `origin` holds `blob`.
        private func untilHeld(_ origin: OriginUnderTest, _ blob: OriginBlob) async throws {
            await origin.event { $0.kind == .blobCommitted && $0.blob == blob.digest }
            #expect(try await holds(origin, blob))
        }

        @Test("uploads a blob to another cluster, fetching it first if need be")
        func copiesToRemote() async throws {
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with(root, id: "remote") { configuration in
                    configuration.backends[0].backend = .file(
                        root: "\(root)/other",
                        namePath: .identity
                    )
                } body: { remote in
                    try await OriginUnderTest.with(root) { origin in
                        let blob = OriginBlob.random(200_000)
                        try await origin.upload(blob)
                        let path = "\(blob.path)/remote/\(remote.address)"
                        #expect(try await origin.send(.post, path).status == 200)
                        #expect(try await holds(remote, blob))
                        await origin.untilWrittenBack(blob)
                        _ = try await origin.send(.delete, "/internal/blobs/\(blob.digest)")
                        #expect(try await origin.send(.post, path).status == 202)
                        let absent = OriginBlob("absent")
                        let lost = "\(absent.path)/remote/\(remote.address)"
                        #expect(try await origin.send(.post, lost).status == 404)
                        let odd = "\(blob.path)/remote/nowhere"
                        #expect(try await origin.send(.post, odd).status == 400)
                    }
                }
            }
        }

        @Test("refuses to start outside of its own ring")
        func refusesStrangers() async throws {
            let origin = OriginComponent(
                configuration: {
                    var configuration = OriginConfiguration(dataDirectory: "/nowhere")
                    configuration.cluster = ["elsewhere:1"]
                    return configuration
                }(),
                environment: TrackerWorld.environment("origin-0", kind: .origin)
            )
            await #expect(throws: OriginError.self) { try await origin.run() }
        }

        @Test("introduces itself to peers by the hash of its address")
        func introducesItself() async throws {
            try await withTemporaryFolder { root in
                try await OriginUnderTest.with(root) { configuration in
                    configuration.zone = "z"
                    configuration.clusterName = "c"
                } body: { origin in
                    let context = try await origin.client.peerContext()
                    #expect("\(context.ip):\(context.port)" == origin.peerAddress)
                    #expect(
                        context.peerID == PeerID(hashOfAddress: context.ip, port: context.port)
                    )
                    #expect((context.zone, context.cluster, context.isOrigin) == ("z", "c", true))
                    let json = try await origin.send(.get, "/internal/peercontext").json
                    #expect(
                        json.members?.map(\.key) == [
                            "ip", "port", "peer_id", "zone", "cluster", "origin",
                        ]
                    )
                    #expect(json["peer_id"]?.array?.count == 20)
                }
            }
        }
    }
}
