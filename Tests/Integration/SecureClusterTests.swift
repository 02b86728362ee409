// SPDX-License-Identifier: Apache-2.0

import Content
import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    /// Components that run apart and speak TLS with each other, and clients of theirs.
    @Suite("A cluster over TLS") struct SecureClusterTests {
        /// A component in a process of its own.
        private struct Part {
            let process: RunningProcess
            let log: URL
        }

        /// The ports of a tracker, an origin, a build-index, a proxy and two agents, and their files.
        private struct Cluster {
            let folder: URL
            let ports: [String: Int]
            var directory: String { folder.path + "/tls" }
            var trust: URL { folder.appending(path: "trust") }

            init(_ folder: URL) throws {
                self.folder = folder
                var ports: [String: Int] = [:]
                for name in [
                    "tracker", "origin", "origin-peer", "index", "proxy", "proxy-server", "a0-http",
                    "a0-peer", "a0-registry", "a1-http", "a1-peer", "a1-registry",
                ] { ports[name] = try ReservedPort.make() }
                self.ports = ports
            }

            func port(_ name: String) -> String { "\(ports[name] ?? 0)" }
            func address(_ name: String) -> String { "127.0.0.1:\(port(name))" }

            /// Certificates of all, new ones where asked for.
            func certify(renews: Bool = false) async throws {
                let more = renews ? ["--renew"] : []
                for (file, peer) in [
                    ("central", nil), ("origin", "origin-peer"), ("a0", "a0-peer"),
                    ("a1", "a1-peer"),
                ] {
                    let peers = peer.map { ["--peer", address($0)] } ?? []
                    let made = try await Command(
                        HerdProcess.executable,
                        ["certs", directory, "--component", file] + peers + more
                    ).run()
                    #expect(made.status == 0, "\(made.errors)")
                }
                try FileManager.default.createDirectory(
                    at: trust,
                    withIntermediateDirectories: true
                )
                let copy = trust.appending(path: "ca.crt")
                if !FileManager.default.fileExists(atPath: copy.path) {
                    try FileManager.default.copyItem(
                        atPath: directory + "/ca.pem",
                        toPath: copy.path
                    )
                }
            }

            /// The section `tls` with the certificate `file`.
            func tls(_ file: String, clients: String = "writes") -> String {
                let pair =
                    "cert: {path: \(directory)/\(file).pem}, key: {path: \(directory)/\(file)-key.pem}"
                return """
                    tls:
                      name: herd
                      cas: [{path: \(directory)/ca.pem}]
                      server: {\(pair), exempt_loopback: false, client_certificates: \(clients)}
                      client: {\(pair)}

                    """
            }

            func start(
                _ kind: String,
                _ name: String,
                _ text: String,
                _ arguments: [String],
                health: String
            ) async throws -> Part {
                let file = folder.appending(path: "\(name).yaml")
                try text.write(to: file, atomically: true, encoding: .utf8)
                let log = folder.appending(path: "\(name).log")
                let process = try Command(
                    HerdProcess.executable,
                    [kind, "--config", file.path] + arguments
                ).start(output: folder.appending(path: "\(name).out"), errors: log)
                let ready = try await curl(
                    [
                        "-f", "--retry", "60", "--retry-connrefused", "--retry-delay", "1",
                        "https://\(address(health))/health",
                    ]
                )
                guard ready.status == 0, process.isRunning else {
                    let said = try String(contentsOf: log, encoding: .utf8).suffix(2000)
                    throw CommandFailure(
                        description: "\(name) is not ready: \(ready.errors)\n\(said)"
                    )
                }
                return Part(process: process, log: log)
            }

            /// curl, which believes the cluster's authority.
            func curl(_ arguments: [String]) async throws -> CommandResult {
                try await Command("curl", ["-sS", "--cacert", directory + "/ca.pem"] + arguments)
                    .run()
            }

            /// All components, each ready.
            func startAll() async throws -> [String: Part] {
                let origins = "{hosts: {static: [\"\(address("origin"))\"]}}"
                let indexes = "{hosts: {static: [\"\(address("index"))\"]}}"
                var parts: [String: Part] = [:]
                parts["origin"] = try await start(
                    "origin",
                    "origin",
                    """
                    data_dir: \(folder.path)/origin
                    peer_tls: require
                    \(tls("origin", clients: "always"))
                    backends:
                      - namespace: .*
                        backend: {file: {root: \(folder.path)/blobs, name_path: sharded_docker_blob}}
                    """,
                    [
                        "--blobserver-port", port("origin"), "--peer-port", port("origin-peer"),
                        "--peer-ip", "127.0.0.1",
                    ],
                    health: "origin"
                )
                parts["tracker"] = try await start(
                    "tracker",
                    "tracker",
                    "origin: \(origins)\n" + tls("central", clients: "always"),
                    ["--port", port("tracker")],
                    health: "tracker"
                )
                parts["index"] = try await start(
                    "build-index",
                    "index",
                    """
                    data_dir: \(folder.path)/index
                    origin: \(origins)
                    tag_types: [{namespace: .*, type: docker}]
                    \(tls("central"))
                    backends:
                      - namespace: .*
                        backend: {file: {root: \(folder.path)/tags, name_path: docker_tag}}
                    """,
                    ["--port", port("index")],
                    health: "index"
                )
                parts["proxy"] = try await start(
                    "proxy",
                    "proxy",
                    """
                    data_dir: \(folder.path)/proxy
                    origin: \(origins)
                    build_index: \(indexes)
                    \(tls("central", clients: "never"))
                    """,
                    ["--port", port("proxy"), "--server-port", port("proxy-server")],
                    health: "proxy-server"
                )
                for agent in ["a0", "a1"] { parts[agent] = try await startAgent(agent, indexes) }
                return parts
            }

            private func startAgent(_ agent: String, _ indexes: String) async throws -> Part {
                try await start(
                    "agent",
                    agent,
                    """
                    data_dir: \(folder.path)/\(agent)
                    tracker: {hosts: {static: ["\(address("tracker"))"]}}
                    build_index: \(indexes)
                    peer_tls: require
                    \(tls(agent))
                    """,
                    [
                        "--peer-ip", "127.0.0.1", "--peer-port", port("\(agent)-peer"),
                        "--agent-server-port", port("\(agent)-http"),
                        "--agent-registry-port", port("\(agent)-registry"),
                    ],
                    health: "\(agent)-http"
                )
            }

            func push(_ image: OCIImage, as reference: String) async throws -> CommandResult {
                try await Command(
                    "skopeo",
                    [
                        "copy", "-q", "--preserve-digests", "--dest-cert-dir", trust.path,
                        "oci:\(image.folder.path):v1", "docker://\(address("proxy"))/\(reference)",
                    ]
                ).run()
            }

            func pull(
                _ reference: String,
                from agent: String,
                into name: String
            ) async throws
                -> CommandResult
            {
                try await Command(
                    "skopeo",
                    [
                        "copy", "-q", "--preserve-digests", "--src-cert-dir", trust.path,
                        "docker://\(address("\(agent)-registry"))/\(reference)",
                        "dir:\(folder.path)/\(name)",
                    ]
                ).run()
            }
        }

        @Test(
            "push and pull, with a certificate and without, and new certificates without a restart",
            .timeLimit(.minutes(5))
        )
        func wholeCluster() async throws {
            let folder = try TemporaryDirectory()
            let cluster = try Cluster(folder.url)
            try await cluster.certify()
            let parts = try await cluster.startAll()
            let image = try OCIImage.make(
                in: folder.url.appending(path: "image"),
                layerBytes: [9 << 20, 1],
                seed: 26
            )
            let pushed = try await cluster.push(image, as: "demo/tls:v1")
            #expect(pushed.status == 0, "\(pushed.errors)")
            for agent in ["a0", "a1"] {
                let pulled = try await cluster.pull("demo/tls:v1", from: agent, into: "of-\(agent)")
                #expect(pulled.status == 0, "\(pulled.errors)")
                let manifest = folder.url.appending(path: "of-\(agent)/manifest.json")
                #expect(try Clients.sha256(manifest) == image.manifest)
            }
            try await checkAdmission(cluster)
            try await checkRenewal(cluster, parts, folder, image)
            for part in parts.values {
                part.process.send(SIGTERM)
                #expect(try await part.process.waitForExit(within: .seconds(20)) == 0)
            }
        }

        @Test(
            "the peers of herd up --tls speak TLS with each other, and with nobody in the open",
            .timeLimit(.minutes(5))
        )
        func peersOfHerd() async throws {
            let folder = try TemporaryDirectory()
            let herd = try await HerdProcess.start(
                in: folder.url,
                agents: 3,
                arguments: ["--tls"]
            )
            let image = try OCIImage.make(
                in: folder.url.appending(path: "image"),
                layerBytes: [24 << 20, 1],
                seed: 28
            )
            let push = try await Clients.push(image, to: herd.proxyRegistry, as: "demo/peers:v1")
            #expect(push.status == 0, "\(push.errors)")
            try await Clients.pullEverywhere(
                "demo/peers:v1",
                of: image,
                from: herd.agentRegistries,
                under: folder.url.appending(path: "pulled")
            )
            let tls = herd.dataDirectory.path + "/tls"
            for kind in ["agent", "origin"] {
                let address = try #require(herd.ready.addresses(kind, "peer").first)
                // A message of two bytes, which a peer in the open would wait to the end of.
                let plain = try RawConnection(to: address)
                _ = plain.send([0, 0, 0, 2])
                #expect(plain.readToEnd() == [], "\(kind) speaks in the open")
                let shown = try await Command(
                    "sh",
                    [
                        "-c",
                        """
                        openssl s_client -connect \(address) -cert \(tls)/herd.pem -key \(tls)/herd-key.pem \
                          </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName
                        """,
                    ]
                ).run()
                // Those of all peers: three agents, three origins.
                #expect(shown.output.matches(of: /URI:herd-peer:[0-9a-f]{40}/).count == 6)
            }
            let agent = try #require(herd.ready.addresses("agent", "http").first)
            let told = try await Command("curl", ["-ks", "https://\(agent)/config"]).run()
            #expect(told.output.contains(#""peer_tls","value":"require""#), "\(told.output)")
            #expect(try await herd.stop() == 0)
        }

        /// What is asked without a certificate, in the open, or by a name that is no host's.
        private func checkAdmission(_ cluster: Cluster) async throws {
            let status = ["-o", "/dev/null", "-w", "%{http_code}"]
            let blob = "/blobs/sha256:\(String(repeating: "0", count: 64))"
            let own = [
                "--cert", cluster.directory + "/a0.pem", "--key", cluster.directory + "/a0-key.pem",
            ]
            for (arguments, expected) in [
                (["https://\(cluster.address("index"))/tags/demo%2Ftls:v1"], "200"),
                (["-X", "PUT", "https://\(cluster.address("index"))/tags/x:y/digest/z"], "403"),
                (["https://\(cluster.address("origin"))/status"], "403"),
                (own + ["https://\(cluster.address("origin"))/status"], "200"),
                (own + ["-X", "DELETE", "https://\(cluster.address("a0-http"))\(blob)"], "202"),
                (["-X", "DELETE", "https://\(cluster.address("a0-http"))\(blob)"], "403"),
                (["http://\(cluster.address("origin"))/status"], "400"),
            ] {
                let answer = try await cluster.curl(status + arguments)
                let code = answer.output
                #expect(code == expected || (expected == "202" && code == "200"), "\(arguments)")
            }
            let told = try await Command(
                HerdProcess.executable,
                [
                    "status", "--cacert", cluster.directory + "/ca.pem", "--server-name", "herd",
                ] + own + [cluster.address("origin"), cluster.address("tracker")]
            ).run()
            #expect(told.status == 0, "\(told.errors)")
            let misnamed = try await Command(
                HerdProcess.executable,
                ["status", "--cacert", cluster.directory + "/ca.pem", "--server-name", "other"]
                    + own + [cluster.address("tracker")]
            ).run()
            #expect(misnamed.errors.contains("not for other"), "\(misnamed.errors)")
        }

        /// New certificates for all, by SIGHUP.
        private func checkRenewal(
            _ cluster: Cluster,
            _ parts: [String: Part],
            _ folder: TemporaryDirectory,
            _ image: OCIImage
        ) async throws {
            let places = [
                "origin": "origin", "tracker": "tracker", "index": "index", "proxy": "proxy",
                "a0": "a0-registry", "a1": "a1-http",
            ]
            var before: [String: String] = [:]
            for (name, place) in places { before[name] = try await serial(cluster, place) }
            try await cluster.certify(renews: true)
            for part in parts.values { part.process.send(SIGHUP) }
            for (name, place) in places {
                // Until the test's own limit: a component takes up what is new by itself, too.
                while try await serial(cluster, place) == before[name] {}
                #expect(parts[name]?.process.isRunning == true)
            }
            let another = try OCIImage.make(
                in: folder.url.appending(path: "another"),
                layerBytes: [3 << 20],
                seed: 27
            )
            let pushed = try await cluster.push(another, as: "demo/tls:v2")
            #expect(pushed.status == 0, "\(pushed.errors)")
            let pulled = try await cluster.pull("demo/tls:v2", from: "a1", into: "renewed")
            #expect(pulled.status == 0, "\(pulled.errors)")
        }

        /// The serial number of the certificate that the port `name` shows.
        private func serial(_ cluster: Cluster, _ name: String) async throws -> String {
            let shown = try await Command(
                "sh",
                [
                    "-c",
                    "openssl s_client -connect \(cluster.address(name)) </dev/null 2>/dev/null | openssl x509 -noout -serial",
                ]
            ).run()
            return shown.output
        }
    }
}
