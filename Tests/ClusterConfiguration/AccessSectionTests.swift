// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Telemetry
import Testing

@Suite("Access and mirrors") struct AccessSectionTests {
    private static let hosts = """
        data_dir: /d
        origin: {hosts: {static: ["o:1"]}}
        tracker: {hosts: {static: ["t:1"]}}
        build_index: {hosts: {static: ["b:1"]}}

        """

    private func proxy(_ access: String) throws -> ProxyConfiguration {
        let hosts = Self.hosts.replacing("tracker: {hosts: {static: [\"t:1\"]}}\n", with: "")
        return try ProxyConfiguration(
            yaml: try ConfigurationFile.parse(hosts + access, file: "p.yaml")
        )
    }

    @Test("everything that access says is read, and shown")
    func everything() throws {
        let configuration = try proxy(
            """
            access:
              anonymous: pull
              htpasswd: /etc/htpasswd
              realm: builds
              tokens:
                keys: [/etc/a.pem, /etc/b.json]
                jwks: https://ci.test/jwks
                refresh_interval: 5m
                issuer: ci
                service: herd
                realm: https://auth.test/token
              rules:
                - {repository: "team-a/*", users: [alice, "*"], allow: [push, delete]}
                - {repository: "*", allow: [pull]}
            """
        )
        let access = try #require(configuration.access)
        #expect(access.anonymous == .pull)
        #expect(access.passwordFile == "/etc/htpasswd")
        #expect(access.realm == "builds")
        let tokens = try #require(access.tokens)
        #expect(tokens.keyFiles == ["/etc/a.pem", "/etc/b.json"])
        #expect(tokens.keySetURL == "https://ci.test/jwks")
        #expect(tokens.refreshInterval == .seconds(300))
        #expect(tokens.issuer == "ci" && tokens.service == "herd")
        #expect(tokens.realm == "https://auth.test/token")
        #expect(
            access.rules == [
                AccessRule(
                    repository: "team-a/*",
                    users: ["alice", "*"],
                    actions: [.push, .delete]
                ), AccessRule(repository: "*", actions: [.pull]),
            ]
        )
        let shown = configuration.settings.filter { $0.key.hasPrefix("access.") }
        #expect(shown.contains { $0.key == "access.htpasswd" && $0.value == "/etc/htpasswd" })
        #expect(shown.count == 11)
    }

    @Test("without access nothing is said, and nobody is let in by mistake")
    func absence() throws {
        let configuration = try proxy("")
        #expect(configuration.access == nil && !configuration.anonymousByDefault)
    }

    @Test(
        "what makes no sense is an error",
        arguments: [
            "{}", "{anonymous: none}", "{anonymous: all}", "{htpasswd: relative}",
            "{tokens: {issuer: x}}", "{tokens: {keys: [x.pem]}}", "{tokens: {jwks: ftp://x}}",
            "{anonymous: push, realm: 'a\"b'}", "{anonymous: push, rule: []}",
            "{anonymous: push, rules: [{repository: x}]}",
            "{anonymous: push, rules: [{repository: x, allow: []}]}",
            "{anonymous: push, rules: [{repository: x, allow: [write]}]}",
            "{anonymous: push, rules: [{repository: x, users: [], allow: [pull]}]}",
            "{anonymous: push, rules: [{allow: [pull]}]}",
        ]
    )
    func errors(_ access: String) {
        #expect(throws: ConfigurationError.self) { try proxy("access: \(access)") }
    }

    @Test(
        "the loopback is told from other addresses",
        arguments: [
            ("127.0.0.1", true), ("127.255.0.9", true), ("localhost", true), ("::1", true),
            ("0.0.0.0", false), ("::", false), ("10.0.0.1", false), ("127.0.0.1.test", false),
            ("127.test", false), ("127.0.0", false), ("127.0.0.256", false), ("", false),
        ]
    )
    func loopback(_ host: String, _ isLoopback: Bool) {
        #expect(LoopbackAddress.contains(host) == isLoopback)
    }

    @Test("an agent's mirrors have prefixes that can begin a repository's name")
    func mirrors() throws {
        func mirrors(_ text: String) throws -> [MirroredRegistry] {
            let hosts = Self.hosts.replacing("origin: {hosts: {static: [\"o:1\"]}}\n", with: "")
            let document = try ConfigurationFile.parse(hosts + "mirrors: " + text, file: "a.yaml")
            return try AgentConfiguration(yaml: document).mirrors
        }
        let read = try mirrors(
            "[{registry: Docker.io, default: true}, {registry: 'a.test:5000'}, {registry: own, prefix: ''}]"
        )
        #expect(read.map(\.registry) == ["docker.io", "a.test:5000", "own"])
        #expect(read.map(\.prefix) == ["docker.io", "a.test_5000", ""])
        #expect(read.map(\.isDefault) == [true, false, false])
        for bad in ["[{prefix: x}]", "[{registry: x, prefix: 'A/'}]", "[{registry: 'a b'}]"] {
            #expect(throws: ConfigurationError.self) { try mirrors(bad) }
        }
    }
}
