// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import Files
import Foundation
import HTTPKit
import NIOCore
import NIOPosix
import Primitives
import Telemetry
import TestSupport
import Testing

extension IntegrationTests {
    /// kill -9 of a build-index that owes tags to another cluster.
    @Suite("Replication through crashes") struct ReplicationCrashTests {
        private static let http = HTTPClient(
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            pool: .singleton
        )

        /// An origin and a build-index, each a process of its own.
        private struct Cluster {
            let folder: URL
            let originPort: Int
            let peerPort: Int
            let indexPort: Int
            var remote: Int?

            init(_ folder: URL, remote: Int? = nil) throws {
                self.folder = folder
                originPort = try ReservedPort.make()
                peerPort = try ReservedPort.make()
                indexPort = try ReservedPort.make()
                self.remote = remote
                try FileManager.default.createDirectory(
                    at: folder,
                    withIntermediateDirectories: true
                )
            }

            var origin: OriginClient {
                OriginClient(address: "127.0.0.1:\(originPort)", http: http)
            }
            var index: BuildIndexClient {
                BuildIndexClient(address: "127.0.0.1:\(indexPort)", http: http)
            }
            var queue: QueueClient {
                QueueClient(address: "127.0.0.1:\(indexPort)", http: http)
            }

            func startOrigin() async throws -> RunningProcess {
                try await start(
                    "origin",
                    """
                    data_dir: \(folder.path)/origin
                    """,
                    [
                        "--blobserver-port", "\(originPort)", "--peer-port", "\(peerPort)",
                        "--peer-ip", "127.0.0.1",
                    ],
                    port: originPort
                )
            }

            func startIndex() async throws -> RunningProcess {
                let remotes = remote.map { "remotes: {\"127.0.0.1:\($0)\": [\".*\"]}" } ?? ""
                return try await start(
                    "build-index",
                    """
                    data_dir: \(folder.path)/index
                    origin: {hosts: {static: ["127.0.0.1:\(originPort)"]}}
                    tag_types: [{namespace: .*, type: default}]
                    backends:
                      - namespace: .*
                        backend: {file: {root: \(folder.path)/backend, name_path: docker_tag}}
                    tag_replication: {retry_interval: 200ms, retry_interval_min: 20ms}
                    \(remotes)
                    """,
                    ["--port", "\(indexPort)"],
                    port: indexPort
                )
            }

            private func start(
                _ kind: String,
                _ text: String,
                _ arguments: [String],
                port: Int
            ) async throws -> RunningProcess {
                let file = folder.appending(path: "\(kind).yaml")
                try text.write(to: file, atomically: true, encoding: .utf8)
                let command = Command(
                    HerdProcess.executable,
                    [kind, "--config", file.path] + arguments
                )
                let process = try command.start(
                    output: folder.appending(path: "\(kind).out"),
                    errors: folder.appending(path: "\(kind).log")
                )
                let ready = try await Command(
                    "curl",
                    [
                        "-sf", "--retry", "60", "--retry-connrefused", "--retry-delay", "1",
                        "http://127.0.0.1:\(port)/health",
                    ]
                ).run()
                guard ready.status == 0, process.isRunning else {
                    throw CommandFailure(description: "\(kind) is not ready: \(ready.errors)")
                }
                return process
            }
        }

        /// What a tag shall name in the end; nil: it shall be gone.
        private struct Wanted {
            /// What was acknowledged last.
            var acknowledged: Digest?
            /// What was asked for last without an answer, if that came later.
            var open: Digest??
        }

        /// Puts `tag`, or deletes it when `digest` is nil; that there is no such tag is an answer, too.
        private func change(
            _ tag: QualifiedTag,
            _ digest: Digest?,
            at index: BuildIndexClient
        ) async throws {
            do {
                if let digest {
                    try await index.put(tag, digest, replicating: true)
                } else {
                    try await index.delete(tag, replicating: true)
                }
            } catch let error as ClusterError where error.code == .notFound && digest == nil {}
        }

        @Test(
            "tags put and deleted reach the other cluster as they were acknowledged last, whatever kill -9 hits",
            .timeLimit(.minutes(10))
        )
        func killed() async throws {
            print("crash seed \(CrashTests.seed), rounds \(CrashTests.rounds)")
            var generator = Generator(seed: CrashTests.seed)
            let folder = try TemporaryDirectory()
            let there = try Cluster(folder.url.appending(path: "there"))
            let here = try Cluster(folder.url.appending(path: "here"), remote: there.indexPort)
            var others = [try await here.startOrigin()]
            let namespace = try Namespace("demo")
            var blobs: [Digest] = []
            for index in 0..<8 {
                let bytes = Array("blob \(index)".utf8)
                blobs.append(Digest(hashing: bytes))
                try await here.origin.upload(
                    blobs[index],
                    namespace: namespace,
                    from: .bytes(ByteBuffer(bytes: bytes))
                )
            }
            var wanted: [QualifiedTag: Wanted] = [:]
            for _ in 0..<CrashTests.rounds {
                let process = try await here.startIndex()
                let timer = DispatchSource.makeTimerSource()
                let moment = 50 + generator.below(1000)
                timer.schedule(deadline: .now() + .milliseconds(moment))
                timer.setEventHandler { process.send(SIGKILL) }
                timer.resume()
                while process.isRunning {
                    let tag = try QualifiedTag(parsing: "demo/app:v\(generator.below(40))")
                    let isDeletion = generator.below(3) == 0
                    let digest = isDeletion ? nil : blobs[generator.below(blobs.count)]
                    do {
                        try await change(tag, digest, at: here.index)
                        wanted[tag] = Wanted(acknowledged: digest)
                    } catch {
                        // It was killed: the change may have been made or not.
                        wanted[tag, default: Wanted()].open = .some(digest)
                    }
                }
                _ = try await process.waitForExit(within: .seconds(30))
                timer.cancel()
            }
            // The other cluster comes, and the one that owes it is killed while it sends.
            others += [try await there.startOrigin(), try await there.startIndex()]
            for _ in 0..<CrashTests.rounds {
                let process = try await here.startIndex()
                process.send(SIGKILL)
                _ = try await process.waitForExit(within: .seconds(30))
            }
            let last = try await here.startIndex()
            // Whoever got no answer asks again.
            for (tag, change) in wanted {
                guard let digest = change.open else { continue }
                try await self.change(tag, digest, at: here.index)
                wanted[tag] = Wanted(acknowledged: digest)
            }
            while try await !here.queue.tasks(.init(kind: "replication")).tasks.isEmpty {}
            #expect(!wanted.isEmpty)
            for (tag, wanted) in wanted {
                let found = try await there.index.digest(of: tag)
                #expect(found == wanted.acknowledged, "\(tag)")
                #expect(try await here.index.digest(of: tag) == found, "\(tag)")
            }
            for process in others + [last] {
                process.send(SIGTERM)
                #expect(try await process.waitForExit(within: .seconds(20)) == 0)
            }
        }
    }
}
