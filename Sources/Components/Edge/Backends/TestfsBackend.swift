// SPDX-License-Identifier: Apache-2.0

package import ClusterConfiguration
package import Content
import Files
package import HTTPKit
import HTTPTypes
package import NIOCore
import Primitives

/// A testfs server as a backend.
/// - Source: uber/kraken lib/backend/testfs/client.go.
package struct TestfsBackend: Backend {
    private let address: String
    private let root: String
    private let namePath: NamePath
    private let http: HTTPClient

    package var name: String { "testfs://\(address)/\(root)" }

    /// The server at `address`, below `root`, which may be empty.
    package init(address: String, root: String, namePath: NamePath, http: HTTPClient) {
        (self.address, self.namePath, self.http) = (address, namePath, http)
        self.root = root.split(separator: "/").joined(separator: "/")
    }

    package func stat(_ name: String, namespace: Namespace) async throws -> BackendObject? {
        let request = ClientRequest(.head, try url(of: name), timeout: .seconds(30))
        do {
            let response = try await send(request, "stat \(name)")
            // Go writes the header as `Size`; names of fields have no case.
            let size = HTTPField.Name("Size").flatMap { response.headers[$0] }
            guard let bytes = size.flatMap({ Int($0) }), bytes >= 0 else {
                throw BackendError(
                    .failed,
                    what: "stat \(name) in \(self.name)",
                    why: "no Size in the answer",
                    remedy: "check that the address is a testfs server's"
                )
            }
            return BackendObject(bytes: bytes)
        } catch let error as BackendError where error.code == .notFound { return nil }
    }

    package func download(
        _ name: String,
        namespace: Namespace,
        into write: (ByteBuffer) async throws -> Void
    ) async throws {
        let request = ClientRequest(.get, try url(of: name), timeout: .hours(24), isBulk: true)
        let what = "read \(name)"
        let response = try await send(request, what)
        var count = 0
        do {
            for try await part in response.body {
                count += part.readableBytes
                try await write(part)
            }
        } catch let error as HTTPClientError {
            throw failure(error, what)
        }
        guard let announced = response.contentLength, announced != count else { return }
        throw BackendError(
            .unavailable,
            what: "\(what) in \(self.name)",
            why: "\(count) of \(announced) bytes came"
        )
    }

    package func upload(
        _ name: String,
        namespace: Namespace,
        from source: BackendSource
    ) async throws {
        let body: ClientRequest.Body =
            switch source {
            case .file(let file, let count): .file(file, 0..<count)
            case .bytes(let buffer): .bytes(buffer)
            }
        let request = ClientRequest(
            .post,
            try url(of: name),
            body: body,
            timeout: .minutes(15),
            retry: .idempotent  // the same bytes to the same name
        )
        do { _ = try await http.collect(request, upTo: 1 << 16) } catch let error as HTTPClientError
        {
            throw failure(error, "write \(name)")
        }
    }

    package func delete(_ name: String, namespace: Namespace) async throws {
        let request = ClientRequest(
            .delete,
            try url(of: name),
            timeout: .seconds(30),
            acceptedStatuses: [200, 404],
            retry: .idempotent
        )
        do { _ = try await http.collect(request, upTo: 1 << 16) } catch let error as HTTPClientError
        {
            throw failure(error, "remove \(name)")
        }
    }

    package func list(_ request: BackendListRequest) async throws -> BackendListPage {
        let directory = try namePath.directory(ofPrefix: request.prefix)
        let path = [root, directory].filter { !$0.isEmpty }.joined(separator: "/")
        let what = "list \(request.prefix)"
        let get = ClientRequest(.get, "http://\(address)/list/\(Self.escape(path))")
        let body: ByteBuffer
        do {
            body = try await http.collect(get, upTo: 64 << 20).body
        } catch let error as HTTPClientError {
            // A directory that nobody has made yet holds nothing.
            if error.isMissingDirectory { return BackendListPage(names: []) }
            throw failure(error, what)
        }
        do {
            let paths = try JSON(parsing: body.readableBytesView).array ?? []
            let names = paths.compactMap { $0.string.flatMap(name(atServerPath:)) }
            return BackendListPage(
                of: names.filter { namePath.matches($0, prefix: request.prefix) },
                for: request
            )
        } catch {
            throw BackendError(.failed, what: "\(what) in \(name)", why: error.description)
        }
    }

    package func close() async {}

    private func url(of name: String) throws -> String {
        // The server turns `:` into `/`, so a colon in the name would be lost in a list; names by
        // path have none.
        let path = [root, try namePath.path(of: name)].filter { !$0.isEmpty }.joined(separator: "/")
        return "http://\(address)/files/\(Self.escape(path))"
    }

    private func name(atServerPath path: String) -> String? {
        guard !root.isEmpty else { return namePath.name(at: path) }
        guard path.hasPrefix(root + "/") else { return nil }
        return namePath.name(at: String(path.dropFirst(root.count + 1)))
    }

    private static func escape(_ path: String) -> String {
        path.split(separator: "/").map { PercentCoding.encode($0) }.joined(separator: "/")
    }

    private func send(_ request: ClientRequest, _ what: String) async throws -> ClientResponse {
        do { return try await http.send(request) } catch let error as HTTPClientError {
            throw failure(error, what)
        }
    }

    private func failure(_ error: HTTPClientError, _ what: String) -> BackendError {
        let code: BackendError.Code =
            switch error {
            case .status(404, _, _): .notFound
            case .status, .network, .timeout: error.isTransient ? .unavailable : .failed
            case .bodyTooLarge, .invalidURL: .failed
            }
        return BackendError(
            code,
            what: "\(what) in \(name)",
            why: error.description,
            remedy: code == .notFound ? "" : "check that the testfs server runs"
        )
    }
}

extension HTTPClientError {
    /// Whether a testfs server said that a directory to list is not there; Kraken's server says so
    /// with 500.
    fileprivate var isMissingDirectory: Bool {
        guard case .status(let code, _, let body) = self else { return false }
        return code == 404 || (code == 500 && body.contains("no such file"))
    }
}
