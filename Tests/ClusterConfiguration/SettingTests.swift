// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import RetryCore
import SwarmCore
import Telemetry
import Testing

@testable import ClusterConfiguration

@Suite("Settings that components tell") struct SettingTests {
    /// `settings` as the file that they could stand in; those that come from flags left out.
    private func file(_ settings: [SettingStatus]) throws -> ConfigurationNode {
        let flags: Set<String> = [
            "agent-registry-port", "peer-port", "agent-server-port", "peer-ip", "zone",
            "blobserver-port", "cluster-name", "port", "server-port",
        ]
        // Tables whose rows are told in words.
        let tables = ["backends[", "tag_types[", "remotes."]
        let told = settings.filter { setting in
            !flags.contains(setting.key) && !tables.contains { setting.key.hasPrefix($0) }
        }
        return try ConfigurationFile.parse(Self.yaml(told), file: "settings.yaml")
    }

    /// Keys with dots as sections within sections.
    private static func yaml(_ settings: [SettingStatus], depth: Int = 0) -> String {
        var (text, done) = ("", Set<Substring>())
        for setting in settings {
            let path = setting.key.split(separator: ".")
            guard done.insert(path[0]).inserted else { continue }
            let indent = String(repeating: "  ", count: depth)
            if path.count == 1 {
                text += "\(indent)\(path[0]): \(setting.value)\n"
                continue
            }
            let inner = settings.filter { $0.key.hasPrefix(path[0] + ".") }.map {
                SettingStatus(
                    key: String($0.key.dropFirst(path[0].count + 1)),
                    value: $0.value,
                    isChanged: $0.isChanged
                )
            }
            text += "\(indent)\(path[0]):\n" + yaml(inner, depth: depth + 1)
        }
        return text
    }

    private static let policy = {
        var policy = SwarmPolicy()
        policy.seederIdleMax = .minutes(7)
        policy.leecherIdleMax = .seconds(90)
        policy.connectionIdleMax = .milliseconds(1500)
        policy.connectionAgeMax = .hours(26)
        (policy.connectionsMax, policy.mutualConnectionsMax) = (17, 4)
        (policy.banDuration, policy.isBanningDisabled) = (.seconds(31), true)
        policy.requestTimeoutMin = .seconds(5)
        policy.requestOrder = .random
        (policy.requestsPerAgent, policy.requestsPerOrigin, policy.endgamePieces) = (4, 6, 2)
        policy.handshakeTimeout = .seconds(9)
        return policy
    }()

    @Test("an agent's settings are a file that means the same")
    func agent() throws {
        var agent = AgentConfiguration(
            dataDirectory: "/var/lib/a b",
            trackers: ["10.0.0.1:1", "[::1]:2"],
            buildIndexes: ["b:3"]
        )
        agent.swarm = Self.policy
        (agent.egress, agent.ingress) = (
            ByteRate(bytesPerSecond: 1 << 20), ByteRate(bytesPerSecond: 999)
        )
        agent.peerIDFactory = .random
        (agent.cleanup.isDisabled, agent.cleanup.timeToLive) = (true, .hours(3))
        (agent.cleanup.diskHighPercent, agent.cleanup.diskLowPercent) = (80, 60)
        #expect(try AgentConfiguration(yaml: file(agent.settings)) == agent)
        let usual = AgentConfiguration(
            dataDirectory: "/a",
            trackers: ["a:1"],
            buildIndexes: ["b:3"]
        )
        #expect(try AgentConfiguration(yaml: file(usual.settings)) == usual)
        let changed = usual.settings.filter(\.isChanged).map(\.key)
        #expect(changed == ["data_dir", "tracker.hosts.static", "build_index.hosts.static"])
    }

    @Test("so are an origin's and a tracker's, a proxy's and a testfs server's")
    func others() throws {
        var origin = OriginConfiguration(dataDirectory: "/o")
        (origin.cluster, origin.replicasMax) = (["a:1", "b:2"], 2)
        origin.healthTimeout = .milliseconds(250)
        origin.pieceLengths =
            PieceLengthTable([
                .zero: .mebibytes(4), .gibibytes(2): ByteCount(8_000_001),
            ]) ?? PieceLengthTable()
        (origin.writeBack.freshWorkers, origin.refreshBytesMax) = (7, .gibibytes(3))
        (origin.writeBack.pauseMin, origin.writeBack.attemptsMax) = (.milliseconds(1500), 3)
        origin.swarm = .kraken
        origin.swarm.requestsPerAgent = 4
        #expect(try OriginConfiguration(yaml: file(origin.settings)) == origin)
        origin.cluster = ["dns:origins.example:15002"]
        (origin.healingRate, origin.membershipTimeout) = (nil, .seconds(5))
        #expect(try OriginConfiguration(yaml: file(origin.settings)) == origin)
        var tracker = TrackerConfiguration(origins: ["o:1"])
        (tracker.handoutAgentsMax, tracker.handoutOrder) = (20, .unordered)
        tracker.peerTimeToLive = .hours(1) + .minutes(30)
        #expect(try TrackerConfiguration(yaml: file(tracker.settings)) == tracker)
        let proxy = ProxyConfiguration(
            dataDirectory: "/p",
            origins: ["o:1"],
            buildIndexes: ["b:1"],
            uploadTimeToIdle: .minutes(5)
        )
        #expect(try ProxyConfiguration(yaml: file(proxy.settings)) == proxy)
        let testfs = TestfsConfiguration(directory: "/t", fileBytesMax: ByteCount(12_345))
        #expect(try TestfsConfiguration(yaml: file(testfs.settings)) == testfs)
    }

    @Test("a backend is told by its kind and place alone")
    func backends() {
        var origin = OriginConfiguration(dataDirectory: "/o")
        origin.backends = [
            BackendRule(
                namespacePattern: "demo/.*",
                backend: .testfs(address: "t:1", root: "r", namePath: .identity),
                mustBeReady: true
            ), BackendRule(backend: .file(root: "/b", namePath: .shardedDockerBlob)),
        ]
        let told = origin.settings.filter { $0.key.hasPrefix("backends") }
        #expect(told.map(\.key) == ["backends[0]", "backends[1]"])
        #expect(
            told.map(\.value) == [
                "demo/.* → testfs t:1/r (identity), must_ready",
                ".* → file /b (sharded_docker_blob)",
            ]
        )
    }

    @Test(
        "durations and sizes are told as files say them",
        arguments: [
            (Duration.zero, "0s"), (.seconds(90), "1m30s"), (.milliseconds(1500), "1s500ms"),
            (.hours(26), "26h"), (.nanoseconds(7), "7ns"),
        ]
    )
    func durations(_ duration: Duration, _ text: String) {
        #expect(duration.settingText == text)
        #expect(Duration(goString: text) == duration)
    }
}
