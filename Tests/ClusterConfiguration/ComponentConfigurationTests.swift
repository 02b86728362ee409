// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import Foundation
import Primitives
import SwarmCore
import Telemetry
import Testing

@Suite("Component configurations") struct ComponentConfigurationTests {
    static func fixture(_ name: String) -> String {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return root.appending(path: "fixtures/config/\(name).yaml").path
    }

    @Test("reads a tracker's file")
    func tracker() throws {
        let node = try ConfigurationFile.load(Self.fixture("tracker"))
        let configuration = try TrackerConfiguration(yaml: node)
        #expect(configuration.origins == ["127.0.0.1:15002"])
        #expect(configuration.announceInterval == .seconds(3))
        #expect(configuration.peerTimeToLive == .hours(5))
        #expect(configuration.handoutOrder == .completeness)
        #expect(node.warnings.all.isEmpty)
    }

    @Test("reads a build-index's file")
    func buildIndex() throws {
        let node = try ConfigurationFile.load(Self.fixture("build-index"))
        let configuration = try BuildIndexConfiguration(yaml: node)
        #expect(configuration.dataDirectory == "/var/lib/herd/build-index")
        #expect(
            configuration.backends.map(\.backend)
                == [.file(root: "/var/lib/herd/backend", namePath: .dockerTag)]
        )
        #expect(configuration.tagTypes == [TagTypeRule(namespacePattern: ".*", type: .docker)])
        #expect(!configuration.writesThrough)
    }

    @Test("reads a testfs server's file")
    func testfs() throws {
        let node = try ConfigurationFile.load(Self.fixture("testfs"))
        let configuration = try TestfsConfiguration(yaml: node)
        #expect(configuration.directory == "/var/lib/herd/testfs")
        #expect(configuration.fileBytesMax == .gibibytes(64))
    }

    @Test("takes Kraken's own keys, and warns once of those without effect")
    func krakenTracker() throws {
        let text = """
            zap: {level: debug, encoding: console}
            trackerserver:
              announce_interval: 5s
              listener: {net: unix, addr: /tmp/kraken-tracker.sock}
            origin:
              hosts: {dns: "kraken-origin:80"}
              healthcheck: {filter: {fails: 3}}
            nginx: {name: kraken-tracker}
            """
        let node = try ConfigurationFile.parse(text, file: "tracker.yaml")
        let configuration = try TrackerConfiguration(yaml: node)
        #expect(configuration.origins == ["dns:kraken-origin:80"])
        #expect(configuration.announceInterval == .seconds(5))
        #expect(configuration.port == 15003)
        let warnings = node.warnings.all.map(\.why).filter { $0.hasPrefix("without effect") }
        #expect(
            warnings == ["without effect in Herd: encoding", "without effect in Herd: nginx"]
        )
        #expect(try LogSettings(yaml: node).level == .debug)
    }

    @Test(
        "takes levels of the log by Kraken's names and by its own",
        arguments: [
            ("{}", nil), ("zap: {level: warn}", LogSettings.Level.warning),
            ("zap: {level: warning}", .warning), ("zap: {level: fatal}", .critical),
            ("zap: {level: trace}", .trace), ("zap: {encoding: json}", nil),
        ]
    )
    func logLevels(_ text: String, level: LogSettings.Level?) throws {
        let settings = try LogSettings(yaml: try ConfigurationFile.parse(text, file: "x.yaml"))
        #expect(settings.level == level)
        #expect(settings.settings.map(\.value) == (level.map { [$0.rawValue] } ?? []))
    }

    @Test("refuses a level of the log that is none")
    func unknownLogLevel() throws {
        let node = try ConfigurationFile.parse("zap: {level: loud}", file: "x.yaml")
        let error = #expect(throws: ConfigurationError.self) { try LogSettings(yaml: node) }
        #expect(error?.description.contains("loud is no level") == true)
    }

    @Test(
        "says what is wrong, and where",
        arguments: [
            ("trackerserver: {}", "tracker.yaml:1: no origins"),
            ("origin: {hosts: {static: [nonsense]}}", "nonsense is no address"),
            ("origin: {hosts: {static: ['a:1'], dns: 'b:2'}}", "exclude each other"),
            (
                "origin: {hosts: {static: ['a:1']}}\npeerhandoutpolicy: {priority: best}",
                "tracker.yaml:2: peerhandoutpolicy.priority: best is unknown; use one of default, completeness"
            ),
            (
                "origin: {hosts: {static: ['a:1']}}\ntrackerserver: {announce_limit: 0}",
                "0 is not in 1 to 256"
            ),
        ]
    )
    func defects(_ text: String, _ expected: String) throws {
        let node = try ConfigurationFile.parse(text, file: "tracker.yaml")
        let error = #expect(throws: ConfigurationError.self) {
            try TrackerConfiguration(yaml: node)
        }
        #expect(error?.description.contains(expected) == true, "\(error?.description ?? "")")
    }

    @Test("refuses a row with two backends")
    func twoBackends() throws {
        let text = """
            data_dir: /data
            origin: {hosts: {static: ["a:1"]}}
            backends:
              - namespace: .*
                backend: {s3: {bucket: b}, file: {root: /r}}
            """
        let node = try ConfigurationFile.parse(text, file: "f.yaml")
        let error = #expect(throws: ConfigurationError.self) {
            try BuildIndexConfiguration(yaml: node)
        }
        #expect(
            error?.description
                == "f.yaml:5: backends[0].backend: expected exactly one kind of backend"
        )
    }

    @Test("finds a store's directory through Kraken's directories")
    func storeDirectories() throws {
        let text = """
            store: {upload_dir: /var/cache/kraken/bi/upload/, cache_dir: /var/cache/kraken/bi/cache/}
            origin: {hosts: {static: ["a:1"]}}
            remotes: {"other:15004": ["library/.*"]}
            backends: [{namespace: .*, backend: {testfs: {addr: "t:14000", root: tags, name_path: docker_tag}}}]
            """
        let node = try ConfigurationFile.parse(text, file: "f.yaml")
        let configuration = try BuildIndexConfiguration(yaml: node)
        #expect(configuration.dataDirectory == "/var/cache/kraken/bi")
        #expect(
            configuration.remotes == [TagRemote(address: "other:15004", patterns: ["library/.*"])]
        )
    }

    private func buildIndex(_ remotes: String) throws -> BuildIndexConfiguration {
        let text = """
            data_dir: /b
            origin: {hosts: {static: ["a:1"]}}
            backends: [{namespace: .*, backend: {testfs: {addr: "t:1", name_path: docker_tag}}}]
            remotes: \(remotes)
            """
        return try BuildIndexConfiguration(yaml: ConfigurationFile.parse(text, file: "f.yaml"))
    }

    @Test("reads registries beside other clusters as remotes, and tells no secret of them")
    func registryRemotes() throws {
        let configuration = try buildIndex(
            """
            {"other:15004": ["library/.*"], harbor: {tags: ["^team/"], repository: "m/{repository}",
              registry: {address: "h.example", security: {basic: {username: u, password: hidden}}}}}
            """
        )
        #expect(configuration.remotes.map(\.name) == ["other:15004", "harbor"])
        let registry = try #require(configuration.remotes.last?.registry)
        #expect(registry.repository(for: "team/app")?.name == "m/team/app")
        #expect(registry.repository(for: String(repeating: "a", count: 255)) == nil)
        let settings = configuration.settings.filter { $0.key.hasPrefix("remotes.") }
        #expect(
            settings.map(\.value) == [
                "[library/.*]", "[^team/] → registry h.example/m/{repository}",
            ]
        )
        #expect(!"\(settings)".contains("hidden"))
    }

    @Test(
        "says what is wrong with a remote",
        arguments: [
            (
                "{other: [a]}",
                "remotes.other: other is no address of a build-index; write it like host:port"
            ),
            ("{r: {registry: {address: h}}}", "remotes.r: the key tags is missing"),
            ("{r: {tags: [a]}}", "remotes.r: the key registry is missing"),
            ("{r: {tags: [], registry: {address: h}}}", "no tags; write tags: [.*]"),
            ("{r: {tags: ['('], registry: {address: h}}}", "( is no regular expression"),
            (
                "{r: {tags: [a], registry: {address: h}, repository: fixed}}",
                "fixed names no repository; write it like mirror/"
            ),
            (
                "{r: {tags: [a], registry: {address: h}, repository: 'M/{repository}'}}",
                "names no repository"
            ),
            ("{r: {tag: [a], registry: {address: h}}}", "the key tags is missing"),
        ]
    )
    func wrongRemotes(_ remotes: String, _ wanted: String) {
        let error = #expect(throws: ConfigurationError.self) { try buildIndex(remotes) }
        #expect(error?.description.contains(wanted) == true, "\(String(describing: error))")
    }

    @Test(
        "cuts blobs of rings without Kraken finely, but not into crumbs",
        arguments: [
            (1, 1), (64, 64), (511, 511), (512, 256), (2047, 1024), (2048, 512), (4096, 512),
        ]
    )
    func finePieces(mebibytes: Int, pieces: Int) {
        let bytes = PieceLengthTable.fine.pieceBytes(for: mebibytes << 20)
        #expect(((mebibytes << 20) - 1) / bytes + 1 == pieces)
    }

    @Test("reads an origin's file")
    func origin() throws {
        let node = try ConfigurationFile.load(Self.fixture("origin"))
        let configuration = try OriginConfiguration(yaml: node)
        #expect(configuration.dataDirectory == "/var/lib/herd/origin")
        #expect(configuration.cluster == ["127.0.0.1:15002"])
        #expect(configuration.replicasMax == 3)
        #expect(configuration.pieceLengths == .fine)
        #expect(configuration.pieceLengths.pieceBytes(for: 5 << 30) == 8 << 20)
        #expect(
            configuration.backends.map(\.backend)
                == [.file(root: "/var/lib/herd/backend", namePath: .shardedDockerBlob)]
        )
        #expect(node.warnings.all.isEmpty)
    }

    @Test("reads the scheduler's rules as Kraken's PATCH has them; zero and absent are defaults")
    func schedulerSettings() throws {
        let json = try JSON(
            parsing: """
                {"SeederTTI":120000000000,"leechertti":0,"TorrentLog":{"Level":"info"},
                 "ConnState":{"MaxOpenConnectionsPerTorrent":4,"DisableBlacklist":true},
                 "Conn":{"Bandwidth":{"Enable":true,"EgressBitsPerSec":8000,"TokenSize":1}},
                 "Dispatch":{"AgentPipelineLimit":7,"PieceRequestPolicy":"rarest_first"}}
                """
        )
        let settings = try SchedulerSettings(json: json)
        var policy = SwarmPolicy()
        policy.seederIdleMax = .minutes(2)
        (policy.connectionsMax, policy.isBanningDisabled) = (4, true)
        (policy.requestsPerAgent, policy.endgamePieces) = (7, 7)
        policy.requestOrder = .rarestFirst
        #expect(settings.policy == policy)
        #expect(settings.egress == ByteRate(bytesPerSecond: 1000))
        #expect(settings.ingress == ByteRate(bytesPerSecond: 2_516_582_400 / 8))
        let empty = try SchedulerSettings(json: .object([]))
        #expect(empty.policy == SwarmPolicy() && empty.egress == nil && empty.ingress == nil)
        let wrong = try JSON(parsing: #"{"Conn":{"HandshakeTimeout":-1}}"#)
        let error = #expect(throws: ConfigurationError.self) { try SchedulerSettings(json: wrong) }
        #expect(error?.key == "scheduler.conn.handshake_timeout")
    }

    @Test("scheduler.policy names the rules that the other keys change, of agents and origins")
    func schedulerPolicy() throws {
        func agent(_ scheduler: String) throws -> SwarmPolicy {
            let node = try ConfigurationFile.parse(
                """
                data_dir: /d
                tracker: {hosts: {static: ["t:1"]}}
                build_index: {hosts: {static: ["b:1"]}}
                scheduler: \(scheduler)
                """,
                file: "f.yaml"
            )
            return try AgentConfiguration(yaml: node).swarm
        }
        #expect(try agent("{policy: herd}") == SwarmPolicy())
        #expect(try agent("{policy: kraken}") == .kraken)
        #expect(SwarmPolicy.kraken != SwarmPolicy())
        var longer = SwarmPolicy.kraken
        longer.seederIdleMax = .minutes(9)
        #expect(try agent("{seeder_tti: 9m, policy: kraken}") == longer)
        let error = #expect(throws: ConfigurationError.self) { try agent("{policy: krakn}") }
        #expect(error?.key == "scheduler.policy")
        let origin = try ConfigurationFile.parse(
            "{data_dir: /d, scheduler: {policy: kraken}}",
            file: "f.yaml"
        )
        #expect(try OriginConfiguration(yaml: origin).swarm == .kraken)
        let patch = try SchedulerSettings(json: try JSON(parsing: #"{"Policy":"kraken"}"#))
        #expect(patch.policy == .kraken)
    }

    @Test("finds docker where either of Kraken's two sections says")
    func docker() throws {
        for text in [
            "docker_daemon: {docker_host: 'tcp://d:1'}",
            "container_runtime: {docker: {docker_host: 'tcp://d:1'}, containerd: {address: /x}}",
        ] {
            let node = try ConfigurationFile.parse(
                """
                data_dir: /d
                tracker: {hosts: {static: ["t:1"]}}
                build_index: {hosts: {static: ["b:1"]}}
                \(text)
                """,
                file: "f.yaml"
            )
            let configuration = try AgentConfiguration(yaml: node)
            #expect(configuration.docker.host == "tcp://d:1")
            #expect(configuration.docker.version == "1.21")
        }
    }

    @Test("reads a proxy's file")
    func proxy() throws {
        let node = try ConfigurationFile.load(Self.fixture("proxy"))
        let configuration = try ProxyConfiguration(yaml: node)
        #expect(configuration.dataDirectory == "/var/lib/herd/proxy")
        #expect(configuration.origins == ["127.0.0.1:15002"])
        #expect(configuration.buildIndexes == ["127.0.0.1:15004"])
    }

    @Test("reads an agent's file")
    func agent() throws {
        let node = try ConfigurationFile.load(Self.fixture("agent"))
        let configuration = try AgentConfiguration(yaml: node)
        #expect(configuration.dataDirectory == "/var/lib/herd/agent")
        #expect(configuration.trackers == ["127.0.0.1:15003"])
        #expect(configuration.cleanup.timeToLive == .hours(24))
        #expect(configuration.cleanup.timeToIdle == .hours(6))
        #expect(configuration.egress?.bytesPerSecond == 200 << 20)
        #expect(configuration.ingress?.bytesPerSecond == 300 << 20)
        #expect(configuration.swarm == SwarmPolicy())
    }

    @Test("reads Kraken's scheduler keys; zero means the default")
    func scheduler() throws {
        let text = """
            data_dir: /data
            tracker: {hosts: {static: ["t:1"]}, healthcheck: {fails: 3}, hashring: {max_replica: 3}}
            build_index: {hosts: {static: ["b:1"]}}
            allowed_cidrs: [127.0.0.1]
            scheduler:
              seeder_tti: 10m
              leecher_tti: 0
              conn_tti: 1m
              conn_ttl: 2h
              preemption_interval: 15s
              emit_stats_interval: 1s
              connstate: {max_open_conn: 20, max_mutual_conn: 0, disable_blacklist: true, blacklist_duration: 1h}
              conn:
                handshake_timeout: 7s
                sender_buffer_size: 10000
                bandwidth: {enable: false, egress_bits_per_sec: 8000, token_size: 1}
              dispatch:
                piece_request_min_timeout: 2s
                piece_request_timeout_per_mb: 3s
                piece_request_policy: default
                pipeline_limit: 4
                origin_pipeline_limit: 6
                disable_endgame: true
              torrentlog: {disable: true}
            """
        let node = try ConfigurationFile.parse(text, file: "agent.yaml")
        let configuration = try AgentConfiguration(yaml: node)
        let policy = configuration.swarm
        #expect(policy.seederIdleMax == .minutes(10))
        #expect(policy.leecherIdleMax == SwarmPolicy().leecherIdleMax)
        #expect(policy.connectionIdleMax == .minutes(1))
        #expect(policy.connectionAgeMax == .hours(2))
        #expect(policy.reapInterval == .seconds(15))
        #expect(policy.connectionsMax == 20)
        #expect(policy.mutualConnectionsMax == nil)
        #expect(policy.isBanningDisabled)
        #expect(policy.banDuration == .hours(1) && policy.banDurationMax == .hours(1))
        #expect(policy.handshakeTimeout == .seconds(7))
        #expect(policy.requestTimeoutMin == .seconds(2))
        #expect(policy.requestTimeoutPerMebibyte == .seconds(3))
        #expect(policy.requestOrder == .random)
        #expect(policy.requestsPerAgent == 4 && policy.requestsPerOrigin == 6)
        #expect(policy.endgamePieces == 4)
        #expect(policy.isEndgameDisabled)
        #expect(configuration.egress == nil && configuration.ingress == nil)
        let warnings = node.warnings.all.map(\.why)
        #expect(warnings.contains("without effect in Herd: allowed_cidrs"))
        #expect(warnings.contains("without effect in Herd: emit_stats_interval, torrentlog"))
    }

    @Test("reads Kraken's clean-up keys, the odd one included")
    func cleanup() throws {
        let text = """
            castore:
              upload_dir: /o/upload
              cache_dir: /o/cache
              capacity: 1000000
              cache_cleanup: {interval: 1h, tti: 2h, aggressive_threshold: 80, aggressive_lower_threshold: 60, aggressive_ttL: 20m}
            """
        let node = try ConfigurationFile.parse(text, file: "origin.yaml")
        let configuration = try OriginConfiguration(yaml: node)
        #expect(configuration.dataDirectory == "/o")
        #expect(configuration.cleanup.interval == .hours(1))
        #expect(configuration.cleanup.timeToIdle == .hours(2))
        #expect(configuration.cleanup.timeToLive == nil)
        #expect(configuration.cleanup.diskHighPercent == 80)
        #expect(configuration.cleanup.diskLowPercent == 60)
        #expect(configuration.cleanup.aggressiveTimeToLive == .minutes(20))
    }
}
