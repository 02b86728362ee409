// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Primitives
import SwarmCore
import Telemetry
import Testing

@testable import Herd

@Suite("Invocation") struct InvocationTests {
    @Test(
        "words become the argument parser's",
        arguments: [
            (["herd", "--agents", "10"], ["--agents", "10"]),
            (["/usr/bin/herd", "up", "-h"], ["up", "-h"]),
            (["/usr/bin/kraken-agent", "-peer-port=1"], ["agent", "--peer-port=1"]),
            (["kraken-build-index", "--port", "15004"], ["build-index", "--port", "15004"]),
            (["herd", "origin", "-peer-ip", "10.0.0.1"], ["origin", "--peer-ip", "10.0.0.1"]),
            (["herd", "tracker", "-h"], ["tracker", "-h"]),
            (["herd", "push", "-x", "a"], ["push", "-x", "a"]),
            (["kraken-nonsense", "up"], ["up"]),
            // Kraken lets anybody push.
            (["kraken-proxy", "-port=1"], ["proxy", "--anonymous", "--port=1"]),
        ]
    )
    func arguments(_ words: [String], _ expected: [String]) {
        #expect(Invocation.arguments(of: words) == expected)
    }

    @Test("a herd that others reach has to be told that anybody may push")
    func anonymous() throws {
        #expect(throws: (any Error).self) { try HerdCommand.parseAsRoot(["--host", "0.0.0.0"]) }
        for words in [["--host", "0.0.0.0", "--anonymous"], ["--host", "127.0.0.2"]] {
            #expect(try HerdCommand.parseAsRoot(words) is UpCommand)
        }
    }

    @Test("without a subcommand it is herd up, with the defaults of the manual")
    func defaults() throws {
        let command = try #require(try HerdCommand.parseAsRoot([]) as? UpCommand)
        let options = command.options
        #expect(options.count(.agent) == 3)
        #expect(options.count(.origin) == 3)
        #expect(options.count(.tracker) == 1)
        #expect(options.count(.testfs) == 0)
        #expect(options.dataDirectory == ".herd")
        #expect(options.basePort == 15000)
        #expect(!options.usesEphemeralPorts)
    }

    @Test(
        "refuses numbers that make no cluster, and options it does not have",
        arguments: [
            ["--agents", "0"], ["--origins", "-1"], ["--agents", "x"], ["--bandwidth", "fast"],
            ["--policy", "none"],
            ["--base-port", "70000"], ["--tls=yes"], ["--scenario", "x"],
            ["tracker", "--port", "x"],
        ]
    )
    func refusals(_ words: [String]) {
        let error = #expect(throws: (any Error).self) { try HerdCommand.parseAsRoot(words) }
        if let error { #expect(HerdCommand.exitCode(for: error) == .validationFailure) }
    }

    @Test("reads a rate and a number of zones")
    func values() throws {
        let words = ["--bandwidth", "25MB/s", "--zones", "2", "--backend", "testfs"]
        let command = try #require(try HerdCommand.parseAsRoot(words) as? UpCommand)
        #expect(command.options.bandwidth?.bytesPerSecond == 25 << 20)
        #expect(command.options.zones == 2)
        #expect(command.options.runsTestfs)
        #expect(command.options.count(.testfs) == 1)
    }

    @Test("reads whose rules swarms have: ours, unless Kraken's are asked for")
    func policy() throws {
        let ours = try #require(try HerdCommand.parseAsRoot([]) as? UpCommand)
        #expect(ours.options.policy == .herd)
        let words = ["up", "--policy", "kraken"]
        let krakens = try #require(try HerdCommand.parseAsRoot(words) as? UpCommand)
        #expect(krakens.options.policy == .kraken)
    }
}
