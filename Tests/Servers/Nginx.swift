// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport

/// nginx, with one server on a free port.
package struct Nginx: Sendable {
    /// Its `host:port`.
    package let address: String
    private let process: ServerProcess

    /// Starts one that keeps its files below `folder`, which is there.
    ///
    /// - Parameters:
    ///   - http: lines of its configuration beside the server.
    ///   - server: the lines of the server, which listens at the port given.
    package static func start(
        in folder: String,
        http: String = "",
        server: (_ port: Int) -> String
    ) async throws -> Nginx {
        let port = try ReservedPort.make()
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map {
            "\($0)_temp_path \(folder)/\($0);"
        }
        let configuration = """
            daemon off; master_process off; pid \(folder)/pid; error_log stderr notice;
            events {}
            http {
              access_log off; \(temporary.joined(separator: " "))
              \(http)
              server {
                listen 127.0.0.1:\(port);
                \(server(port))
              }
            }
            """
        try configuration.write(toFile: folder + "/c", atomically: true, encoding: .utf8)
        let (process, _) = try await ServerProcess.start(
            [try ServerTools.path("nginx"), "-c", folder + "/c", "-p", folder]
        ) { $0.contains("using the") || $0.contains("OS: ") }
        return Nginx(address: "127.0.0.1:\(port)", process: process)
    }
}
