// SPDX-License-Identifier: Apache-2.0

package import ClusterConfiguration
import Content
import Files
import GRDB
import NIOCore
import Synchronization

/// The keys of `sql:`.
/// - Source: uber/kraken lib/backend/sqlbackend/config.go.
package struct SQLSettings: BackendSettings {
    package static let kind = "sql"

    /// The database's file.
    let path: String

    /// Reads the keys.
    package init(
        _ table: inout ConfigurationTable,
        credentials: BackendCredentials
    ) throws(ConfigurationError) {
        let dialect = try table.require("dialect")
        guard try dialect.text() == "sqlite3" else {
            throw dialect.defect(
                "\(try dialect.text()) is not supported: there is no client for it that is kept well enough",
                remedy: "use sqlite3, or keep tags in another kind of backend"
            )
        }
        let node = try table.require("connection_string")
        var path = try node.text()
        if path.hasPrefix("file:") { path.removeFirst("file:".count) }
        // What Go's driver is told after the path is settled here: WAL, and full synchronisation.
        path = String(path.prefix { $0 != "?" })
        guard !path.isEmpty, path != ":memory:" else {
            throw node.defect("expected the path of a database's file")
        }
        self.path = path
        for key in ["username", "debug_logging"] { _ = table.take(key) }
    }

    package func makeBackend(_ context: BackendContext) -> any Backend {
        SQLBackend(path: path, context: context)
    }
}

/// Tags in a SQLite database, in Kraken's table.
final class SQLBackend: Backend {
    private let path: String
    private let context: BackendContext
    private let database = Mutex<DatabasePool?>(nil)

    var name: String { "sqlite3:\(path)" }

    /// How long another process may hold the database.
    private static let busySeconds = 10.0
    /// Bytes of a value, by Kraken's table.
    private static let valueBytesMax = 2056

    /// The database at `path`, which is made when it is missing.
    init(path: String, context: BackendContext) { (self.path, self.context) = (path, context) }

    func stat(_ name: String, namespace: Namespace) async throws -> BackendObject? {
        try await value(of: tag(name), "stat \(name)").map { BackendObject(bytes: $0.utf8.count) }
    }

    func download(
        _ name: String,
        namespace: Namespace,
        into write: (ByteBuffer) async throws -> Void
    ) async throws {
        guard let value = try await value(of: tag(name), "read \(name)") else {
            throw BackendError.notFound(name, in: self.name)
        }
        try await write(ByteBuffer(string: value))
    }

    func upload(_ name: String, namespace: Namespace, from source: BackendSource) async throws {
        let tag = try tag(name)
        let count = source.count
        guard count <= Self.valueBytesMax else {
            throw BackendError(
                .failed,
                what: "write \(name) in \(self.name)",
                why: "\(count) bytes are more than the \(Self.valueBytesMax) of a tag",
                remedy: "keep blobs in another kind of backend"
            )
        }
        let value = String(
            buffer: try await context.pool.run { try source.part(at: 0, count: count) }
        )
        try await running("write \(name)") { pool in
            try pool.write { database in
                try database.execute(
                    sql: """
                        INSERT INTO tags (repository, tag, image_id, created_at, updated_at)
                        VALUES (?, ?, ?, datetime('now'), datetime('now'))
                        ON CONFLICT (repository, tag)
                        DO UPDATE SET image_id = excluded.image_id, updated_at = excluded.updated_at
                        """,
                    arguments: [tag.repository.name, tag.tag.name, value]
                )
            }
        }
    }

    func delete(_ name: String, namespace: Namespace) async throws {
        let tag = try tag(name)
        try await running("remove \(name)") { pool in
            try pool.write { database in
                try database.execute(
                    sql: "DELETE FROM tags WHERE repository = ? AND tag = ?",
                    arguments: [tag.repository.name, tag.tag.name]
                )
            }
        }
    }

    func list(_ request: BackendListRequest) async throws -> BackendListPage {
        let prefix = NamePath.dockerTag.plainPrefix(request.prefix)
        _ = try NamePath.dockerTag.directory(ofPrefix: request.prefix)
        let limit = request.limit.map { max(1, $0) }
        let names = try await running("list \(request.prefix)") { pool in
            try pool.read { database in
                try String.fetchAll(
                    database,
                    sql: """
                        SELECT repository || ':' || tag AS name FROM tags
                        WHERE substr(name, 1, length(?)) = ? AND name > ? ORDER BY name LIMIT ?
                        """,
                    arguments: [prefix, prefix, request.token ?? "", limit.map { $0 + 1 } ?? -1]
                )
            }
        }
        guard let limit, names.count > limit else { return BackendListPage(names: names) }
        let page = Array(names.prefix(limit))
        return BackendListPage(names: page, nextToken: page.last)
    }

    func close() async {
        let pool = database.withLock { database in
            defer { database = nil }
            return database
        }
        // Its connections close with the last reference, too; what is committed is on the disk.
        try? pool?.close()
    }

    // MARK: - The database

    private func tag(_ name: String) throws -> QualifiedTag {
        do { return try QualifiedTag(parsing: name) } catch {
            throw BackendError(
                .invalidName,
                what: "find \(name) in \(self.name)",
                why: error.why,
                remedy: "this kind of backend keeps tags only"
            )
        }
    }

    private func value(of tag: QualifiedTag, _ what: String) async throws -> String? {
        try await running(what) { pool in
            try pool.read { database in
                try String.fetchOne(
                    database,
                    sql: "SELECT image_id FROM tags WHERE repository = ? AND tag = ?",
                    arguments: [tag.repository.name, tag.tag.name]
                )
            }
        }
    }

    private func running<Value: Sendable>(
        _ what: String,
        _ body: @escaping @Sendable (DatabasePool) throws -> Value
    ) async throws -> Value {
        do {
            return try await context.pool.run { try body(try self.opened()) }
        } catch let error as DatabaseError {
            let passing: [ResultCode] = [.SQLITE_BUSY, .SQLITE_LOCKED, .SQLITE_FULL]
            let mayPass = passing.contains(error.resultCode)
            throw BackendError(
                mayPass ? .unavailable : .failed,
                what: "\(what) in \(name)",
                why: error.message ?? "\(error.resultCode)",
                remedy: "check the file and the directory it is in"
            )
        }
    }

    /// The database, opened by whoever needs it first.
    private func opened() throws -> DatabasePool {
        try database.withLock { database in
            if let database { return database }
            var configuration = Configuration()
            configuration.busyMode = .timeout(Self.busySeconds)
            configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL") }
            let pool = try DatabasePool(path: path, configuration: configuration)
            try pool.write { database in
                // As Kraken's object mapper makes it.
                try database.execute(
                    sql: """
                        CREATE TABLE IF NOT EXISTS tags (
                            id INTEGER PRIMARY KEY AUTOINCREMENT, repository VARCHAR(255),
                            tag VARCHAR(128), image_id VARCHAR(2056),
                            created_at DATETIME, updated_at DATETIME);
                        CREATE INDEX IF NOT EXISTS idx_tags_repository ON tags (repository);
                        CREATE UNIQUE INDEX IF NOT EXISTS idx_repository_tag ON tags (repository, tag);
                        """
                )
            }
            database = pool
            return pool
        }
    }
}
