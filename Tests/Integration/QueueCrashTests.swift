// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import Files
import Foundation
import HTTPKit
import NIOCore
import Primitives
import Synchronization
import Telemetry
import TestSupport
import Testing

extension IntegrationTests {
    /// kill -9 of an origin while it takes uploads and while it writes them back.
    @Suite("Queues through crashes") struct QueueCrashTests {
        /// An origin of its own, whose backend is a directory, or a file in its place: then it takes nothing.
        private struct Origin {
            let folder: URL
            let port: Int
            let peerPort: Int
            var address: String { "127.0.0.1:\(port)" }
            var client: OriginClient { OriginClient(address: address, http: IntegrationTests.http) }
            var queue: QueueClient { QueueClient(address: address, http: IntegrationTests.http) }

            func start() async throws -> RunningProcess {
                let text = """
                    data_dir: \(folder.path)/origin
                    writeback: {retry_interval: 200ms, retry_interval_min: 20ms}
                    backends:
                      - namespace: .*
                        backend: {file: {root: \(folder.path)/backend, name_path: sharded_docker_blob}}
                    """
                return try await StandaloneComponent.start(
                    "origin",
                    text,
                    [
                        "--blobserver-port", "\(port)", "--peer-port", "\(peerPort)", "--peer-ip",
                        "127.0.0.1",
                    ],
                    port: port,
                    in: folder
                )
            }
        }

        /// Uploads blobs of `generator`, four at a time, until the process is gone; answers those that were acknowledged.
        private func uploadUntilKilled(
            _ origin: Origin,
            _ process: RunningProcess,
            _ generator: inout Generator
        ) async -> [Digest] {
            let ledger = UploadLedger()
            let seeds = (0..<4).map { _ in generator.next() }
            await withTaskGroup(of: Void.self) { group in
                for seed in seeds {
                    group.addTask {
                        var generator = Generator(seed: seed)
                        while process.isRunning {
                            let bytes = (0..<(1 + generator.below(200_000))).map { _ in
                                UInt8(truncatingIfNeeded: generator.next())
                            }
                            let digest = Digest(hashing: bytes)
                            do {
                                try await origin.client.upload(
                                    digest,
                                    namespace: try Namespace("demo/crash"),
                                    from: .bytes(ByteBuffer(bytes: bytes))
                                )
                                ledger.note(digest)
                            } catch {
                                // It was killed, or is about to be.
                            }
                        }
                    }
                }
            }
            return ledger.acknowledged
        }

        private func tasks(_ origin: Origin) async throws -> [QueueTask] {
            var (tasks, after): ([QueueTask], Int64?) = ([], 0)
            while let from = after {
                let page = try await origin.queue.tasks(after: from)
                (tasks, after) = (tasks + page.tasks, page.nextAfter)
            }
            return tasks
        }

        @Test(
            "what was acknowledged is queued after each kill -9, and written back in the end",
            .timeLimit(.minutes(10))
        )
        func killed() async throws {
            let seed = CrashTests.seed
            print("crash seed \(seed), rounds \(CrashTests.rounds)")
            var generator = Generator(seed: seed)
            let folder = try TemporaryDirectory()
            let origin = Origin(
                folder: folder.url,
                port: try ReservedPort.make(),
                peerPort: try ReservedPort.make()
            )
            let backend = folder.url.appending(path: "backend")
            try Data().write(to: backend)
            var acknowledged: [Digest] = []
            for _ in 0..<CrashTests.rounds {
                let process = try await origin.start()
                let timer = process.kill(after: .milliseconds(100 + generator.below(1500)))
                acknowledged += await uploadUntilKilled(origin, process, &generator)
                _ = try await process.waitForExit(within: .seconds(30))
                timer.cancel()
            }
            #expect(!acknowledged.isEmpty)
            var process = try await origin.start()
            let names = try await tasks(origin).map(\.name)
            #expect(Set(names).count == names.count, "each is queued once")
            #expect(Set(acknowledged.map(\.description)).subtracting(names).isEmpty)
            // Now the backend takes them, and the origin is killed while it writes.
            process.send(SIGKILL)
            _ = try await process.waitForExit(within: .seconds(30))
            try FileManager.default.removeItem(at: backend)
            for _ in 0..<CrashTests.rounds {
                process = try await origin.start()
                let timer = process.kill(after: .milliseconds(10 + generator.below(200)))
                _ = try await process.waitForExit(within: .seconds(30))
                timer.cancel()
            }
            process = try await origin.start()
            while try await !tasks(origin).isEmpty {}
            let list = try await Command(HerdProcess.executable, ["queue", "list", origin.address])
                .run()
            #expect(list.status == 0 && list.output.split(separator: "\n").count == 1, "\(list)")
            for digest in acknowledged {
                let path =
                    "docker/registry/v2/blobs/sha256/\(digest.hex.prefix(2))/\(digest.hex)/data"
                let bytes = try Data(contentsOf: backend.appending(path: path))
                #expect(Digest(hashing: Array(bytes)) == digest)
            }
            process.send(SIGTERM)
            #expect(try await process.waitForExit(within: .seconds(20)) == 0)
        }
    }
}

/// Which blobs an origin has acknowledged.
private final class UploadLedger: Sendable {
    private let digests = Mutex<[Digest]>([])

    var acknowledged: [Digest] { digests.withLock { $0 } }

    func note(_ digest: Digest) { digests.withLock { $0.append(digest) } }
}
