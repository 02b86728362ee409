// SPDX-License-Identifier: Apache-2.0

import Foundation
import Primitives
import Telemetry
import Testing

extension IntegrationTests {
    /// kill -9 of the whole process at random moments.
    @Suite("Crashes") struct CrashTests {
        /// Rounds of kill and restart; `HERD_CRASH_ROUNDS` sets more for a soak.
        static let rounds = Int(ProcessInfo.processInfo.environment["HERD_CRASH_ROUNDS"] ?? "") ?? 4
        /// The seed of the moments; `HERD_CRASH_SEED` repeats a run.
        static let seed =
            UInt64(ProcessInfo.processInfo.environment["HERD_CRASH_SEED"] ?? "") ?? 20_261

        @Test(
            "what was acknowledged is served after each kill -9, and nothing temporary stays",
            .timeLimit(.minutes(20))
        )
        func killed() async throws {
            print("crash seed \(Self.seed), rounds \(Self.rounds)")
            var generator = Generator(seed: Self.seed)
            let folder = try TemporaryDirectory()
            var acknowledged: [(reference: String, image: OCIImage)] = []
            for round in 0..<Self.rounds {
                let image = try OCIImage.make(
                    in: folder.url.appending(path: "image\(round)"),
                    layerBytes: [2 << 20, 24 << 20],
                    seed: generator.next()
                )
                let reference = "demo/crash:r\(round)"
                let herd = try await HerdProcess.start(in: folder.url, agents: 3)
                for (reference, image) in acknowledged.suffix(2) {
                    try await Clients.pullEverywhere(
                        reference,
                        of: image,
                        from: herd.agentRegistries,
                        under: folder.url.appending(path: "again")
                    )
                }
                if try await pushAndKill(herd, image, reference, folder.url, &generator) {
                    acknowledged.append((reference, image))
                }
            }
            let herd = try await HerdProcess.start(in: folder.url, agents: 3)
            for (reference, image) in acknowledged {
                try await Clients.pullEverywhere(
                    reference,
                    of: image,
                    from: herd.agentRegistries,
                    under: folder.url.appending(path: "last")
                )
            }
            #expect(try await herd.stop() == 0)
            let leftovers = try Leftovers.find(in: herd.dataDirectory)
            #expect(leftovers == [])
        }

        /// Pushes and pulls while a timer of random length runs out; answers whether the push was acknowledged.
        private func pushAndKill(
            _ herd: HerdProcess,
            _ image: OCIImage,
            _ reference: String,
            _ folder: URL,
            _ generator: inout Generator
        ) async throws -> Bool {
            let moment = Duration.milliseconds(50 + generator.below(1200))
            let timer = herd.process.kill(after: moment)
            let push = try await Clients.push(image, to: herd.proxyRegistry, as: reference)
            if push.status == 0 {
                for (index, agent) in herd.agentRegistries.enumerated() {
                    // It may well fail: the herd is about to be killed.
                    _ = try await Clients.pull(
                        reference,
                        from: agent,
                        into: folder.appending(path: "killed-\(reference.hashValue)-\(index)")
                    )
                }
            }
            _ = try await herd.process.waitForExit(within: .seconds(30))
            timer.cancel()
            return push.status == 0
        }
    }
}
