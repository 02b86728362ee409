// SPDX-License-Identifier: Apache-2.0

package import ClusterConfiguration
package import Content
package import Files
package import NIOCore
package import Primitives

/// The keys of `file:`.
package struct FileSettings: BackendSettings {
    package static let kind = "file"

    private let root: String
    private let namePath: NamePath

    /// Reads the keys.
    package init(
        _ table: inout ConfigurationTable,
        credentials: BackendCredentials
    ) throws(ConfigurationError) {
        root = try table.absolutePath("root")
        namePath = try table.require("name_path").namePath()
    }

    package func makeBackend(_ context: BackendContext) -> any Backend {
        FileBackend(root: root, namePath: namePath, pool: context.pool, limits: context.limits)
    }
}

/// A directory as a backend: one file an object, replaced by renaming, durable before an upload
/// returns.
///
/// Several components, on several hosts, may share the directory; the last upload of a name wins.
package struct FileBackend: Backend {
    /// The directory.
    package let root: String
    private let namePath: NamePath
    private let pool: BlockingPool
    private let chunkBytes: Int

    package var name: String { "file:\(root)" }

    /// Objects are temporary here until they are whole; names never begin with a dot.
    private static let temporaryDirectory = ".uploads"
    /// Objects up to this size, in bytes, are written in one visit to the pool's threads: tags and most manifests.
    private static let smallBytesMax = 64 << 10

    /// The directory `root`, which is made when it is missing.
    package init(root: String, namePath: NamePath, pool: BlockingPool, limits: Limits = Limits()) {
        (self.root, self.namePath, self.pool) = (root, namePath, pool)
        chunkBytes = limits.streamChunkBytes
    }

    package func stat(_ name: String, namespace: Namespace) async throws -> BackendObject? {
        let path = try path(of: name)
        return try await running("stat \(name)") {
            guard let status = try FileStatus.of(path), !status.isDirectory else { return nil }
            return BackendObject(bytes: status.bytes)
        }
    }

    package func download(
        _ name: String,
        namespace: Namespace,
        into write: (ByteBuffer) async throws -> Void
    ) async throws {
        let path = try path(of: name)
        let backend = self.name
        let (file, count) = try await running("read \(name)") {
            guard let status = try FileStatus.of(path), !status.isDirectory else {
                throw BackendError.notFound(name, in: backend)
            }
            let file = try SharedFile.openForReading(path)
            return (file, try file.size())
        }
        var offset = 0
        while offset < count {
            let (start, length) = (offset, min(chunkBytes, count - offset))
            let part = try await running("read \(name)") {
                try file.buffer(at: start, count: length)
            }
            try await write(part)
            offset += length
        }
    }

    package func upload(
        _ name: String,
        namespace: Namespace,
        from source: BackendSource
    ) async throws {
        let path = try path(of: name)
        let temporary = AtomicFile.temporaryPath(
            for: path,
            in: "\(root)/\(Self.temporaryDirectory)"
        )
        do {
            let isWritten = try await running("write \(name)") {
                if try Self.link(source, at: path) { return true }
                guard source.count <= Self.smallBytesMax, source.pace == nil else { return false }
                let bytes = try source.part(at: 0, count: source.count).readableBytesView
                try Self.staging(temporary) {
                    try AtomicFile.stage(Array(bytes), at: temporary, durable: true)
                }
                try Self.install(temporary, at: path)
                return true
            }
            if isWritten { return }
            try await copy(source, to: temporary, name)
            try await running("write \(name)") { try Self.install(temporary, at: path) }
        } catch {
            // Not on the pool as a cancellable job: it must be removed even when the task was
            // cancelled.
            pool.execute { _ in
                // A file left behind costs space only, and the error that led here tells more.
                try? Directory.remove(temporary)
            }
            throw error
        }
    }

    /// What `make` returns, which makes the file `temporary`. Its directory is there, but for the first time, and to make sure each
    /// time would cost as much as the file does.
    private static func staging<File>(
        _ temporary: String,
        _ make: () throws -> File
    ) throws -> File {
        do { return try make() } catch let error as FileError where error.code == .notFound {
            try Directory.create(Directory.parent(of: temporary) ?? "/")
            return try make()
        }
    }

    /// Gives the file at `temporary`, which is on the disk, its name, and makes that durable. The directories that it needs are
    /// made as late as that, so that a file system with a journal writes them all at once.
    private static func install(_ temporary: String, at path: String) throws {
        let directory = Directory.parent(of: path) ?? "/"
        let made = try Directory.create(directory)
        try Directory.rename(temporary, to: path)
        try Directory.synchronize(directory, made: made)
    }

    package func delete(_ name: String, namespace: Namespace) async throws {
        let path = try path(of: name)
        try await running("remove \(name)") { [root, backend = self.name] in
            guard let status = try FileStatus.of(path), !status.isDirectory else {
                guard try FileStatus.of(root)?.isDirectory ?? true else {
                    let why = "\(root) is no directory"
                    throw BackendError(.failed, what: "remove \(name) in \(backend)", why: why)
                }
                return
            }
            // The directory stays: an upload of the same name may be about to rename into it.
            try Directory.remove(path)
            if let parent = Directory.parent(of: path) { try Directory.synchronize(parent) }
        }
    }

    package func list(_ request: BackendListRequest) async throws -> BackendListPage {
        let start = try namePath.directory(ofPrefix: request.prefix)
        let (root, namePath) = (root, namePath)
        return try await running("list \(request.prefix)") {
            var names: [String] = []
            try Self.walk(root, start) { path in
                guard let name = namePath.name(at: path),
                    namePath.matches(name, prefix: request.prefix)
                else { return }
                names.append(name)
            }
            return BackendListPage(of: names, for: request)
        }
    }

    package func close() async {}

    // MARK: - Files

    private func path(of name: String) throws -> String {
        "\(root)/\(try namePath.path(of: name))"
    }

    private func copy(_ source: BackendSource, to path: String, _ name: String) async throws {
        let file = try await running("write \(name)") {
            try Self.staging(path) {
                try SharedFile.create(path, bytes: 0, preallocate: false)
            }
        }
        var offset = 0
        while offset < source.count {
            let (start, length) = (offset, min(chunkBytes, source.count - offset))
            try await source.pace?(length)
            try await running("write \(name)") {
                let part = try source.part(at: start, count: length)
                try part.withUnsafeReadableBytes { try file.write($0, at: start) }
            }
            offset += length
        }
        try await running("write \(name)") { try file.synchronize() }
    }

    /// Has `path` name the source's own file, if both are on one file system and nothing has the name, and makes that durable:
    /// nobody writes to either again, a blob of the store no more than an object here. A second copy on the same disk would
    /// protect from nothing.
    private static func link(_ source: BackendSource, at path: String) throws -> Bool {
        guard let file = try source.wholeFile else { return false }
        // Mostly it is on the disk already; it has to be before anybody sees it here.
        try file.synchronize()
        let directory = Directory.parent(of: path) ?? "/"
        let made = try Directory.create(directory)
        let isLinked: Bool
        do { isLinked = try file.link(to: path) } catch let error as FileError
            where error.code == .exists
        {
            isLinked = false
        }
        // Whoever comes next finds the directories made.
        if isLinked || made != nil { try Directory.synchronize(directory, made: made) }
        return isLinked
    }

    private static func walk(
        _ root: String,
        _ directory: String,
        visit: (String) throws -> Void
    ) throws {
        let whole = directory.isEmpty ? root : "\(root)/\(directory)"
        for (name, kind) in try Directory.entries(whole) ?? [] {
            if directory.isEmpty, name.hasPrefix(".") { continue }
            let path = directory.isEmpty ? name : "\(directory)/\(name)"
            switch kind {
            case .file: try visit(path)
            case .directory: try walk(root, path, visit: visit)
            case .other:
                guard let status = try FileStatus.of("\(root)/\(path)") else { continue }
                if status.isDirectory {
                    try walk(root, path, visit: visit)
                } else {
                    try visit(path)
                }
            }
        }
    }

    private func running<Value: Sendable>(
        _ what: String,
        _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        do { return try await pool.run(body) } catch let error as FileError {
            throw BackendError(
                error.code == .noSpace || error.code == .tooManyOpenFiles ? .unavailable : .failed,
                what: "\(what) in \(name)",
                why: "\(error.what): \(error.why)",
                remedy: error.remedy
            )
        }
    }
}

extension SharedFile {
    /// `count` bytes from `offset` on.
    /// - Throws: ``BackendError`` when the file is shorter, so that a changed file is not taken for
    ///   the whole one.
    func buffer(at offset: Int, count: Int) throws -> ByteBuffer {
        var buffer = ByteBuffer()
        let read = try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { target in
            try self.read(
                into: UnsafeMutableRawBufferPointer(rebasing: target[..<count]),
                at: offset
            )
        }
        guard read == count else {
            throw BackendError(
                .failed,
                what: "read \(path) at \(offset)",
                why: "the file ends before \(count) bytes",
                remedy: "do not change files that are being uploaded or served"
            )
        }
        return buffer
    }
}
