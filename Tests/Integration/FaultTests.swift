// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

extension IntegrationTests {
    /// Faults in a real herd, each by the lesson that shows it.
    @Suite("Faults and scenarios") struct FaultTests {
        private func play(
            _ scenario: String,
            agents: Int = 3,
            arguments: [String] = []
        ) async throws -> CommandResult {
            let folder = try TemporaryDirectory()
            return try await Command(
                HerdProcess.executable,
                [
                    "up", "--headless", "--ephemeral-ports", "--agents", "\(agents)", "--scenario",
                    scenario, "--data-dir", folder.url.appending(path: "data").path,
                ] + arguments
            ).run(within: .seconds(240))
        }

        @Test(
            "a scenario holds unattended, with its faults",
            .timeLimit(.minutes(5)),
            arguments: [
                ("first-pull", "agent-1"), ("rarest-first", "throttled: 12 MiB/s: on"),
                ("endgame", "throttled: 512 KiB/s: off"), ("agent-dies", "killed: off"),
                ("origin-dies", "restarted"), ("corrupt-peer", "BAD PIECE"),
                ("partition", "cut off from agent-1: on"),
                ("tracker-outage", "outage: answers 503: off"), ("wipe", "its disk is emptied"),
            ]
        )
        func holds(scenario: String, evidence: String) async throws {
            let result = try await play(scenario)
            #expect(result.status == 0, "\(result.errors)")
            #expect(result.errors.contains("scenario \(scenario): all"))
            #expect(result.errors.contains(evidence), "\(result.errors)")
            #expect(!result.errors.contains("FAIL "))
            #expect(result.output.isEmpty)
        }

        @Test("a scenario that can't hold ends with status 1 and says why", .timeLimit(.minutes(2)))
        func fails() async throws {
            let result = try await play("endgame", agents: 1)
            #expect(result.status == 1)
            #expect(result.errors.contains("--agents 3"), "\(result.errors)")
        }

        @Test("an unknown scenario is wrong usage, and the known ones are listed")
        func unknown() async throws {
            let result = try await play("first-pul")
            #expect(result.status == 2 && result.errors.contains("first-pull"))
            let list = try await Command(HerdProcess.executable, ["scenarios"]).run()
            #expect(list.status == 0)
            #expect(list.output.split(separator: "\n").count >= 6)
        }

        @Test(
            "SIGTERM in the middle of a scenario stops the herd, and is no success",
            .timeLimit(.minutes(2))
        )
        func interrupted() async throws {
            let folder = try TemporaryDirectory()
            let herd = try await HerdProcess.start(
                in: folder.url,
                arguments: ["--scenario", "tracker-outage"]
            )
            #expect(try await herd.stop() != 0)
            #expect(try Leftovers.find(in: herd.dataDirectory).filter { $0.contains(".tmp") } == [])
        }
    }
}
