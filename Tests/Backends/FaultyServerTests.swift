// SPDX-License-Identifier: Apache-2.0

import Backends
import Content
import Files
import HTTPKit
import HTTPTypes
import Hummingbird
import NIOCore
import NIOPosix
import Primitives
import Synchronization
import TestServers
import Testing

/// Servers of backends that answer slowly, wrongly or not at all: an error that says so, in time, and as before once they are well.
@Suite("Backends whose servers fail", .timeLimit(.minutes(2))) struct FaultyServerTests {
    /// A kind of backend, and what may be done with it.
    enum Kind: String, CaseIterable, Sendable {
        case http, s3, azure, hdfs, gcs, registryBlobs, registryTags

        func makeBackend(at address: String, timeout: String = "30s") throws -> any Backend {
            let limits = "timeout: \(timeout), attempts_max: 2"
            let paths = "root_directory: /r, name_path: identity"
            let yaml =
                switch self {
                case .http: "http: {download_url: 'http://\(address)/%s', \(limits)}"
                case .s3:
                    """
                    s3: {username: u, region: r, bucket: b, endpoint: 'http://\(address)',
                         force_path_style: true, \(paths), \(limits)}
                    """
                case .azure:
                    """
                    azure: {account: a, container: c, username: u, endpoint: 'http://\(address)',
                            \(paths), \(limits)}
                    """
                case .hdfs: "hdfs: {namenodes: ['\(address)'], username: u, \(paths), \(limits)}"
                case .gcs:
                    "gcs: {username: u, bucket: b, endpoint: 'http://\(address)', \(paths), \(limits)}"
                case .registryBlobs: "registry_blob: {address: 'http://\(address)', \(limits)}"
                case .registryTags: "registry_tag: {address: 'http://\(address)', \(limits)}"
                }
            return try backend(
                yaml: "backends: [{namespace: .*, backend: {\(yaml)}}]\n\(try accounts(address))",
                context: BackendContext(http: impatientClient, pool: .singleton)
            )
        }

        private func accounts(_ address: String) throws -> String {
            // Its tokens come from where all else does; a key takes its time.
            let google =
                self == .gcs
                ? try GCSTokenService().account(tokenURL: "http://\(address)\(Self.tokens)") : "{}"
            return """
                auth: {s3: {u: {s3: {aws_access_key_id: i, aws_secret_access_key: k}}},
                       azure: {u: {azure: {account_key: 'a2V5'}}},
                       gcs: {u: {gcs: {access_blob: '\(google)'}}}}
                """
        }

        /// Where tokens are given, by a server that is well.
        static let tokens = "/token"

        /// What can be asked of it.
        var operations: [Operation] {
            switch self {
            case .http, .registryBlobs, .registryTags: [.stat, .read]
            case .s3, .azure, .hdfs, .gcs: Operation.allCases
            }
        }

        /// What an object of it may be called.
        var object: String {
            switch self {
            case .registryBlobs: String(repeating: "a", count: 64)
            case .registryTags: "any:a"
            default: "a"
            }
        }
    }

    enum Operation: CaseIterable, Sendable {
        case stat, read, list, write

        func perform(on backend: any Backend, _ object: String) async throws {
            // A repository, as registries want it.
            let namespace = try Namespace("team/app")
            switch self {
            case .stat: _ = try await backend.stat(object, namespace: namespace)
            case .read: _ = try await backend.bytes(object, namespace)
            case .list: _ = try await backend.list(BackendListRequest(prefix: "", limit: nil))
            case .write: try await backend.put(object, "content")
            }
        }
    }

    /// What is wrong with a server.
    enum Fault: CaseIterable, Sendable {
        /// It takes requests and says nothing.
        case silence
        /// It says that bytes come, and stops.
        case stall
        /// It says that bytes come, and closes.
        case cut
        case status500, status503
        /// It answers everything with a page for people.
        case page

        func answer(_ request: Request, until end: AsyncStream<Void>) async throws -> Response {
            if request.uri.path == Kind.tokens {
                return .text(#"{"access_token":"t","expires_in":3600}"#)
            }
            struct Broken: Error {}
            func broken(_ end: @escaping @Sendable () async -> Void) -> Response {
                let body = ResponseBody(contentLength: 1000) { writer in
                    try await writer.write(ByteBuffer(string: "half"))
                    await end()
                    throw Broken()
                }
                return Response(status: .ok, headers: [.eTag: "\"1\""], body: body)
            }
            switch self {
            case .silence:
                for await _ in end {}
                return .empty(.serviceUnavailable)
            case .stall: return broken { for await _ in end {} }
            case .cut: return broken {}
            case .status500: return .text("oops", status: .internalServerError)
            case .status503: return .text("later", status: .serviceUnavailable)
            case .page: return .text("<html><body>Welcome to nginx!</body></html>")
            }
        }

        /// Whether `operation` of `kind` can tell: a page looks like any object, and like the answer to what was written.
        func shows(in operation: Operation, of kind: Kind) -> Bool {
            switch self {
            case .silence, .status500, .status503: true
            // Without a body there is nothing to stop in.
            case .stall, .cut: operation == .read || operation == .list || kind == .gcs
            case .page:
                switch kind {
                // All answers but objects are documents.
                case .gcs: operation != .read
                case .registryTags: operation == .read
                default: operation == .list
                }
            }
        }
    }

    @Test("say so within their time", arguments: Kind.allCases, Fault.allCases)
    func fails(_ kind: Kind, _ fault: Fault) async throws {
        let (ended, end) = AsyncStream<Void>.makeStream()
        try await ScriptedServer.serve { request, _ in
            try await fault.answer(request, until: ended)
        } body: { address, _ async throws in
            let backend = try kind.makeBackend(
                at: address,
                timeout: fault == .silence || fault == .stall ? "200ms" : "30s"
            )
            for operation in kind.operations where fault.shows(in: operation, of: kind) {
                let start = ContinuousClock.now
                let error = await #expect(throws: BackendError.self, "\(operation)") {
                    try await operation.perform(on: backend, kind.object)
                }
                #expect(ContinuousClock.now - start < .seconds(60))
                guard let error else { continue }
                #expect(
                    error.code == (fault == .page ? .failed : .unavailable),
                    "\(operation): \(error)"
                )
                #expect(!error.why.isEmpty && error.what.contains(" in "), "\(error)")
            }
            end.finish()
        }
    }

    @Test(
        "are used again as soon as they are well",
        arguments: [Kind.http, .s3, .azure, .gcs, .registryBlobs]
    )
    func recovers(_ kind: Kind) async throws {
        let fault = Mutex<Fault?>(nil)
        let ends = Mutex<[AsyncStream<Void>.Continuation]>([])
        try await ScriptedServer.serve { request, _ in
            let (ended, end) = AsyncStream<Void>.makeStream()
            ends.withLock { $0.append(end) }
            let fault = fault.withLock { $0 } ?? (request.uri.path == Kind.tokens ? .page : nil)
            guard let fault else {
                return Response(
                    status: .ok,
                    headers: [.eTag: "\"1\""],
                    body: ResponseBody(byteBuffer: ByteBuffer(string: "content"))
                )
            }
            return try await fault.answer(request, until: ended)
        } body: { address, _ async throws in
            let backend = try kind.makeBackend(at: address)
            let namespace = try Namespace("team/app")
            for next in [Fault.silence, .stall, .cut, .status503] {
                fault.withLock { $0 = next }
                await #expect(throws: BackendError.self) {
                    _ = try await backend.bytes(kind.object, namespace)
                }
                fault.withLock { $0 = nil }
                // A machine that is busy may be late for the short time-outs of these tests.
                while (try? await backend.bytes(kind.object, namespace)) != Array("content".utf8) {}
            }
            for end in ends.withLock({ $0 }) { end.finish() }
        }
    }
}

/// Gives up on a body that stops sooner than others do; never shut down.
private let impatientClient = HTTPClient(
    eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
    pool: .singleton,
    bulkReadTimeout: .milliseconds(500)
)
