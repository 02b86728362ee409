// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import Files
import Foundation
import HTTPKit
import NIOCore
import NIOPosix
import Primitives
import Synchronization
import TestServers
import TestSupport
import Testing

import struct Crypto.SHA256

@testable import Backends

/// What S3 alone does, beside the contract of all backends.
@Suite("S3") struct S3Tests {
    private static let hasSeaweed = ServerTools.has("weed")

    @Test("finds a bucket by the host's name", .enabled(if: hasSeaweed))
    func virtualHost() async throws {
        let server = try await S3Server.seaweed.value
        let domain = try #require(server.domain)
        let port = try #require(server.address.split(separator: ":").last)
        let client = HTTPClient(
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            pool: .singleton,
            addresses: ["\(S3Server.bucket).\(domain)": "127.0.0.1"]
        )
        let more = ["endpoint": "http://\(domain):\(port)", "force_path_style": "false"]
        let backend = try backend(
            yaml: server.yaml("identity", more),
            context: BackendContext(http: client, pool: .singleton)
        )
        try await backend.put("a/b c+d", "x")
        #expect(try await backend.text("a/b c+d") == "x")
        #expect(try await backend.list(.init()).names == ["a/b c+d"])
        try await client.shutdown()
    }

    @Test("a wrong key is refused, and the error says what to check", .enabled(if: hasSeaweed))
    func wrongKey() async throws {
        let server = try await S3Server.seaweed.value
        let yaml = server.yaml("identity").replacing(S3Server.keys.secretAccessKey, with: "wrong")
        let error = await #expect(throws: BackendError.self) {
            try await backend(yaml: yaml).put("a", "x")
        }
        #expect(error?.code == .failed)
        #expect(error?.description.contains("check the credentials") == true)
        #expect(error?.description.contains("wrong") == false)
    }

    @Test(
        "a bucket that is missing, and a server that is, are told apart",
        .enabled(if: ServerTools.has("moto_server"))
    )
    func missing() async throws {
        let server = try await S3Server.moto.value
        let bucket = await #expect(throws: BackendError.self) {
            try await backend(yaml: server.yaml("identity", ["bucket": "none"])).put("a", "x")
        }
        #expect(bucket?.code == .notFound)
        let nobody = "http://127.0.0.1:\(try ReservedPort.make())"
        let unreachable = await #expect(throws: BackendError.self) {
            let more = ["endpoint": nobody, "attempts_max": "2"]
            try await backend(yaml: server.yaml("identity", more)).put("a", "x")
        }
        #expect(unreachable?.code == .unavailable)
        #expect(unreachable?.description.contains("check the endpoint") == true)
    }

    @Test(
        "an object that changes while it is read is not mixed with the old one",
        .enabled(if: hasSeaweed)
    )
    func changes() async throws {
        let server = try await S3Server.seaweed.value
        let backend = try backend(yaml: server.yaml("identity"))
        let (old, new) = (
            String(repeating: "a", count: 40 << 20), String(repeating: "b", count: 40 << 20)
        )
        try await backend.put("name", old)
        let isFirst = Mutex(true)
        let seen = Mutex(Set<UInt8>())
        let error = await #expect(throws: BackendError.self) {
            try await backend.download("name", namespace: anyNamespace) { part in
                seen.withLock { $0.formUnion(part.readableBytesView) }
                if isFirst.withLock({ first in
                    defer { first = false }; return first
                }) {
                    try await backend.put("name", new)
                }
            }
        }
        #expect(error != nil)
        #expect(seen.withLock { $0 } == [UInt8(ascii: "a")])
    }

    @Test("a part that is too small, and a user without keys, are refused at the start")
    func settings() throws {
        let base = "region: r, bucket: b, root_directory: /, name_path: identity"
        for (more, why) in [
            ("upload_part_size: 1MB", "S3 takes no parts below 5MB"),
            ("username: u", "no credentials of u"),
            ("endpoint: 'http://h/path'", "h/path is no endpoint"),
            ("credentials: nowhere", "use one of environment, web_identity, container, instance"),
        ] {
            let error = #expect(throws: ConfigurationError.self) {
                try BackendCatalog.check(
                    rules("backends: [{namespace: .*, backend: {s3: {\(base), \(more)}}}]")
                )
            }
            #expect(error?.description.contains(why) == true, "\(error?.description ?? "")")
        }
        #expect(throws: Never.self) {
            try BackendCatalog.check(
                rules("backends: [{namespace: .*, backend: {s3: {\(base)}}}]")
            )
        }
    }

    @Test("memory does not grow with the blob: 256 MiB up and down", .enabled(if: hasSeaweed))
    func memory() async throws {
        let server = try await S3Server.seaweed.value
        let rules = try rules(server.yaml("identity", ["upload_concurrency": "4"]))
        let backend = try #require(
            BackendCatalog.settings(rules[0].backend).makeBackend(testContext) as? S3Backend
        )
        // `make bench-backends` moves more.
        let mebibytes = ProcessInfo.processInfo.environment["HERD_BACKEND_BLOB_MIB"].flatMap {
            Int($0)
        }
        let byteCount = (mebibytes ?? 256) << 20
        try await withTemporaryFolder { folder async throws in
            let file = try SharedFile.create(folder + "/blob", bytes: 0, preallocate: false)
            var generator = Generator(seed: 1)
            var hash = SHA256()
            for offset in stride(from: 0, to: byteCount, by: 1 << 20) {
                // Other bytes in each MiB, without a debug build's pace of drawing them.
                let chunk = [UInt8](
                    repeating: UInt8(truncatingIfNeeded: generator.next()),
                    count: 1 << 20
                )
                chunk.withUnsafeBytes { hash.update(bufferPointer: $0) }
                try chunk.withUnsafeBytes { try file.write($0, at: offset) }
            }
            let expected = Array(hash.finalize())
            let before = try ResidentMemory.resetPeak()
            let start = ContinuousClock.now
            try await backend.upload(
                "blob",
                namespace: anyNamespace,
                from: .file(file, count: byteCount)
            )
            let uploaded = try ResidentMemory.peak()
            let middle = ContinuousClock.now
            let received = Mutex((count: 0, hash: SHA256()))
            try await backend.download("blob", namespace: anyNamespace) { part in
                received.withLock { received in
                    received.count += part.readableBytes
                    part.withUnsafeReadableBytes { received.hash.update(bufferPointer: $0) }
                }
            }
            let downloaded = try ResidentMemory.peak()
            let (count, sum) = received.withLock { ($0.count, Array($0.hash.finalize())) }
            #expect(count == byteCount && sum == expected)
            func report(_ what: String, _ time: Duration, _ peak: Int) {
                let rate = ByteRate(bytesPerSecond: Int(Double(byteCount) / time.seconds))
                print(
                    "S3 \(what): \(ByteCount(byteCount)) at \(rate), \(ByteCount(peak - before)) more memory"
                )
            }
            report("up", start.duration(to: middle), uploaded)
            report("down", middle.duration(to: .now), downloaded)
            if mebibytes != nil { try Self.measureOtherClient(server, file.path) }
            let limits = Limits()
            #expect(backend.partsTakenMax <= limits.backendPartsMax)
            let boundBytes = limits.backendPartsMax * limits.backendPartBytes
            #expect(uploaded - before < 48 << 20, "\((uploaded - before) >> 20) MiB more")
            #expect(
                downloaded - before < boundBytes + 64 << 20,
                "\((downloaded - before) >> 20) MiB more"
            )
        }
    }
}

extension S3Tests {
    /// Prints how fast AWS's own client sends the file at `path` to `server` and gets it back: what the server bears.
    fileprivate static func measureOtherClient(_ server: S3Server, _ path: String) throws {
        let process = Process()
        process.executableURL = URL(filePath: try ServerTools.path("python3"))
        process.arguments = [
            "Tests/Benchmarks/s3_client.py", "http://\(server.address)", S3Server.bucket, path,
            "\(5 * 1000 * 1000)",
        ]
        process.environment = [
            "AWS_ACCESS_KEY_ID": S3Server.keys.accessKeyID,
            "AWS_SECRET_ACCESS_KEY": S3Server.keys.secretAccessKey,
        ]
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
    }
}

/// This process's memory as the kernel counts it.
enum ResidentMemory {
    /// Forgets the peak so far; answers what is resident now.
    static func resetPeak() throws -> Int {
        try "5".write(toFile: "/proc/self/clear_refs", atomically: false, encoding: .utf8)
        return try field("VmRSS:")
    }

    /// The most since then.
    static func peak() throws -> Int { try field("VmHWM:") }

    private static func field(_ name: String) throws -> Int {
        let text = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = text.split(separator: "\n").first { $0.hasPrefix(name) }
        return (line?.split(separator: " ").compactMap { Int($0) }.first ?? 0) << 10
    }
}
