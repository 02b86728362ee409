// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import Files
import Foundation
import HTTPKit
import NIOCore
import Primitives
import TestSupport
import Testing

extension IntegrationTests {
    /// SIGHUP with other members: who joins is used at once, who leaves is not, and nothing is cut.
    @Suite("Reloads of members") struct MembershipReloadTests {
        /// A component whose configuration `text` makes of its members' ports.
        private struct Part {
            let kind: String
            let port: Int
            let folder: URL
            let process: RunningProcess
            let text: ([Int]) -> String

            static func start(
                _ kind: String,
                port: Int,
                _ arguments: [String],
                in folder: URL,
                members: [Int],
                _ text: @escaping ([Int]) -> String
            ) async throws -> Part {
                let process = try await StandaloneComponent.start(
                    kind,
                    text(members),
                    arguments,
                    port: port,
                    in: folder
                )
                return Part(kind: kind, port: port, folder: folder, process: process, text: text)
            }

            func reload(_ members: [Int], answer: String? = nil) async throws -> String {
                try await StandaloneComponent.reconfigure(
                    process,
                    kind,
                    text(members),
                    port: port,
                    in: folder,
                    answer: answer ?? "the configuration was read again"
                )
            }

            func stop() async throws {
                process.send(SIGTERM)
                #expect(try await process.waitForExit(within: .seconds(20)) == 0)
            }
        }

        private static func list(_ ports: [Int]) -> String {
            "{static: \(ports.map { "127.0.0.1:\($0)" })}"
        }

        private func startOrigin(_ port: Int, _ members: [Int], in folder: URL) async throws -> Part
        {
            let peer = try ReservedPort.make()
            return try await Part.start(
                "origin",
                port: port,
                [
                    "--blobserver-port", "\(port)", "--peer-port", "\(peer)", "--peer-ip",
                    "127.0.0.1",
                ],
                in: folder,
                members: members
            ) { members in
                """
                data_dir: \(folder.path)/origin-\(port)
                cluster: \(Self.list(members))
                hashring: {refresh_interval: 200ms}
                """
            }
        }

        private func origin(_ port: Int) -> OriginClient {
            OriginClient(address: "127.0.0.1:\(port)", http: IntegrationTests.http)
        }

        @Test(
            "an origin that joins gets its copies, one that leaves owns nothing, and a download goes on",
            .timeLimit(.minutes(3))
        )
        func origins() async throws {
            let folder = try TemporaryDirectory()
            let (a, b) = (try ReservedPort.make(), try ReservedPort.make())
            let first = try await startOrigin(a, [a], in: folder.url)
            // More than sockets hold.
            let bytes = [UInt8](repeating: 6, count: 24 << 20)
            let digest = Digest(hashing: bytes)
            let namespace = try Namespace("team/app")
            try await origin(a).upload(
                digest,
                namespace: namespace,
                from: .bytes(ByteBuffer(bytes: bytes))
            )
            // Slow enough to last until the last reload.
            let file = folder.url.appending(path: "slow")
            let slow = try Command(
                "curl",
                [
                    "-sf", "--limit-rate", "2M", "-o", file.path,
                    "http://127.0.0.1:\(a)/namespace/team%2Fapp/blobs/\(digest)",
                ]
            ).start(
                output: folder.url.appending(path: "out"),
                errors: folder.url.appending(path: "err")
            )
            let second = try await startOrigin(b, [a, b], in: folder.url)
            #expect(try await origin(b).stat(digest, namespace: namespace, isLocal: true) == nil)
            #expect(try await first.reload([a, b]).contains("applied=cluster"))
            // Until the test's own limit.
            while try await origin(b).stat(digest, namespace: namespace, isLocal: true) == nil {}
            let both = Set([a, b].map { "127.0.0.1:\($0)" })
            #expect(Set(try await origin(a).locations(of: digest)) == both)

            let refusal = try await first.reload([b], answer: "can't be taken")
            #expect(refusal.contains("127.0.0.1:\(a) is not among"), "\(refusal)")
            #expect(Set(try await origin(a).locations(of: digest)) == both)
            #expect(try await first.reload([a]).contains("applied=cluster"))
            #expect(try await origin(a).locations(of: digest) == ["127.0.0.1:\(a)"])
            try await second.stop()
            #expect(slow.isRunning, "the download was to last longer than that")
            #expect(try await slow.waitForExit(within: .seconds(60)) == 0)
            #expect(try Clients.sha256(file) == digest.description)
            try await first.stop()
        }

        @Test("a build-index tells its new neighbours of tags, and not its old ones")
        func buildIndexes() async throws {
            let folder = try TemporaryDirectory()
            let ports = try (0..<3).map { _ in try ReservedPort.make() }
            let keeper = try await startOrigin(ports[0], [ports[0]], in: folder.url)
            let content = Array("named by tags".utf8)
            let digest = Digest(hashing: content)
            try await origin(ports[0]).upload(
                digest,
                namespace: .proxyUploads,
                from: .bytes(ByteBuffer(bytes: content))
            )
            func index(_ port: Int) async throws -> Part {
                try await Part.start(
                    "build-index",
                    port: port,
                    ["--port", "\(port)"],
                    in: folder.url,
                    members: [port]
                ) { members in
                    """
                    data_dir: \(folder.url.path)/index-\(port)
                    cluster: {hosts: \(Self.list(members))}
                    origin: {hosts: \(Self.list([ports[0]]))}
                    tag_types: [{namespace: .*, type: default}]
                    backends:
                      - namespace: .*
                        backend: {file: {root: "\(folder.url.path)/tags-\(port)", name_path: docker_tag}}
                    """
                }
            }
            let (one, other) = (try await index(ports[1]), try await index(ports[2]))
            func client(_ part: Part) -> BuildIndexClient {
                BuildIndexClient(address: "127.0.0.1:\(part.port)", http: IntegrationTests.http)
            }
            for (name, members, isTold) in [
                ("alone", [one.port], false), ("together", [one.port, other.port], true),
                ("parted", [one.port], false),
            ] {
                _ = try await one.reload(members)
                let tag = try QualifiedTag(parsing: "team/app:\(name)")
                try await client(one).put(tag, digest)
                #expect(
                    try await client(other).digest(of: tag) == (isTold ? digest : nil),
                    "\(name)"
                )
            }
            for part in [one, other, keeper] { try await part.stop() }
        }

        /// A proxy and an agent of nobody, on the last ports of `ports`, whose build-index is told to them.
        private func startClients(_ ports: [Int], in folder: URL) async throws -> [Part] {
            let data = "data_dir: \(folder.path)"
            let proxy = try await Part.start(
                "proxy",
                port: ports[4],
                ["--port", "\(ports[3])", "--server-port", "\(ports[4])"],
                in: folder,
                members: [1]
            ) { members in
                """
                \(data)/proxy
                origin: {hosts: \(Self.list(members == [1] ? [1] : [ports[0]]))}
                build_index: {hosts: \(Self.list(members))}
                """
            }
            let agent = try await Part.start(
                "agent",
                port: ports[5],
                [
                    "--peer-ip", "127.0.0.1", "--peer-port", "\(ports[6])", "--agent-server-port",
                    "\(ports[5])", "--agent-registry-port", "\(ports[7])",
                ],
                in: folder,
                members: [1]
            ) { members in
                """
                \(data)/agent
                tracker: {hosts: \(Self.list(members == [1] ? [1] : [ports[1]]))}
                build_index: {hosts: \(Self.list(members))}
                """
            }
            return [proxy, agent]
        }

        private func isReady(_ part: Part) async throws -> Bool {
            try await Clients.curl(["http://127.0.0.1:\(part.port)/readiness"]).status == 200
        }

        @Test("all others ask the hosts that they are given", .timeLimit(.minutes(3)))
        func hosts() async throws {
            let folder = try TemporaryDirectory()
            let ports = try (0..<8).map { _ in try ReservedPort.make() }
            let keeper = try await startOrigin(ports[0], [ports[0]], in: folder.url)
            let tracker = try await Part.start(
                "tracker",
                port: ports[1],
                ["--port", "\(ports[1])"],
                in: folder.url,
                members: [1]
            ) { "origin: {hosts: \(Self.list($0))}" }
            let index = try await Part.start(
                "build-index",
                port: ports[2],
                ["--port", "\(ports[2])"],
                in: folder.url,
                members: [1]
            ) { members in
                """
                data_dir: \(folder.url.path)/index
                origin: {hosts: \(Self.list(members))}
                backends:
                  - namespace: .*
                    backend: {file: {root: "\(folder.url.path)/tags", name_path: docker_tag}}
                """
            }
            let clients = try await startClients(ports, in: folder.url)
            for (part, members) in [(tracker, [ports[0]]), (index, [ports[0]])]
                + clients.map({ ($0, [ports[2]]) })
            {
                #expect(try await !isReady(part), "\(part.kind)")
                let report = try await part.reload(members)
                #expect(report.contains("hosts.static"), "\(report)")
                // A tracker remembers for a while what it has found.
                while try await !isReady(part) {}
            }
            for part in clients + [index] {
                _ = try await part.reload([1])
                #expect(try await !isReady(part), "\(part.kind)")
            }
            for part in clients + [index, tracker, keeper] { try await part.stop() }
        }
    }
}
