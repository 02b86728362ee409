// SPDX-License-Identifier: Apache-2.0

import Content
import HTTPKit
import HTTPTypes
import Hummingbird
import NIOCore
import Telemetry

/// `HEAD`, `GET`, `POST` and `DELETE /files/<path>`, and `GET /list/<directory>`.
struct TestfsRoutes: Sendable {
    private let files: TestfsFiles
    private let filesRead: Counter
    private let filesPut: Counter
    private let bytesReceived: Counter

    init(files: TestfsFiles, counters: Counters) {
        self.files = files
        filesRead = counters.counter("files_read")
        filesPut = counters.counter("files_put")
        bytesReceived = counters.counter("bytes_received")
    }

    func add(to router: Router<ServerContext>) {
        router.get("/files/**") { request, context in try await read(request, context) }
        router.head("/files/**") { request, context in try await read(request, context) }
        router.post("/files/**") { request, context in try await write(request, context) }
        // Kraken's server has no such method.
        router.delete("/files/**") { _, context -> Response in
            let path = try filePath(context)
            guard try await files.delete(path) else {
                throw HTTPProblem.notFound("there is no file \(path)").asText
            }
            return .empty()
        }
        router.get("/list") { _, context in try await list(context) }
        router.get("/list/**") { _, context in try await list(context) }
    }

    private func read(_ request: Request, _ context: ServerContext) async throws -> Response {
        let path = try filePath(context)
        guard let (file, bytes) = try await files.open(path) else {
            throw HTTPProblem.notFound("there is no file \(path)").asText
        }
        if request.method == .get { filesRead.add() }
        var headers = HTTPFields()
        if let name = HTTPField.Name("Size") { headers[name] = String(bytes) }
        return try .file(file, bytes: bytes, for: request, headers: headers)
    }

    private func write(_ request: Request, _ context: ServerContext) async throws -> Response {
        let count = try await files.write(request.body, to: try filePath(context))
        filesPut.add()
        bytesReceived.add(count)
        return .empty()
    }

    private func list(_ context: ServerContext) async throws -> Response {
        let segments = try TestfsPath.segments(context.parameters.getCatchAll())
        let directory = segments.joined(separator: "/")
        guard let paths = try await files.list(directory) else {
            // Kraken's server says the same with 500; its client takes any error alike.
            throw HTTPProblem.notFound("list \(directory): no such file or directory").asText
        }
        return .json(paths.isEmpty ? .null : .array(paths.map(JSON.string)))
    }

    private func filePath(_ context: ServerContext) throws -> String {
        let segments = try TestfsPath.segments(context.parameters.getCatchAll())
        guard !segments.isEmpty else {
            throw HTTPProblem.badRequest("a file name is missing").asText
        }
        return segments.joined(separator: "/")
    }
}

/// Paths as clients write them.
enum TestfsPath {
    /// The names in a path of percent-encoded `segments`; a colon separates like a slash, as in
    /// Kraken.
    /// - Throws: 400 when a name climbs, is hidden at the top, or is none that a file can have.
    static func segments(_ segments: [Substring]) throws -> [String] {
        var names: [String] = []
        for segment in segments {
            guard let text = PercentCoding.decode(segment) else {
                throw HTTPProblem.badRequest("the path is not percent-encoded UTF-8").asText
            }
            names += text.split { $0 == "/" || $0 == ":" }.map(String.init)
        }
        let isSafe = names.allSatisfy { name in
            name != "." && name != ".." && name.utf8.count <= 255
                && !name.utf8.contains { $0 < 0x20 || $0 == 0x7f }
        }
        guard isSafe, names.count <= 128, names.first?.hasPrefix(".") != true else {
            throw HTTPProblem.badRequest(
                "the path climbs, is hidden or has a name that no file can have"
            ).asText
        }
        return names
    }
}
