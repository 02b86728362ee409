// SPDX-License-Identifier: Apache-2.0

import HTTPKit
import Synchronization
import Telemetry
import Testing

@Suite("Live reload", .timeLimit(.minutes(1))) struct LiveReloadTests {
    private struct Rules: Hashable {
        var hosts = "a"
        var limit = "1"
        var port = "80"

        var settings: [SettingStatus] {
            [("hosts.static", hosts), ("limit", limit), ("port", port)].filter { $0.1 != "" }.map {
                SettingStatus(key: $0.0, value: $0.1, isChanged: true)
            }
        }
    }

    private struct Refused: Error {}

    private final class Component: Sendable {
        let reloads = LiveReload()
        let taken = Mutex<[Rules]>([])

        init() {
            reloads.register(
                Rules(),
                live: ["hosts", "limit"],
                status: nil,
                settings: { $0.settings }
            ) { [self] _, new in
                guard new.hosts != "bad" else { throw Refused() }
                taken.withLock { $0.append(new) }
            }
        }
    }

    @Test("tells what is in force, and what waits for a restart until there is one")
    func pending() async throws {
        let component = Component()
        var wanted = Rules(hosts: "b", port: "81")
        let first = try #require(try await component.reloads.reload(wanted))
        #expect(first.applied == ["hosts.static"] && first.pending == ["port"])
        #expect(first.isLive("hosts.dns") && first.isLive("limit") && !first.isLive("limits"))
        let second = try #require(try await component.reloads.reload(wanted))
        #expect(second.applied == [] && second.pending == ["port"])
        (wanted.port, wanted.limit) = ("80", "")
        let third = try #require(try await component.reloads.reload(wanted))
        #expect(third.applied == ["limit"] && third.pending == [])
    }

    @Test("what is refused changes nothing, and a part can be amended")
    func refused() async throws {
        let component = Component()
        await #expect(throws: Refused.self) {
            try await component.reloads.reload(Rules(hosts: "bad", limit: "9"))
        }
        let report = try await component.reloads.amend { (rules: inout Rules) in rules.limit = "5" }
        #expect(report?.applied == ["limit"])
        #expect(component.taken.withLock { $0 } == [Rules(limit: "5")])
        // The file says what it has said before: that counts again.
        #expect(try await component.reloads.reload(Rules())?.applied == ["limit"])
    }

    @Test("a component that is not up, or of another kind, takes nothing")
    func strangers() async throws {
        #expect(try await LiveReload().reload(Rules()) == nil)
        #expect(try await Component().reloads.reload("text") == nil)
    }
}
