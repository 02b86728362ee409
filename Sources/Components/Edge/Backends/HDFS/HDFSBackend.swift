// SPDX-License-Identifier: Apache-2.0

package import ClusterConfiguration
import Content
import FoundationEssentials
import HTTPKit
import HTTPTypes
import NIOCore

/// The keys of `hdfs:`.
/// - Source: uber/kraken lib/backend/hdfsbackend/config.go.
package struct HDFSSettings: BackendSettings {
    package static let kind = "hdfs"

    /// `host:port` of each, in the order in which they are tried.
    let nameNodes: [String]
    let username: String
    /// Absolute, without a slash at its end.
    let root: String
    let namePath: NamePath
    /// Where objects are until they are whole, below the root.
    let uploadDirectory: String
    /// Directories that are read at a time.
    let listConcurrency: Int
    let transport: TransportSettings

    /// Reads the keys.
    package init(
        _ table: inout ConfigurationTable,
        credentials: BackendCredentials
    ) throws(ConfigurationError) {
        let node = try table.require("namenodes")
        nameNodes = try node.addresses()
        guard !nameNodes.isEmpty else { throw node.defect("no name node") }
        username = try table.text("username") ?? ""
        let root = try table.text("root_directory") ?? "/infra/dockerRegistry/"
        self.root = root.split(separator: "/").map { "/" + $0 }.joined()
        namePath = try table.require("name_path").namePath()
        uploadDirectory = try table.text("upload_directory") ?? "_uploads"
        listConcurrency = try table.integer("list_concurrency", in: 1...64) ?? 16
        // Sizes of Kraken's buffers: here nothing is held in memory.
        _ = table.take("webhdfs")
        transport = try TransportSettings(&table)
    }

    package func makeBackend(_ context: BackendContext) -> any Backend {
        HDFSBackend(self, context: context)
    }
}

/// A directory of HDFS, by WebHDFS.
/// - Source: Apache Hadoop, "WebHDFS REST API"; for paths, uber/kraken lib/backend/hdfsbackend.
struct HDFSBackend: Backend {
    let settings: HDFSSettings
    private let nodes: NameNodes

    var name: String { nodes.transport.backend }

    /// The directory that `settings` name.
    init(_ settings: HDFSSettings, context: BackendContext) {
        self.settings = settings
        nodes = NameNodes(settings, context: context)
    }

    func stat(_ name: String, namespace: Namespace) async throws -> BackendObject? {
        let path = try path(of: name)
        guard let status = try await nodes.status(path, "stat \(name)"), !status.isDirectory else {
            return nil
        }
        return BackendObject(bytes: status.bytes)
    }

    func download(
        _ name: String,
        namespace: Namespace,
        into write: (ByteBuffer) async throws -> Void
    ) async throws {
        let path = try path(of: name)
        try await nodes.download(path, "read \(name)", into: write)
    }

    func upload(_ name: String, namespace: Namespace, from source: BackendSource) async throws {
        let path = try path(of: name)
        let what = "write \(name)"
        let temporary = "\(settings.root)/\(settings.uploadDirectory)/\(UUID().uuidString)"
        do {
            try await nodes.create(temporary, source, what)
            try await nodes.makeDirectory(Self.parent(of: path), what)
            try await replace(path, with: temporary, what)
        } catch {
            // This goes on even when the task was cancelled.
            await Task { await discard(temporary) }.value
            throw error
        }
    }

    /// How often a name is replaced anew when others replace it at the same time.
    private static let replacementsMax = 16

    /// WebHDFS renames onto nothing that exists, so what the name held is moved aside first.
    private func replace(_ path: String, with temporary: String, _ what: String) async throws {
        for _ in 0..<Self.replacementsMax {
            if try await nodes.rename(temporary, to: path, what) { return }
            let aside = "\(settings.root)/\(settings.uploadDirectory)/\(UUID().uuidString)"
            if try await nodes.rename(path, to: aside, what) {
                let isDone = try await nodes.rename(temporary, to: path, what)
                await discard(aside)
                if isDone { return }
            }
        }
        throw BackendError(
            .unavailable,
            what: "\(what) in \(name)",
            why: "others replace it at the same time"
        )
    }

    private func discard(_ path: String) async {
        do { try await nodes.delete(path, "clean up") } catch {
            // It lies in the directory for uploads, and costs space only.
        }
    }

    func delete(_ name: String, namespace: Namespace) async throws {
        try await nodes.delete(path(of: name), "remove \(name)")
    }

    func list(_ request: BackendListRequest) async throws -> BackendListPage {
        let start = try settings.namePath.directory(ofPrefix: request.prefix)
        let paths = try await walk(start, "list \(request.prefix)")
        let names = paths.compactMap { settings.namePath.name(at: $0) }
        return BackendListPage(
            of: names.filter { settings.namePath.matches($0, prefix: request.prefix) },
            for: request
        )
    }

    func close() async {}

    /// All files below `start`, by paths from the root.
    private func walk(_ start: String, _ what: String) async throws -> [String] {
        var files: [String] = []
        var waiting = [start]
        try await withThrowingTaskGroup(of: (String, [HDFSStatus]).self) { group in
            var running = 0
            while running > 0 || !waiting.isEmpty {
                while running < settings.listConcurrency, let next = waiting.popLast() {
                    let path = next.isEmpty ? settings.root : "\(settings.root)/\(next)"
                    group.addTask { (next, try await nodes.list(path, what)) }
                    running += 1
                }
                guard let (directory, entries) = try await group.next() else { break }
                running -= 1
                for entry in entries where !isSkipped(entry.name, in: directory) {
                    let path = directory.isEmpty ? entry.name : "\(directory)/\(entry.name)"
                    if entry.isDirectory { waiting.append(path) } else { files.append(path) }
                }
            }
        }
        return files
    }

    /// Whether no tag lies below `name`: Kraken skips the same.
    private func isSkipped(_ name: String, in directory: String) -> Bool {
        if directory.isEmpty, name == settings.uploadDirectory { return true }
        guard settings.namePath == .dockerTag else { return false }
        return name == "_layers" || name == "_uploads"
            || (name == "revisions" && directory.hasSuffix("/_manifests"))
            || (name == "index" && directory.contains("/_manifests/tags/"))
    }

    private func path(of name: String) throws -> String {
        "\(settings.root)/\(try settings.namePath.path(of: name))"
    }

    private static func parent(of path: String) -> String {
        path.split(separator: "/").dropLast().map { "/" + $0 }.joined()
    }
}
