// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Primitives
import TestSupport
import Testing

@Suite("Host list, poll policy and URL encoding") struct HostListTests {
    @Test("a host that fails three times within five minutes is left out for five minutes")
    func passiveHealth() async {
        let clock = Shared(Instant.origin)
        let list = HostList(["a:1", "b:1"], now: { clock.value })
        for _ in 0..<3 { list.noteFailure(of: "a:1") }
        #expect(await list.healthyHosts() == ["b:1"])
        #expect(!list.isHealthy("a:1"))
        // Asked last, not never.
        #expect(await list.shuffledHosts() == ["b:1", "a:1"])
        clock.set(.origin.advanced(by: .minutes(5)))
        #expect(await list.healthyHosts() == ["a:1", "b:1"])
    }

    @Test("an answer clears the record; when all are out, all are asked")
    func recovery() async {
        let list = HostList(["a:1", "b:1"], now: { .origin })
        for _ in 0..<2 { list.noteFailure(of: "a:1") }
        list.noteAnswer(of: "a:1")
        for _ in 0..<2 { list.noteFailure(of: "a:1") }
        #expect(list.isHealthy("a:1"))
        for host in ["a:1", "b:1"] { for _ in 0..<3 { list.noteFailure(of: host) } }
        #expect(await list.healthyHosts() == ["a:1", "b:1"])
    }

    @Test("hosts are resolved anew at a use once they are old; a failure keeps the last ones")
    func refresh() async {
        let clock = Shared(Instant.origin)
        let resolved = Shared<[String]?>(["x:1"])
        struct Failure: Error {}
        let list = HostList(
            ["a:1"],
            resolve: {
                guard let hosts = resolved.value else { throw Failure() }
                return hosts
            },
            now: { clock.value }
        )
        #expect(await list.healthyHosts() == ["a:1"])
        clock.set(.origin.advanced(by: .seconds(5)))
        #expect(await list.healthyHosts() == ["x:1"])
        resolved.set(nil)
        clock.set(.origin.advanced(by: .seconds(60)))
        #expect(await list.healthyHosts() == ["x:1"])
    }

    @Test("the random order is the seed's", arguments: Seeds.fresh(3))
    func order(_ seed: UInt64) async {
        let hosts = (0..<10).map { "h\($0):1" }
        let first = await HostList(hosts, seed: seed).shuffledHosts()
        #expect(await HostList(hosts, seed: seed).shuffledHosts() == first)
        #expect(first.sorted() == hosts.sorted())
    }

    @Test("polls quickly at first, then as Kraken does")
    func schedule() {
        let policy = PollPolicy()
        let milliseconds = (0..<14).map { policy.wait(before: $0).nanoseconds / 1_000_000 }
        #expect(
            milliseconds == [
                50, 100, 200, 400, 1000, 1300, 1690, 2197, 2856, 3712, 4826, 5000, 5000, 5000,
            ]
        )
    }

    @Test("jitter stays within five per cent", arguments: Seeds.fresh(5))
    func jitter(_ seed: UInt64) {
        var generator = Generator(seed: seed)
        let policy = PollPolicy()
        for _ in 0..<200 {
            let wait = policy.wait(before: 4, from: &generator)
            #expect(wait >= .milliseconds(950) && wait <= .milliseconds(1050))
        }
    }

    @Test(
        "path segments are escaped as Go's PathEscape does",
        arguments: [
            ("library/busybox:v1", "library%2Fbusybox:v1"), ("a b?c#d%", "a%20b%3Fc%23d%25"),
            ("$&+=:@-_.~", "$&+=:@-_.~"), (";,!*'()", "%3B%2C%21%2A%27%28%29"), ("ü", "%C3%BC"),
        ]
    )
    func pathSegments(_ text: String, escaped: String) {
        #expect(URLEncoding.pathSegment(text) == escaped)
    }
}
