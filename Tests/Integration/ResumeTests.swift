// SPDX-License-Identifier: Apache-2.0

import Content
import Foundation
import Primitives
import Telemetry
import Testing

extension IntegrationTests {
    /// kill -9 in the midst of pulls: what was verified is not fetched again.
    @Suite("Interrupted pulls") struct ResumeTests {
        private static let agents = 3
        private static let layerBytes = 80 << 20
        /// As a herd cuts such a layer.
        private static let pieceBytes = 1 << 20
        /// The pieces that one agent may have asked for at a time: of the origins, and of each other agent.
        private static let inFlightMax = 5 + 3 * (agents - 1)

        @Test(
            "after kill -9 an agent fetches again at most the pieces that were in flight",
            .timeLimit(.minutes(20))
        )
        func resumed() async throws {
            print("resume seed \(CrashTests.seed), rounds \(CrashTests.rounds)")
            var generator = Generator(seed: CrashTests.seed)
            let folder = try TemporaryDirectory()
            var herd = try await start(folder.url)
            for round in 0..<CrashTests.rounds {
                let image = try OCIImage.make(
                    in: folder.url.appending(path: "image\(round)"),
                    layerBytes: [Self.layerBytes],
                    seed: generator.next()
                )
                let reference = "demo/resume:r\(round)"
                let push = try await Clients.push(image, to: herd.proxyRegistry, as: reference)
                try #require(push.status == 0, "\(push.errors)")
                let moment = Moment(
                    agent: generator.below(Self.agents),
                    pieces: 1 + generator.below(Self.layerBytes / Self.pieceBytes - 2)
                )
                let known = try await pullAndKill(herd, reference, moment, folder.url)
                let disks = (0..<Self.agents).map {
                    AgentDisk(folder: herd.dataDirectory.appending(path: "agent-\($0)"))
                }
                let layer = try #require(image.layers.first)
                let holdings = try disks.map { try $0.holding(layer) }
                for (held, holding) in zip(known, holdings) { check(holding, against: held) }
                let missing = try disks.map { try $0.missingBytes(of: image) }

                herd = try await start(folder.url)
                try await Clients.pullEverywhere(
                    reference,
                    of: image,
                    from: herd.agentRegistries,
                    under: folder.url.appending(path: "again")
                )
                let fetched = try await agentStatus(herd).map(Fetched.init)
                print("round \(round): \(holdings), missing \(missing), \(fetched)")
                for (missing, fetched) in zip(missing, fetched) {
                    #expect(fetched.usefulBytes <= missing)
                    let wasted = fetched.duplicates * Self.pieceBytes
                    #expect(
                        fetched.usefulBytes + wasted
                            <= missing + Self.inFlightMax * Self.pieceBytes
                    )
                }
                try FileManager.default.removeItem(at: image.folder)
            }
            #expect(try await herd.stop() == 0)
            #expect(try Leftovers.find(in: herd.dataDirectory) == [])
        }

        /// When to kill: once the agent has so many pieces.
        private struct Moment {
            let agent: Int
            let pieces: Int
        }

        /// What an agent has fetched since it started.
        private struct Fetched: CustomStringConvertible {
            let usefulBytes: Int
            let duplicates: Int

            init(_ snapshot: ComponentSnapshot) {
                let counters = snapshot.counters
                usefulBytes =
                    (counters["bytes_downloaded_from_agents"] ?? 0)
                    + (counters["bytes_downloaded_from_origins"] ?? 0)
                duplicates = counters["pieces_duplicate"] ?? 0
            }

            var description: String { "\(usefulBytes) B fetched, \(duplicates) twice" }
        }

        /// Slow enough that a pull lasts for some seconds on any machine.
        private func start(_ folder: URL) async throws -> HerdProcess {
            try await HerdProcess.start(
                in: folder,
                agents: Self.agents,
                arguments: ["--bandwidth", "30MB/s"]
            )
        }

        /// Pulls at all agents at once and kills the herd at `moment`; answers how many pieces of the layer each agent said
        /// that it has right before.
        private func pullAndKill(
            _ herd: HerdProcess,
            _ reference: String,
            _ moment: Moment,
            _ folder: URL
        ) async throws -> [Int] {
            let address = herd.ready.addresses("agent", "http")[moment.agent]
            let seen = try await agentStatus(herd)[moment.agent].eventSequence ?? 0
            return try await withThrowingTaskGroup { group in
                for (index, registry) in herd.agentRegistries.enumerated() {
                    group.addTask {
                        let target = folder.appending(path: "killed-\(index)")
                        // It fails: the herd is about to be killed.
                        _ = try await Clients.pull(reference, from: registry, into: target)
                        try? FileManager.default.removeItem(at: target)
                    }
                }
                try await pieces(moment.pieces, at: address, after: seen)
                let known = try await agentStatus(herd).map { snapshot in
                    snapshot.swarms?.first {
                        $0.blobBytes >= Self.layerBytes && $0.phase == .leeching
                    }?
                    .pieces.bitfield.heldCount ?? 0
                }
                try await herd.kill()
                try await group.waitForAll()
                return known
            }
        }

        /// Returns once the agent at `address` has received so many pieces of large blobs after the event `sequence`.
        private func pieces(_ count: Int, at address: String, after sequence: UInt64) async throws {
            let events =
                "curl -sN -m 100 -H 'Last-Event-ID: \(sequence)' 'http://\(address)/events'"
            let piece = #""bytes":\#(Self.pieceBytes),.*"receive_piece""#
            let script = "grep -m \(count) -c '\(piece)' < <(\(events))"
            let result = try await Command("bash", ["-c", script]).run()
            try #require(result.output == "\(count)\n", "\(result.output) \(result.errors)")
        }

        private func agentStatus(_ herd: HerdProcess) async throws -> [ComponentSnapshot] {
            var snapshots: [ComponentSnapshot] = []
            for address in herd.ready.addresses("agent", "http") {
                let (status, body) = try await Clients.curl(["http://\(address)/status"])
                #expect(status == 200)
                snapshots.append(
                    try JSONDecoder().decode(ComponentSnapshot.self, from: Data(body.utf8))
                )
            }
            return snapshots
        }

        /// What an agent said that it has is on its disk, but for what was in flight.
        private func check(_ holding: AgentDisk.Holding, against held: Int) {
            guard case .partial(_, let verified, _, _) = holding else {
                // It had not begun yet, or was through.
                #expect(holding == .cached || held == 0)
                return
            }
            #expect(verified >= held - Self.inFlightMax, "\(held) pieces held, \(verified) on disk")
        }
    }
}
