// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestServers

/// nginx with a folder of files, for the backend that reads from any web server.
struct WebServer: Sendable {
    /// What it serves.
    let root: String
    private let server: Nginx

    var address: String { server.address }

    static let shared = Task { try await start() }

    private static func start() async throws -> WebServer {
        let folder = NSTemporaryDirectory() + "herd-nginx-" + UUID().uuidString
        let root = folder + "/files"
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        let server = try await Nginx.start(in: folder) { port in
            """
            root \(root);
            location /moved/ { rewrite ^/moved/(.*)$ http://127.0.0.1:\(port)/$1 redirect; }
            location /secret/ { return 403; }
            """
        }
        return WebServer(root: root, server: server)
    }

    /// Makes it serve `bytes` at `path`.
    func put(_ path: String, _ bytes: [UInt8]) throws {
        let file = "\(root)/\(path)"
        try FileManager.default.createDirectory(
            atPath: URL(filePath: file).deletingLastPathComponent().path,
            withIntermediateDirectories: true
        )
        try Data(bytes).write(to: URL(filePath: file))
    }
}
