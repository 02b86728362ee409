// SPDX-License-Identifier: Apache-2.0

import Backends
import Content
import Foundation
import HTTPKit
import HTTPTypes
import Hummingbird
import NIOCore
import Synchronization
import TestServers
import Testing

import enum Crypto.Insecure

/// A session of an upload that breaks, which no imitation of Google's storage plays.
@Suite("Sessions of uploads") struct GCSSessionTests {
    private final class Session: Sendable {
        let received = Mutex<[UInt8]>([])
        let asked = Mutex<[String]>([])

        /// Takes half of the first part and fails; then says how far it is, and takes the rest.
        func answer(_ request: Request, _ address: String) async throws -> Response {
            if request.uri.path == "/token" { return .text("{\"access_token\":\"t\"}") }
            let range = request.headers[.contentRange] ?? ""
            let body = Array(try await request.collectBody(upTo: 8 << 20).readableBytesView)
            if request.method == .post {
                return .empty(headers: [.location: "http://\(address)/session"])
            }
            asked.withLock { $0.append(range) }
            let parts = range.split { " -/".contains($0) }
            guard let total = parts.last.flatMap({ Int($0) }) else { return .empty(.badRequest) }
            return received.withLock { received in
                if received.isEmpty {
                    received += body.prefix(1 << 19)
                    return .empty(.serviceUnavailable)
                }
                if parts.count == 4, Int(parts[1]) == received.count { received += body }
                guard received.count == total else {
                    return Response(
                        status: .init(code: 308),
                        headers: [.range: "bytes=0-\(received.count - 1)"]
                    )
                }
                let sum = Data(Insecure.MD5.hash(data: received)).base64EncodedString()
                return .text("{\"size\":\"\(total)\",\"md5Hash\":\"\(sum)\"}")
            }
        }
    }

    @Test("go on where they broke")
    func resumption() async throws {
        let session = Session()
        let address = Mutex("")
        try await ScriptedServer.serve { request, _ in
            try await session.answer(request, address.withLock { $0 })
        } body: { found, _ async throws in
            address.withLock { $0 = found }
            let key = try GCSTokenService().account(tokenURL: "http://\(found)/token")
            let backend = try backend(
                yaml: """
                    backends:
                    - namespace: .*
                      backend:
                        gcs: {username: u, bucket: b, root_directory: /, name_path: identity,
                              endpoint: 'http://\(found)', upload_part_size: 1MB}
                    auth: {gcs: {u: {gcs: {access_blob: '\(key)'}}}}
                    """
            )
            let content = [UInt8]((0..<(5 << 19)).map { UInt8(truncatingIfNeeded: $0 >> 12) })
            try await backend.upload(
                "x",
                namespace: anyNamespace,
                from: .bytes(ByteBuffer(bytes: content))
            )
            #expect(session.received.withLock { $0 } == content)
            let total = content.count
            #expect(
                session.asked.withLock { $0 } == [
                    "bytes 0-1048575/\(total)", "bytes */\(total)",
                    "bytes 524288-1572863/\(total)", "bytes 1572864-2621439/\(total)",
                ]
            )
        }
    }
}
