// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Content
import HTTPKit
import HTTPTypes
import Hummingbird
import NIOCore
import NIOPosix
import Primitives
import Synchronization
import Telemetry
import TestSupport
import Testing

extension ServicesTests {
    /// An origin whose backend is a web server that answers slowly, wrongly or not at all.
    @Suite("Origin: a backend that fails") struct OriginBackendFaultTests {
        /// What the server does.
        enum Fault: CaseIterable, Sendable {
            /// It says nothing.
            case silence
            /// It says that it has no time.
            case refusal
            /// It ends the body early.
            case cut
            /// It has something else of the same length.
            case garbage
            /// It has less, and says so.
            case short
        }

        /// A web server with one blob.
        private final class Server: Sendable {
            let blob: OriginBlob
            let fault = Mutex<Fault?>(nil)
            private let ends = Mutex<[AsyncStream<Void>.Continuation]>([])

            init(_ blob: OriginBlob) { self.blob = blob }

            /// Serves while `body` runs with the address.
            func serving(_ body: (String) async throws -> Void) async throws {
                let (ports, bound) = AsyncStream.makeStream(of: Int.self)
                let router = Router(context: ServerContext.self)
                for method in [HTTPRequest.Method.get, .head] {
                    router.on("/blobs/{name}", method: method) { request, _ in
                        try await self.answer(request)
                    }
                }
                let server = HTTPServer(
                    name: "web",
                    address: ("127.0.0.1", 0),
                    router: router,
                    options: ServerOptions(
                        eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
                        log: TrackerWorld.log,
                        drainTimeout: .milliseconds(100)
                    ),
                    onBound: { bound.yield($0) }
                )
                let running = Task { try await server.run() }
                var iterator = ports.makeAsyncIterator()
                let port = try #require(await iterator.next())
                do { try await body("127.0.0.1:\(port)") } catch { Issue.record(error) }
                for end in ends.withLock({ $0 }) { end.finish() }
                running.cancel()
                try await running.value
            }

            private func answer(_ request: Request) async throws -> Response {
                struct Broken: Error {}
                let bytes = blob.bytes
                switch fault.withLock({ $0 }) {
                case nil: return whole(bytes)
                case .silence:
                    let (ended, end) = AsyncStream<Void>.makeStream()
                    ends.withLock { $0.append(end) }
                    for await _ in ended {}
                    return .empty(.serviceUnavailable)
                case .refusal: return .text("no time", status: .serviceUnavailable)
                case .cut:
                    let body = ResponseBody(contentLength: bytes.count) { writer in
                        try await writer.write(ByteBuffer(bytes: bytes[..<(bytes.count / 2)]))
                        throw Broken()
                    }
                    return Response(status: .ok, body: body)
                case .garbage: return whole(bytes.map { ~$0 })
                case .short: return whole(Array(bytes.dropLast()))
                }
            }

            private func whole(_ bytes: [UInt8]) -> Response {
                Response(status: .ok, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
            }
        }

        @Test(
            "says so, keeps nothing of it, and fetches the blob once it is well",
            .timeLimit(.minutes(1)),
            arguments: Fault.allCases
        )
        func fetches(_ fault: Fault) async throws {
            let server = Server(OriginBlob.random(300_000))
            try await server.serving { address in
                try await withTemporaryFolder { root in
                    let yaml =
                        "{http: {download_url: 'http://\(address)/blobs/%s', timeout: 300ms, attempts_max: 2}}"
                    let backend = try ConfigurationFile.parse(yaml, file: "x.yaml").backend()
                    try await OriginUnderTest.with(root) {
                        $0.backends = [BackendRule(backend: backend)]
                        $0.refreshErrorTimeToLive = .milliseconds(300)
                    } body: { origin in
                        server.fault.withLock { $0 = fault }
                        let failed = try await origin.untilKnown(server.blob)
                        #expect(failed.status == 502, "\(failed)")
                        #expect(!failed.text.isEmpty)
                        let storage = try await origin.status().storage
                        #expect((storage?.blobCount, storage?.unfinishedCount) == (0, 0))
                        // What it has is served whatever the backend does.
                        let other = OriginBlob("pushed meanwhile")
                        try await origin.upload(other)
                        #expect(try await origin.send(.get, other.path).bytes == other.bytes)
                        server.fault.withLock { $0 = nil }
                        var answer = failed
                        while answer.status == 502 {
                            answer = try await origin.untilKnown(server.blob)
                        }
                        #expect(answer.status == 200 && answer.bytes == server.blob.bytes)
                    }
                }
            }
        }
    }
}

extension OriginUnderTest {
    /// The answer to who wants `blob`, once it is another than to ask again.
    fileprivate func untilKnown(_ blob: OriginBlob) async throws -> Answer {
        while true {
            let answer = try await send(.get, blob.path)
            guard answer.status == 202 else { return answer }
        }
    }
}
