// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Operations on directories; all of them block.
package enum Directory {
    /// Makes the directory at `path` and those above it that are missing; answers the topmost one that had to be made,
    /// nil when all were there.
    /// - Throws: ``FileError``.
    @discardableResult package static func create(_ path: String) throws -> String? {
        if mkdir(path, 0o775) == 0 { return path }
        switch errno {
        case EEXIST:
            guard try isDirectory(path) else { throw FileError(errno: ENOTDIR, "make \(path)") }
            return nil
        case ENOENT:
            guard let parent = parent(of: path) else {
                throw FileError(errno: ENOENT, "make \(path)")
            }
            let topmost = try create(parent)
            // Somebody else may have made it in the meantime, which is just as well.
            guard mkdir(path, 0o775) == 0 || errno == EEXIST else {
                throw FileError(errno: errno, "make \(path)")
            }
            return topmost ?? path
        default: throw FileError(errno: errno, "make \(path)")
        }
    }

    /// What lies above `path`; nil for a root and for a name without a slash.
    package static func parent(of path: String) -> String? {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return nil }
        return String(path[..<slash])
    }

    /// The names in the directory at `path`, in no order; nil when there is no such directory.
    /// - Throws: ``FileError``.
    package static func list(_ path: String) throws -> [String]? {
        try list(path) { name, _ in name }
    }

    private static func list<Entry>(
        _ path: String,
        entry make: (String, UInt8) -> Entry
    ) throws -> [Entry]? {
        guard let stream = opendir(path) else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw FileError(errno: errno, "list \(path)")
        }
        defer { closedir(stream) }
        var entries: [Entry] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { entries.append(make(name, entry.pointee.d_type)) }
        }
        return entries
    }

    /// What a name in a directory stands for, as far as the directory itself says.
    package enum EntryKind: Sendable {
        /// A file with bytes.
        case file
        /// A directory.
        case directory
        /// A link, or what the file system does not say.
        case other
    }

    /// The names in the directory at `path` with what they stand for, in no order; nil when there is no such directory.
    /// - Throws: ``FileError``.
    package static func entries(_ path: String) throws -> [(name: String, kind: EntryKind)]? {
        try list(path) { name, type in
            switch Int(type) {
            case Int(DT_REG): (name, .file)
            case Int(DT_DIR): (name, .directory)
            default: (name, .other)
            }
        }
    }

    /// Removes the file or directory at `path` with everything in it; nothing there is fine. Links are not followed.
    /// - Throws: ``FileError``.
    package static func remove(_ path: String) throws {
        if unlink(path) == 0 || errno == ENOENT { return }
        guard errno == EISDIR || errno == EPERM else {
            throw FileError(errno: errno, "remove \(path)")
        }
        for name in try list(path) ?? [] { try remove("\(path)/\(name)") }
        guard rmdir(path) == 0 || errno == ENOENT else {
            throw FileError(errno: errno, "remove \(path)")
        }
    }

    /// Gives the file or directory at `source` the name `target`, in one step; replaces a file or an empty directory.
    /// - Throws: ``FileError`` `.exists` when a directory with something in it is in the way.
    package static func rename(_ source: String, to target: String) throws {
        guard Glibc.rename(source, target) == 0 else {
            throw FileError(errno: errno, "rename \(source) to \(target)")
        }
    }

    /// Returns once the names in the directory at `path` are on the disk.
    /// - Throws: ``FileError``.
    package static func synchronize(_ path: String) throws {
        try OpenDirectory(path).synchronize()
    }

    /// The same, with the names of the directory itself and of those above it that had to be made, of which `topmost` is the
    /// topmost; nil when all were there.
    /// - Throws: ``FileError``.
    package static func synchronize(_ path: String, made topmost: String?) throws {
        try synchronize(path)
        if let above = topmost.flatMap(parent) { try synchronizeNames(from: above, to: path) }
    }

    /// Makes the names durable that lead from the directory `top` down to `path`.
    /// - Throws: ``FileError``.
    package static func synchronizeNames(from top: String, to path: String) throws {
        var directory = path
        while directory != top, let parent = parent(of: directory) {
            try synchronize(parent)
            directory = parent
        }
    }

    private static func isDirectory(_ path: String) throws -> Bool {
        try FileStatus.of(path)?.isDirectory ?? false
    }
}

/// A directory that stays the same whatever it is called meanwhile. All operations block.
package final class OpenDirectory: Sendable {
    private let descriptor: Int32
    private let path: String

    /// The directory at `path`.
    /// - Throws: ``FileError``.
    package init(_ path: String) throws {
        descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError(errno: errno, "open \(path)") }
        self.path = path
    }

    deinit { close(descriptor) }

    /// Returns once the names in it are on the disk.
    /// - Throws: ``FileError``.
    package func synchronize() throws {
        while fsync(descriptor) != 0 {
            guard errno == EINTR else { throw FileError(errno: errno, "synchronize \(path)") }
        }
    }

    /// Whether it is what `path` names now; false when nothing is there.
    /// - Throws: ``FileError``.
    package func isNamed(_ path: String) throws -> Bool {
        var own = stat()
        var named = stat()
        guard fstat(descriptor, &own) == 0 else {
            throw FileError(errno: errno, "examine \(self.path)")
        }
        guard stat(path, &named) == 0 else {
            if errno == ENOENT || errno == ENOTDIR { return false }
            throw FileError(errno: errno, "examine \(path)")
        }
        return own.st_dev == named.st_dev && own.st_ino == named.st_ino
    }

    /// Removes the file `name` in it; nothing there is fine.
    /// - Throws: ``FileError``.
    package func remove(_ name: String) throws {
        guard unlinkat(descriptor, name, 0) == 0 || errno == ENOENT else {
            throw FileError(errno: errno, "remove \(path)/\(name)")
        }
    }
}

/// What the file system says about a file.
package struct FileStatus: Hashable, Sendable {
    /// Its length in bytes.
    package let bytes: Int
    /// Seconds since 1970 of the last change to its bytes.
    package let modifiedAt: Int64
    /// Whether it is a directory.
    package let isDirectory: Bool

    /// The status of what `path` names, links followed; nil when nothing is there.
    /// - Throws: ``FileError``.
    package static func of(_ path: String) throws -> FileStatus? {
        var status = stat()
        guard stat(path, &status) == 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw FileError(errno: errno, "examine \(path)")
        }
        return FileStatus(
            bytes: Int(status.st_size),
            modifiedAt: Int64(status.st_mtim.tv_sec),
            isDirectory: status.st_mode & S_IFMT == S_IFDIR
        )
    }
}

extension FileStatus {
    /// UTIME_OMIT, which is a macro that Swift does not see.
    private static let unchanged = (1 << 30) - 2

    /// Has the file at `path` say that its bytes changed last at `seconds` since 1970; without effect when it is gone.
    /// - Throws: ``FileError``.
    package static func setModified(_ path: String, at seconds: Int64) throws {
        let times = [
            timespec(tv_sec: 0, tv_nsec: Self.unchanged),
            timespec(tv_sec: Int(seconds), tv_nsec: 0),
        ]
        guard utimensat(AT_FDCWD, path, times, 0) == 0 || errno == ENOENT else {
            throw FileError(errno: errno, "set the time of \(path)")
        }
    }
}

/// How full the disk under a directory is.
package struct DiskUsage: Hashable, Sendable {
    /// The size of the file system in bytes.
    package let totalBytes: Int
    /// Bytes in use, those reserved for root included.
    package let usedBytes: Int

    /// A disk of `totalBytes` of which `usedBytes` are in use.
    package init(totalBytes: Int, usedBytes: Int) {
        (self.totalBytes, self.usedBytes) = (totalBytes, usedBytes)
    }

    /// The usage of the file system that holds `path`.
    /// - Throws: ``FileError``.
    package static func of(_ path: String) throws -> DiskUsage {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else {
            throw FileError(errno: errno, "examine the disk under \(path)")
        }
        let block = Int(status.f_frsize)
        return DiskUsage(
            totalBytes: Int(status.f_blocks) * block,
            usedBytes: (Int(status.f_blocks) - Int(status.f_bavail)) * block
        )
    }
}
