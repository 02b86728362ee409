// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Files
import Hummingbird
import Logging
import Primitives
import Telemetry
import TestSupport
import Testing

@Suite("Host names and monitors", .timeLimit(.minutes(1))) struct HostMonitorTests {
    private let log = Logger(label: "test")

    @Test("a name stands for every address it has; others stay as they are")
    func names() async throws {
        #expect(!HostNames.needLookUp(["a:1", "localhost:2"]))
        #expect(HostNames.needLookUp(["a:1", "dns:localhost:2"]))
        #expect(HostNames.plain("dns:localhost:2") == "localhost:2")
        let found = try await HostNames.lookUp(["a:1", "dns:localhost:2"], pool: .singleton)
        #expect(found.contains("127.0.0.1:2") && found.contains("a:1"))
        #expect(found == Set(found).sorted())
        let literal = try await HostNames.lookUp(
            ["dns:[::1]:2", "dns:127.0.0.1:2"],
            pool: .singleton
        )
        #expect(literal == ["127.0.0.1:2", "[::1]:2"])
        #expect(HostNames.isLocal("127.0.0.1:2", port: 2))
        #expect(!HostNames.isLocal("127.0.0.1:3", port: 2))
        #expect(!HostNames.isLocal("198.51.100.7:2", port: 2))
    }

    @Test("a name that can't be looked up is told, and the list tries again at a later use")
    func unknownName() async {
        let error = await #expect(throws: ClusterError.self) {
            _ = try await HostNames.lookUp(["dns:does-not-exist.invalid:1"], pool: .singleton)
        }
        #expect(error?.what.contains("does-not-exist.invalid:1") == true)
        let clock = Shared(Instant.origin)
        let answer = Shared<[String]?>(nil)
        let list = HostList(
            [],
            resolve: {
                guard let hosts = answer.value else { throw CancellationError() }
                return hosts
            },
            now: { clock.value }
        )
        #expect(await list.healthyHosts() == [])
        answer.set(["x:1"])
        #expect(await list.healthyHosts() == [], "not asked again at once")
        clock.set(.origin.advanced(by: .seconds(5)))
        #expect(await list.healthyHosts() == ["x:1"])
    }

    @Test(
        "a host that does not answer its probes is left out before anybody asks it, and comes back"
    )
    func probes() async throws {
        try await ScriptedServer().serve { router, _ in
            router.get("/health") { _, _ in "OK\n" }
        } body: { address in
            let dead = "127.0.0.1:\(try ReservedPort.make())"
            let list = HostList([address, dead])
            var policy = ProbePolicy()
            (policy.interval, policy.failsMax) = (.milliseconds(5), 2)
            await withTaskGroup(of: Void.self) { group in
                group.addTask { [policy] in
                    await list.monitor(policy, http: testClient, log: log)
                }
                while list.isHealthy(dead) { await Task.yield() }
                #expect(await list.healthyHosts() == [address])
                #expect(await list.shuffledHosts() == [address, dead], "asked last, not never")
                group.cancelAll()
            }
        }
    }

    @Test("when all are down all are asked; a single host is never left out")
    func allDown() async throws {
        let dead = try (0..<2).map { _ in "127.0.0.1:\(try ReservedPort.make())" }
        var policy = ProbePolicy()
        (policy.interval, policy.failsMax) = (.milliseconds(5), 1)
        let (both, one) = (HostList(dead), HostList([dead[0]]))
        await withTaskGroup(of: Void.self) { group in
            for list in [both, one] {
                group.addTask { [policy] in
                    await list.monitor(policy, http: testClient, log: log)
                }
            }
            while dead.contains(where: both.isHealthy) { await Task.yield() }
            #expect(await both.healthyHosts() == dead)
            #expect(one.isHealthy(dead[0]))
            group.cancelAll()
        }
    }
}
