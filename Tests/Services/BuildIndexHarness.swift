// SPDX-License-Identifier: Apache-2.0

import BuildIndexService
import ClusterClients
import ClusterConfiguration
import Content
import Files
import HTTPKit
import HTTPTypes
import NIOCore
import Primitives
import RetryCore
import Telemetry
import TestSupport
import Testing

/// A build-index on a free port, and requests to it.
struct BuildIndexUnderTest: Sendable {
    let address: String
    let environment: ComponentEnvironment

    /// Runs a build-index that stores under `root`, with a directory beside it as backend, while
    /// `body` runs.
    @discardableResult static func with<Value: Sendable>(
        _ root: String,
        id: String = "build-index-0",
        origins: [String],
        configure: (inout BuildIndexConfiguration) -> Void = { _ in },
        body: (BuildIndexUnderTest) async throws -> Value
    ) async throws -> Value {
        var configuration = BuildIndexConfiguration(
            port: 0,
            dataDirectory: "\(root)/\(id)",
            origins: origins,
            backends: [backend(root)]
        )
        configuration.writeBack.pauseMin = .milliseconds(20)
        configuration.writeBack.pauseMax = .milliseconds(20)
        configure(&configuration)
        let bound = TrackerSignal<[String: String]>()
        let environment = TrackerWorld.environment(id, kind: .buildIndex) { bound.send($0) }
        let component = BuildIndexComponent(
            configuration: configuration,
            environment: environment
        )
        let running = Task { try await component.run() }
        // One that can't start must fail the test, not hang it.
        let watcher = Task {
            do { try await running.value } catch { bound.send(["error": "\(error)"]) }
        }
        let addresses = await bound.wait()
        let result: Result<Value, any Error>
        do {
            let address = try #require(addresses["http"], "\(addresses)")
            let test = BuildIndexUnderTest(address: address, environment: environment)
            result = .success(try await body(test))
        } catch {
            result = .failure(error)
        }
        running.cancel()
        try await running.value
        await watcher.value
        return try result.get()
    }

    /// Runs a real origin and a build-index in front of it, while `body` runs.
    static func withOrigin(
        configure: (inout BuildIndexConfiguration) -> Void = { _ in },
        body: (BuildIndexUnderTest, OriginUnderTest, String) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { root in
            try await OriginUnderTest.with(root) { origin in
                try await with(root, origins: [origin.address], configure: configure) { index in
                    try await body(index, origin, root)
                }
            }
        }
    }

    /// The backend of these tests: the directory `backend` below `root`.
    static func backend(_ root: String) -> BackendRule {
        BackendRule(backend: .file(root: "\(root)/backend", namePath: .dockerTag))
    }

    /// The text of `tag`'s object in the backend; nil when there is none.
    static func stored(_ tag: String, _ root: String) throws -> String? {
        let parts = tag.split(separator: ":")
        let directory =
            "\(root)/backend/docker/registry/v2/repositories/\(parts[0])/_manifests/tags"
        let bytes = try AtomicFile.read("\(directory)/\(parts[1])/current/link", bytesMax: 256)
        return bytes.map { String(decoding: $0, as: UTF8.self) }
    }

    func send(
        _ method: HTTPRequest.Method,
        _ path: String,
        _ body: String? = nil
    ) async throws -> OriginUnderTest.Answer {
        let request = ClientRequest(
            method,
            "http://\(address)\(path)",
            body: body.map { .bytes(ByteBuffer(string: $0)) } ?? .none,
            timeout: .minutes(3),
            acceptedStatuses: Set(100...599),
            retry: .never
        )
        let (response, buffer) = try await TrackerWorld.http.collect(request, upTo: 1 << 20)
        return OriginUnderTest.Answer(
            status: response.status.code,
            headers: response.headers,
            bytes: Array(buffer.readableBytesView)
        )
    }

    var client: BuildIndexClient { BuildIndexClient(address: address, http: TrackerWorld.http) }

    /// Returns once the backend has been told that `tag` names `digest`.
    func untilWrittenBack(_ tag: String, _ digest: Digest) async {
        await event { $0.kind == .writeBackDone && $0.blob == digest && $0.detail?["tag"] == tag }
    }

    /// Returns once an event that `matches` has happened.
    func event(_ matches: (ClusterEvent) -> Bool) async {
        guard let subscription = environment.events.subscribe(after: 0) else { return }
        for await batch in subscription where batch.events.contains(where: matches) { return }
    }

    func status() async throws -> ComponentSnapshot {
        try TelemetryJSON.decode(
            ComponentSnapshot.self,
            from: try await send(.get, "/status").bytes
        )
    }
}

/// An image with one layer, and its manifest.
struct BuildIndexImage: Sendable {
    let config: OriginBlob
    let layer: OriginBlob
    let manifest: OriginBlob

    init(_ text: String) {
        config = OriginBlob("{\"of\":\"\(text)\"}")
        layer = OriginBlob("layer of \(text)")
        func descriptor(_ blob: OriginBlob) -> String {
            #"{"mediaType":"x","digest":"\#(blob.digest)","size":\#(blob.bytes.count)}"#
        }
        manifest = OriginBlob(
            #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","#
                + #""config":\#(descriptor(config)),"layers":[\#(descriptor(layer))]}"#
        )
    }

    var digest: Digest { manifest.digest }

    func upload(to origin: OriginUnderTest) async throws {
        for blob in [config, layer, manifest] { try await origin.upload(blob) }
    }
}
