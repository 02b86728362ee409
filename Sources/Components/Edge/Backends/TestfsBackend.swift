// SPDX-License-Identifier: Apache-2.0

package import ClusterConfiguration
package import Content
import HTTPKit
import HTTPTypes
package import NIOCore

/// The keys of `testfs:`.
package struct TestfsSettings: BackendSettings {
    package static let kind = "testfs"

    private let address: String
    private let root: String
    private let namePath: NamePath

    /// Reads the keys.
    package init(
        _ table: inout ConfigurationTable,
        credentials: BackendCredentials
    ) throws(ConfigurationError) {
        address = try table.require("addr").address()
        root = try table.text("root") ?? ""
        namePath = try table.require("name_path").namePath()
    }

    package func makeBackend(_ context: BackendContext) -> any Backend {
        TestfsBackend(address: address, root: root, namePath: namePath, context: context)
    }
}

/// A testfs server as a backend.
/// - Source: uber/kraken lib/backend/testfs/client.go.
package struct TestfsBackend: Backend {
    private let address: String
    private let root: String
    private let namePath: NamePath
    private let transport: BackendTransport

    package var name: String { transport.backend }

    /// The server at `address`, below `root`, which may be empty.
    package init(address: String, root: String, namePath: NamePath, context: BackendContext) {
        (self.address, self.namePath) = (address, namePath)
        self.root = root.split(separator: "/").joined(separator: "/")
        transport = BackendTransport(
            backend: "testfs://\(address)/\(self.root)",
            context,
            TransportSettings(),
            remedy: "check that the testfs server runs"
        )
    }

    package func stat(_ name: String, namespace: Namespace) async throws -> BackendObject? {
        let url = try url(of: name)
        do {
            let response = try await transport.collect("stat \(name)") {
                ClientRequest(.head, url, timeout: .seconds(30))
            }.response
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
        let url = try url(of: name)
        try await transport.download("read \(name)") { offset, first in
            .part(of: url, from: offset, first)
        } into: {
            try await write($0)
        }
    }

    package func upload(
        _ name: String,
        namespace: Namespace,
        from source: BackendSource
    ) async throws {
        let url = try url(of: name)
        _ = try await transport.collect("write \(name)") {
            ClientRequest(
                .post,
                url,
                body: source.body(source.range, transport.context),
                timeout: transport.settings.timeout(sending: source.count)
            )
        }
    }

    package func delete(_ name: String, namespace: Namespace) async throws {
        let url = try url(of: name)
        _ = try await transport.collect("remove \(name)") {
            ClientRequest(.delete, url, timeout: .seconds(30), acceptedStatuses: [200, 404])
        }
    }

    package func list(_ request: BackendListRequest) async throws -> BackendListPage {
        let directory = try namePath.directory(ofPrefix: request.prefix)
        let path = [root, directory].filter { !$0.isEmpty }.joined(separator: "/")
        let what = "list \(request.prefix)"
        // Kraken's server says with 500 that a directory is not there, which no repeat would change.
        let (response, body) = try await transport.collect(what) {
            ClientRequest(
                .get,
                "http://\(address)/list/\(Self.escape(path))",
                acceptedStatuses: [200, 404, 500]
            )
        }
        guard response.status.code == 200 else {
            let why = String(buffer: body)
            // A directory that nobody has made yet holds nothing.
            if response.status.code == 404 || why.contains("no such file") {
                return BackendListPage(names: [])
            }
            throw BackendError(.unavailable, what: "\(what) in \(name)", why: why)
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
}
