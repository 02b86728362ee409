// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Foundation
import Primitives
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
            zap: {level: debug}
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
        #expect(configuration.origins == ["kraken-origin:80"])
        #expect(configuration.announceInterval == .seconds(5))
        #expect(configuration.port == 15003)
        #expect(node.warnings.all.contains { $0.why == "without effect in Herd: zap, nginx" })
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

    @Test("refuses a backend it does not have")
    func unknownBackend() throws {
        let text = """
            data_dir: /data
            origin: {hosts: {static: ["a:1"]}}
            backends:
              - namespace: .*
                backend: {s3: {bucket: b}}
            """
        let node = try ConfigurationFile.parse(text, file: "f.yaml")
        let error = #expect(throws: ConfigurationError.self) {
            try BuildIndexConfiguration(yaml: node)
        }
        #expect(
            error?.description
                == "f.yaml:5: backends[0].backend: the kind s3 is not supported; use testfs or file"
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
}
