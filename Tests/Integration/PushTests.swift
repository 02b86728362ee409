// SPDX-License-Identifier: Apache-2.0

import Foundation
import Primitives
import Testing

extension IntegrationTests {
    /// Blobs that are on their way to an origin while they come in.
    @Suite("Pushes of large blobs") struct PushTests {
        private static let blobBytes = 64 << 20
        private static let uploads = "/v2/demo/push/blobs/uploads/"

        /// A file of random bytes, and its digest.
        private struct Blob {
            let file: URL
            let digest: String

            init(in folder: URL, seed: UInt64) throws {
                var generator = Generator(seed: seed)
                var data = Data(count: PushTests.blobBytes)
                data.withUnsafeMutableBytes { bytes in
                    for index in 0..<bytes.count / 8 {
                        bytes.storeBytes(
                            of: generator.next(),
                            toByteOffset: 8 * index,
                            as: UInt64.self
                        )
                    }
                }
                file = folder.appending(path: "blob-\(seed)")
                try data.write(to: file)
                digest = Clients.sha256(data)
            }

            /// A file with the bytes `range`.
            func part(_ range: Range<Int>) throws -> URL {
                let part = file.appendingPathExtension("\(range.lowerBound)")
                let handle = try FileHandle(forReadingFrom: file)
                try handle.seek(toOffset: UInt64(range.lowerBound))
                try (handle.read(upToCount: range.count) ?? Data()).write(to: part)
                try handle.close()
                return part
            }
        }

        /// What curl says of a request: the status, and where the upload is.
        private func request(
            _ arguments: [String],
            _ url: String
        ) async throws -> (status: String, location: String) {
            let answer = try await Command(
                "curl",
                [
                    "-sS", "-o", "/dev/null", "-w", "%{http_code} %header{location}", "-H",
                    "Content-Type: application/octet-stream",
                ] + arguments + [url]
            ).run()
            let words = answer.output.split(separator: " ").map(String.init)
            return (words.first ?? answer.errors, words.dropFirst().first ?? "")
        }

        private func begin(_ registry: String) async throws -> String {
            let start = try await request(
                ["-X", "POST", "-d", ""],
                "http://\(registry)\(Self.uploads)"
            )
            #expect(start.status == "202")
            return start.location
        }

        private func finish(
            _ location: String,
            _ digest: String,
            at registry: String
        ) async throws -> String {
            let url = "http://\(registry)\(location)?digest=\(digest)"
            return try await request(["-X", "PUT", "-d", ""], url).status
        }

        private func expect(_ blob: Blob, at registry: String, in folder: URL) async throws {
            let copy = folder.appending(path: "pulled")
            let url = "http://\(registry)/v2/demo/push/blobs/\(blob.digest)"
            #expect(try await Command("curl", ["-sSf", "-o", copy.path, url]).run().status == 0)
            #expect(try Clients.sha256(copy) == blob.digest)
        }

        /// The uploads that lie below `folder`, by the directory of the component that has them.
        private func uploads(below folder: URL) -> [String] {
            let files = FileManager.default.enumerator(atPath: folder.path)
            var owners: [String] = []
            while let path = files?.nextObject() as? String {
                guard path.hasSuffix("/data"), path.contains("/upload/") else { continue }
                owners.append(String(path.prefix { $0 != "/" }))
            }
            return owners
        }

        @Test("arrive in one request, in many, and of unknown length", .timeLimit(.minutes(5)))
        func ways() async throws {
            let folder = try TemporaryDirectory()
            let herd = try await HerdProcess.start(in: folder.url, agents: 1)
            let registry = herd.proxyRegistry
            let whole = try Blob(in: folder.url, seed: 1)
            let location = try await begin(registry)
            let patch = try await request(
                ["-X", "PATCH", "-T", whole.file.path],
                "http://\(registry)\(location)"
            )
            #expect(patch.status == "202")
            #expect(try await finish(patch.location, whole.digest, at: registry) == "201")

            let chunked = try Blob(in: folder.url, seed: 2)
            let other = try await begin(registry)
            let headers = [
                "-X", "PATCH", "-H", "Transfer-Encoding: chunked", "-T", chunked.file.path,
            ]
            #expect(try await request(headers, "http://\(registry)\(other)").status == "202")
            #expect(try await finish(other, chunked.digest, at: registry) == "201")

            let parts = try Blob(in: folder.url, seed: 3)
            var next = try await begin(registry)
            let partBytes = 5_000_000
            for start in stride(from: 0, to: Self.blobBytes, by: partBytes) {
                let end = min(start + partBytes, Self.blobBytes)
                let part = try parts.part(start..<end)
                let range = "Content-Range: \(start)-\(end - 1)"
                let arguments = ["-X", "PATCH", "-H", range, "-T", part.path]
                let answer = try await request(arguments, "http://\(registry)\(next)")
                #expect(answer.status == "202")
                next = answer.location
            }
            #expect(try await finish(next, parts.digest, at: registry) == "201")

            let single = try Blob(in: folder.url, seed: 4)
            let url = "http://\(registry)\(Self.uploads)?digest=\(single.digest)"
            #expect(
                try await request(["-X", "POST", "--data-binary", "@\(single.file.path)"], url)
                    .status == "201"
            )
            let wrong =
                "http://\(registry)\(Self.uploads)?digest=sha256:\(String(repeating: "ab", count: 32))"
            #expect(
                try await request(["-X", "POST", "--data-binary", "@\(single.file.path)"], wrong)
                    .status == "400"
            )

            for blob in [whole, chunked, parts, single] {
                try await expect(blob, at: registry, in: folder.url)
                try await expect(blob, at: herd.agentRegistries[0], in: folder.url)
            }
            let metrics = try await Clients.curl([
                "http://\(herd.ready.addresses("proxy", "http")[0])/metrics"
            ])
            let followed = try #require(
                metrics.body.firstMatch(of: /herd_uploads_followed[^ ]* (\d+)/)
            )
            #expect((Int(followed.1) ?? 0) >= 3, "\(followed.0)")
            #expect(try await herd.stop() == 0)
            #expect(uploads(below: herd.dataDirectory) == [])
            #expect(try Leftovers.find(in: herd.dataDirectory) == [])
        }

        @Test("survive a kill -9 of the origin that has them half", .timeLimit(.minutes(3)))
        func originKilled() async throws {
            let folder = try TemporaryDirectory()
            func backends(_ namePath: String) -> String {
                """
                backends:
                  - namespace: .*
                    backend: {file: {root: \(folder.url.path)/backend, name_path: \(namePath)}}
                """
            }
            let cluster = try await BackedCluster.start(
                in: folder.url,
                blobs: backends("sharded_docker_blob"),
                tags: backends("docker_tag")
            )
            let blob = try Blob(in: folder.url, seed: 5)
            let location = try await begin(cluster.proxy)
            let (half, url) = (Self.blobBytes / 2, "http://\(cluster.proxy)\(location)")
            let first = try blob.part(0..<half)
            #expect(try await request(["-X", "PATCH", "-T", first.path], url).status == "202")
            // Until the test's own limit: it is on its way by now.
            var followed: Int?
            while followed == nil {
                followed = (0...1).first { uploads(below: folder.url).contains("origin\($0)") }
            }
            await cluster.origins[try #require(followed)].send(SIGKILL)
            let second = try blob.part(half..<Self.blobBytes)
            #expect(try await request(["-X", "PATCH", "-T", second.path], url).status == "202")
            #expect(try await finish(location, blob.digest, at: cluster.proxy) == "201")
            try await expect(blob, at: cluster.proxy, in: folder.url)
            try await cluster.restartOrigin(try #require(followed))
            try await cluster.stop()
            #expect(uploads(below: folder.url) == [])
        }

        @Test("go on after a kill -9 of the proxy", .timeLimit(.minutes(3)))
        func proxyKilled() async throws {
            let folder = try TemporaryDirectory()
            let herd = try await HerdProcess.start(in: folder.url, agents: 1)
            let blob = try Blob(in: folder.url, seed: 6)
            let location = try await begin(herd.proxyRegistry)
            let half = Self.blobBytes / 2
            let first = ["-X", "PATCH", "-T", try blob.part(0..<half).path]
            #expect(
                try await request(first, "http://\(herd.proxyRegistry)\(location)").status == "202"
            )
            try await herd.kill()
            let again = try await HerdProcess.start(in: folder.url, agents: 1)
            let second = ["-X", "PATCH", "-T", try blob.part(half..<Self.blobBytes).path]
            let patch = try await request(
                second + ["-H", "Content-Range: \(half)-\(Self.blobBytes - 1)"],
                "http://\(again.proxyRegistry)\(location)"
            )
            #expect(patch.status == "202")
            #expect(try await finish(location, blob.digest, at: again.proxyRegistry) == "201")
            try await expect(blob, at: again.agentRegistries[0], in: folder.url)
            #expect(try await again.stop() == 0)
            #expect(uploads(below: again.dataDirectory) == [])
            #expect(try Leftovers.find(in: again.dataDirectory) == [])
        }
    }
}
