// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Logging
import Primitives
import Synchronization
import Telemetry
import Testing

@Suite("Hosts that are looked up", .timeLimit(.minutes(1))) struct LookUpTests {
    /// A name server that answers what it is told, when it is told.
    private final class NameServer: Sendable {
        enum Answer: Sendable {
            case hosts([String])
            case failure
            /// None until the stream ends.
            case silence(AsyncStream<Void>)
        }
        struct Failure: Error {}

        let answer: Shared<Answer>
        private let count = Atomic(0)

        init(_ answer: Answer) { self.answer = Shared(answer) }

        /// How often it was asked.
        var questionCount: Int { count.load(ordering: .relaxed) }

        @Sendable func resolve() async throws -> [String] {
            count.add(1, ordering: .relaxed)
            if case .silence(let end) = answer.value { for await _ in end {} }
            guard case .hosts(let hosts) = answer.value else { throw Failure() }
            return hosts
        }
    }

    private let clock = Shared(Instant.origin)
    private let counters = Counters()

    private func list(
        _ server: NameServer,
        before hosts: [String] = [],
        patience: Duration = .minutes(1)
    ) -> HostList {
        var policy = HostListPolicy()
        policy.lookUpPatience = patience
        return HostList(
            hosts,
            policy: policy,
            resolve: server.resolve,
            reporter: LookUpReporter(log: quietLog, counters: counters),
            now: { [clock] in clock.value }
        )
    }

    private func passTimeToLive() { clock.set(clock.value.advanced(by: .seconds(5))) }

    @Test("hosts that move are followed, those that can't be looked up stay, and both is counted")
    func moves() async {
        let server = NameServer(.hosts(["a:1", "b:1"]))
        let list = list(server)
        #expect(await list.healthyHosts() == ["a:1", "b:1"])
        server.answer.set(.hosts(["b:1", "c:1"]))
        #expect(await list.healthyHosts() == ["a:1", "b:1"], "young enough")
        passTimeToLive()
        #expect(await list.healthyHosts() == ["b:1", "c:1"])
        for answer in [NameServer.Answer.failure, .hosts([])] {
            server.answer.set(answer)
            passTimeToLive()
            #expect(await list.healthyHosts() == ["b:1", "c:1"])
        }
        server.answer.set(.hosts(["d:1"]))
        passTimeToLive()
        #expect(await list.healthyHosts() == ["d:1"])
        #expect(counters.counter("host_lookups").value == 5)
        #expect(counters.counter("host_lookups_failed").value == 2)
    }

    @Test("health is remembered of hosts that stay")
    func health() async {
        let server = NameServer(.hosts(["a:1", "b:1"]))
        let list = list(server)
        _ = await list.healthyHosts()
        for _ in 0..<3 { list.noteFailure(of: "a:1") }
        server.answer.set(.hosts(["a:1", "b:1", "c:1"]))
        passTimeToLive()
        #expect(await list.healthyHosts() == ["b:1", "c:1"])
    }

    @Test(
        "a name server that is silent delays one use by a while, and its answer counts when it comes"
    )
    func silence() async {
        let (silence, end) = AsyncStream<Void>.makeStream()
        let server = NameServer(.silence(silence))
        let list = list(server, before: ["a:1"], patience: .milliseconds(20))
        passTimeToLive()
        for _ in 0..<3 { #expect(await list.healthyHosts() == ["a:1"]) }
        #expect(server.questionCount == 1, "asked once at a time")
        server.answer.set(.hosts(["b:1"]))
        end.finish()
        while await list.healthyHosts() != ["b:1"] { await Task.yield() }
    }

    @Test("all who ask at the start wait for the first look-up")
    func start() async {
        let (silence, end) = AsyncStream<Void>.makeStream()
        let server = NameServer(.silence(silence))
        let list = list(server, patience: .zero)
        await withTaskGroup(of: [String].self) { group in
            for _ in 0..<8 { group.addTask { await list.shuffledHosts() } }
            while server.questionCount == 0 { await Task.yield() }
            server.answer.set(.hosts(["a:1"]))
            end.finish()
            for await hosts in group { #expect(hosts == ["a:1"]) }
        }
        #expect(server.questionCount == 1)
    }

    @Test("who has nobody to ask is told why")
    func unknown() async throws {
        let server = NameServer(.failure)
        let cluster = BuildIndexCluster(hosts: list(server), http: testClient, log: quietLog)
        let error = await #expect(throws: ClusterError.self) {
            try await cluster.checkReadiness()
        }
        #expect(error?.code == .noHosts && error?.why.contains("Failure") == true)
    }

    @Test("a configuration that is read again may name hosts, and list them")
    func reconfigured() async {
        let server = NameServer(.hosts(["x:1"]))
        let list = HostList(
            ["a:1"],
            resolveEntries: { entries in
                #expect(entries == ["dns:name:1"])
                return try await server.resolve()
            },
            now: { [clock] in clock.value }
        )
        list.reconfigure(["dns:name:1"])
        #expect(list.hosts == ["a:1"], "until it was looked up")
        #expect(await list.healthyHosts() == ["x:1"])
        list.reconfigure(["b:1"])
        passTimeToLive()
        #expect(await list.healthyHosts() == ["b:1"])
        #expect(server.questionCount == 1)
    }
}
