// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    /// Who may push to a proxy, as real clients find out.
    @Suite("Access") struct AccessTests {
        /// A proxy of its own in front of `herd`, with `access` in its configuration.
        static func proxy(
            _ access: String,
            of herd: HerdProcess,
            in folder: URL,
            host: String = "127.0.0.1",
            arguments: [String] = [],
            isRefused: Bool = false
        ) async throws -> (process: RunningProcess, address: String, log: URL) {
            try FileManager.default.createDirectory(
                at: folder,
                withIntermediateDirectories: true
            )
            let origins = herd.ready.addresses("origin", "http")
            let buildIndexes = herd.ready.addresses("build-index", "http")
            let file = folder.appending(path: "proxy.yaml")
            try Data(
                """
                data_dir: \(folder.path)/proxy
                origin: {hosts: {static: [\(origins.joined(separator: ", "))]}}
                build_index: {hosts: {static: [\(buildIndexes.joined(separator: ", "))]}}
                \(access)
                """.utf8
            ).write(to: file)
            let (port, serverPort) = (try ReservedPort.make(), try ReservedPort.make())
            let log = folder.appending(path: "proxy.log")
            let process = try Command(
                HerdProcess.executable,
                [
                    "proxy", "--config", file.path, "--host", host, "--port", "\(port)",
                    "--server-port", "\(serverPort)",
                ] + arguments
            ).start(output: folder.appending(path: "proxy.out"), errors: log)
            let address = "127.0.0.1:\(port)"
            if isRefused { return (process, address, log) }
            // Answered, with whatever status, once it listens.
            let probe = try await Command(
                "curl",
                [
                    "-s", "-o", "/dev/null", "--retry", "60", "--retry-connrefused",
                    "--retry-delay", "1", "http://\(address)/health",
                ]
            ).run()
            #expect(probe.status == 0, "\(probe.errors)")
            return (process, address, log)
        }

        private static func curl(_ url: String, _ arguments: [String] = []) async throws -> String {
            try await Command(
                "curl",
                ["-s", "-o", "/dev/null", "-w", "%{http_code}"] + arguments + [url]
            ).run().output
        }

        /// bob logs in with podman and skopeo, which keep the password in a file of ours, and pulls.
        private func logIn(_ address: String, in folder: URL) async throws {
            let keys = folder.appending(path: "auth.json").path
            for program in ["skopeo", "podman"] {
                let login = try await Command(
                    program,
                    [
                        "login", "--tls-verify=false", "--authfile", keys, "-u", "bob", "-p",
                        "pass-bob", address,
                    ]
                ).run()
                #expect(login.status == 0, "\(program): \(login.errors)")
                let wrong = try await Command(
                    program,
                    [
                        "login", "--tls-verify=false", "--authfile", "\(keys).wrong", "-u", "bob",
                        "-p", "pass-alice", address,
                    ]
                ).run()
                #expect(wrong.status != 0)
            }
            let pulled = folder.appending(path: "pulled").path
            let pull = try await Command(
                "skopeo",
                [
                    "copy", "-q", "--src-tls-verify=false", "--src-authfile", keys,
                    "docker://\(address)/team-a/web:v1", "dir:\(pulled)",
                ]
            ).run()
            #expect(pull.status == 0, "\(pull.errors)")
        }

        @Test(
            "skopeo, podman and curl log in with passwords that htpasswd has hashed",
            .timeLimit(.minutes(5))
        )
        func passwords() async throws {
            let folder = try TemporaryDirectory()
            let herd = try await HerdProcess.start(in: folder.url, agents: 1)
            let file = folder.url.appending(path: "htpasswd").path
            for (name, flags) in [("alice", "-cbB"), ("bob", "-bB")] {
                let made = try await Command("htpasswd", [flags, file, name, "pass-\(name)"]).run()
                #expect(made.status == 0, "\(made.errors)")
            }
            let (proxy, address, _) = try await Self.proxy(
                """
                access:
                  anonymous: none
                  htpasswd: \(file)
                  rules:
                    - {repository: "team-a/*", users: [alice], allow: [push]}
                    - {repository: "*", users: ["*"], allow: [pull]}
                """,
                of: herd,
                in: folder.url.appending(path: "own")
            )
            let image = try OCIImage.make(
                in: folder.url.appending(path: "image"),
                layerBytes: [200_000, 0],
                seed: 91
            )
            func copy(_ user: String?, to repository: String) async throws -> CommandResult {
                let login = user.map { ["--dest-creds", $0] } ?? ["--dest-no-creds"]
                return try await Command(
                    "skopeo",
                    ["copy", "-q", "--dest-tls-verify=false"] + login + [
                        "oci:\(image.folder.path):v1", "docker://\(address)/\(repository):v1",
                    ]
                ).run()
            }
            let allowed = try await copy("alice:pass-alice", to: "team-a/web")
            #expect(allowed.status == 0, "\(allowed.errors)")
            let refusals = [
                (String?.none, "team-a/web"), ("alice:wrong", "team-a/web"),
                ("bob:pass-bob", "team-a/web"), ("alice:pass-alice", "team-b/web"),
                ("carol:pass-alice", "team-a/web"),
            ]
            for (user, repository) in refusals {
                let refused = try await copy(user, to: repository)
                #expect(refused.status != 0, "\(user ?? "nobody") pushed to \(repository)")
            }

            try await logIn(address, in: folder.url)
            let list = "http://\(address)/v2/team-a/web/tags/list"
            #expect(try await Self.curl(list) == "401")
            #expect(try await Self.curl(list, ["-u", "bob:pass-bob"]) == "200")
            #expect(try await Self.curl(list, ["-u", "bob:pass"]) == "401")
            #expect(try await Self.curl("http://\(address)/health") == "200")
            // Agents read what anybody may read there, and say nothing of log-ins.
            let agent = try #require(herd.agentRegistries.first)
            #expect(try await Self.curl("http://\(agent)/v2/team-a/web/tags/list") == "200")

            proxy.send(SIGTERM)
            #expect(try await proxy.waitForExit(within: .seconds(10)) == 0)
            #expect(try await herd.stop() == 0)
        }

        @Test("a token that openssl has signed pushes what it is good for", .timeLimit(.minutes(5)))
        func tokens() async throws {
            let folder = try TemporaryDirectory()
            let herd = try await HerdProcess.start(in: folder.url, agents: 1)
            let key = folder.url.appending(path: "key.pem").path
            let made = try await Command(
                "bash",
                [
                    "-c",
                    "openssl genrsa -out \(key) 2048 && openssl rsa -in \(key) -pubout -out \(key).pub",
                ]
            ).run()
            #expect(made.status == 0, "\(made.errors)")
            let (proxy, address, _) = try await Self.proxy(
                """
                access:
                  tokens: {keys: [\(key).pub], issuer: ci, service: herd}
                """,
                of: herd,
                in: folder.url.appending(path: "own")
            )
            func base64URL(_ data: Data) -> String {
                data.base64EncodedString().replacingOccurrences(of: "+", with: "-")
                    .replacingOccurrences(of: "/", with: "_")
                    .replacingOccurrences(of: "=", with: "")
            }
            let end = Int(Date.now.timeIntervalSince1970) + 600
            let claims = """
                {"iss":"ci","aud":"herd","exp":\(end),"access":[\
                {"type":"repository","name":"team-a/web","actions":["pull","push"]}]}
                """
            let statement =
                base64URL(Data(#"{"alg":"RS256","typ":"JWT"}"#.utf8)) + "."
                + base64URL(Data(claims.utf8))
            let text = folder.url.appending(path: "statement")
            try Data(statement.utf8).write(to: text)
            let signed = try await Command(
                "openssl",
                ["dgst", "-sha256", "-sign", key, "-out", "\(text.path).sig", text.path]
            ).run()
            #expect(signed.status == 0, "\(signed.errors)")
            let signature = try Data(contentsOf: URL(filePath: "\(text.path).sig"))
            let token = "\(statement).\(base64URL(signature))"
            let image = try OCIImage.make(
                in: folder.url.appending(path: "image"),
                layerBytes: [200_000],
                seed: 92
            )
            for (repository, isAllowed) in [("team-a/web", true), ("team-b/web", false)] {
                let push = try await Command(
                    "skopeo",
                    [
                        "copy", "-q", "--dest-tls-verify=false", "--dest-registry-token", token,
                        "oci:\(image.folder.path):v1", "docker://\(address)/\(repository):v1",
                    ]
                ).run()
                #expect((push.status == 0) == isAllowed, "\(push.errors)")
            }
            let list = "http://\(address)/v2/team-a/web/tags/list"
            #expect(try await Self.curl(list, ["-H", "Authorization: Bearer \(token)"]) == "200")
            #expect(try await Self.curl(list, ["-H", "Authorization: Bearer \(token)x"]) == "401")
            #expect(try await Self.curl(list) == "401")
            proxy.send(SIGTERM)
            #expect(try await proxy.waitForExit(within: .seconds(10)) == 0)
            #expect(try await herd.stop() == 0)
        }

        @Test("a proxy that others reach wants to be told who may push", .timeLimit(.minutes(2)))
        func openToAll() async throws {
            let folder = try TemporaryDirectory()
            let herd = try await HerdProcess.start(in: folder.url, agents: 1)
            let (refused, _, log) = try await Self.proxy(
                "",
                of: herd,
                in: folder.url.appending(path: "refused"),
                host: "0.0.0.0",
                isRefused: true
            )
            #expect(try await refused.waitForExit(within: .seconds(30)) == 1)
            let text = try String(contentsOf: log, encoding: .utf8)
            #expect(text.contains("set access in its configuration"), "\(text)")
            for (name, access, arguments) in [
                ("said", "access: {anonymous: push}", []), ("flag", "", ["--anonymous"]),
            ] {
                let (proxy, address, _) = try await Self.proxy(
                    access,
                    of: herd,
                    in: folder.url.appending(path: name),
                    host: "0.0.0.0",
                    arguments: arguments
                )
                #expect(try await Self.curl("http://\(address)/v2/") == "200")
                proxy.send(SIGTERM)
                #expect(try await proxy.waitForExit(within: .seconds(10)) == 0)
            }
            #expect(try await herd.stop() == 0)
        }
    }
}
