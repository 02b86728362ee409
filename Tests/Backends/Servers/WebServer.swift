// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport

/// nginx with a folder of files, for the backend that reads from any web server.
struct WebServer: Sendable {
    let address: String
    /// What it serves.
    let root: String
    private let process: ServerProcess

    static let shared = Task { try await start() }

    private static func start() async throws -> WebServer {
        let folder = NSTemporaryDirectory() + "herd-nginx-" + UUID().uuidString
        let root = folder + "/files"
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        let port = try ReservedPort.make()
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map {
            "\($0)_temp_path \(folder)/\($0);"
        }
        let configuration = """
            daemon off; master_process off; pid \(folder)/pid; error_log stderr notice;
            events {}
            http {
              access_log off; \(temporary.joined(separator: " "))
              server {
                listen 127.0.0.1:\(port);
                root \(root);
                location /moved/ { rewrite ^/moved/(.*)$ http://127.0.0.1:\(port)/$1 redirect; }
                location /secret/ { return 403; }
              }
            }
            """
        try configuration.write(toFile: folder + "/c", atomically: true, encoding: .utf8)
        let (process, _) = try await ServerProcess.start(
            [try ServerTools.path("nginx"), "-c", folder + "/c", "-p", folder]
        ) { $0.contains("using the") || $0.contains("OS: ") }
        return WebServer(address: "127.0.0.1:\(port)", root: root, process: process)
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
