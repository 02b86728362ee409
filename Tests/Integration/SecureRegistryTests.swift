// SPDX-License-Identifier: Apache-2.0

import Foundation
import Primitives
import Telemetry
import TestSupport
import Testing

extension IntegrationTests {
    /// Tags that go to Docker's registry over TLS, and what breaks off on the way to a registry.
    @Suite("Replication to registries over TLS and bad lines") struct SecureRegistryTests {
        private static let repository = "team/app"

        /// Certificates of an authority of its own in `folder`.
        private func certify(_ folder: URL) async throws -> DockerRegistry.Certificates {
            let made = try await Command(
                HerdProcess.executable,
                ["certs", folder.path, "--component", "central"]
            ).run()
            #expect(made.status == 0, "\(made.errors)")
            return DockerRegistry.Certificates(
                certificate: folder.path + "/central.pem",
                key: folder.path + "/central-key.pem",
                authority: folder.path + "/ca.pem"
            )
        }

        /// A certificate of the authority in `folder` for another host.
        private func misname(_ folder: URL) async throws -> DockerRegistry.Certificates {
            let script = """
                cd "$0" && openssl req -newkey rsa:2048 -nodes -keyout other-key.pem -subj /CN=other \
                  -addext subjectAltName=DNS:other.example -out other.csr &&
                openssl x509 -req -in other.csr -CA ca.pem -CAkey ca-key.pem -days 2 \
                  -copy_extensions copy -out other.pem
                """
            let made = try await Command("sh", ["-ec", script, folder.path]).run()
            #expect(made.status == 0, "\(made.errors)")
            return DockerRegistry.Certificates(
                certificate: folder.path + "/other.pem",
                key: folder.path + "/other-key.pem",
                authority: folder.path + "/ca.pem"
            )
        }

        private func stop(_ processes: [RunningProcess]) async throws {
            for process in processes {
                process.send(SIGTERM)
                #expect(try await process.waitForExit(within: .seconds(20)) == 0)
            }
        }

        @Test(
            "a registry is believed by the authorities that are named, and shown the certificate; SIGHUP takes others",
            .timeLimit(.minutes(4))
        )
        func authorities() async throws {
            let folder = try TemporaryDirectory()
            let place = folder.url.appending(path: "own")
            let own = try await certify(place)
            let misnamed = try await misname(place)
            let foreign = try await certify(folder.url.appending(path: "foreign"))
            let (storage, port) = (folder.url.appending(path: "registry"), try ReservedPort.make())
            let trust = folder.url.appending(path: "trust.pem")
            func trusting(_ authority: String) throws {
                try? FileManager.default.removeItem(at: trust)  // It is not there at first.
                try FileManager.default.copyItem(atPath: authority, toPath: trust.path)
            }
            func remotes(_ more: String = "") -> String {
                """
                {copies: {tags: [.*], registry: {address: "127.0.0.1:\(port)", attempts_max: 1,
                  security: {tls: {cas: [{path: \(trust.path)}]\(more)}}}}}
                """
            }
            let here = try ReplicatingCluster(
                folder.url.appending(path: "here"),
                remotes: remotes(),
                tagType: "docker"
            )
            var registry = try await DockerRegistry.start(in: storage, port: port, tls: misnamed)
            try trusting(own.authority)
            let index = try await here.startIndex()
            let processes = [try await here.startOrigin(), try await here.startProxy()]
            let image = try OCIImage.make(
                in: folder.url.appending(path: "image"),
                layerBytes: [300_000],
                seed: 61
            )
            let push = try await Clients.push(image, to: here.proxy, as: "\(Self.repository):v1")
            #expect(push.status == 0, "\(push.errors)")
            try await here.fails(with: "the server's certificate is for another host")

            try await registry.kill()
            registry = try await DockerRegistry.start(in: storage, port: port, tls: own)
            try trusting(foreign.authority)
            _ = try await here.reload(index, remotes: remotes())
            try await here.fails(with: "no authority in tls.cas vouches for")
            try FileManager.default.removeItem(at: trust)
            _ = try await here.reload(index, remotes: remotes())
            try await here.fails(with: "there is no such file")
            // Read by itself once it is there; the registry wants to know who asks.
            try trusting(own.authority)
            try await here.fails(with: "the server wants another certificate of us")
            let manifest = "\(Self.repository)/manifests/v1"
            #expect(try await registry.curl(manifest).status == 404)

            let pair = "cert: {path: \(own.certificate)}, key: {path: \(own.key)}"
            _ = try await here.reload(index, remotes: remotes(", client: {\(pair)}"))
            try await here.drain()
            #expect(try await registry.curl(manifest).status == 200)
            try await stop(processes + [index])
            try await registry.kill()
        }

        @Test("a blob goes on where its upload broke off", .timeLimit(.minutes(4)))
        func resumed() async throws {
            let folder = try TemporaryDirectory()
            let there = try ReplicatingCluster(
                folder.url.appending(path: "there"),
                tagType: "docker"
            )
            var proxy = try await there.startProxy()
            let here = try ReplicatingCluster(
                folder.url.appending(path: "here"),
                remotes: """
                    {copies: {tags: [.*], registry: {address: "http://\(there.proxy)", attempts_max: 1}}}
                    """,
                tagType: "docker"
            )
            var processes = [
                try await there.startOrigin(), try await there.startIndex(),
                try await here.startOrigin(), try await here.startIndex(),
                try await here.startProxy(),
            ]
            let layerBytes = 96 << 20
            let image = try OCIImage.make(
                in: folder.url.appending(path: "image"),
                layerBytes: [layerBytes],
                seed: 62
            )
            let push = try await Clients.push(image, to: here.proxy, as: "\(Self.repository):v1")
            #expect(push.status == 0, "\(push.errors)")
            // Until the test's own limit.
            while try bytes(below: there.folder.appending(path: "proxy")) < layerBytes / 8 {}
            proxy.send(SIGKILL)
            _ = try await proxy.waitForExit(within: .seconds(10))
            let kept = try bytes(below: there.folder.appending(path: "proxy"))
            try #require(kept < layerBytes, "it was to be killed before the end")
            proxy = try await there.startProxy()
            processes.append(proxy)
            try await here.drain()
            let counters = try await here.status().counters
            #expect(counters["registry_blobs_resumed"] == 1)
            #expect((counters["registry_bytes_sent"] ?? 0) <= layerBytes - layerBytes / 8 + 10_000)
            let pulled = folder.url.appending(path: "pulled")
            let reference = "\(Self.repository):v1"
            let pull = try await Clients.pull(reference, from: there.proxy, into: pulled)
            #expect(pull.status == 0, "\(pull.errors)")
            try await stop(processes)
        }

        /// The bytes of all files below `folder`.
        private func bytes(below folder: URL) throws -> Int {
            let files = FileManager.default.enumerator(atPath: folder.path)
            var sum = 0
            while let path = files?.nextObject() as? String {
                // One that is gone by now.
                let file = try? FileManager.default.attributesOfItem(
                    atPath: folder.appending(path: path).path
                )
                if file?[.type] as? FileAttributeType == .typeRegular {
                    sum += file?[.size] as? Int ?? 0
                }
            }
            return sum
        }
    }
}
