// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// Small files that are replaced whole: a reader, or a restart after a crash, sees the old bytes or the new ones.
package enum AtomicFile {
    private static let counter = Atomic<UInt64>(0)

    /// Replaces the file at `path` by one that holds `bytes`.
    /// - Parameters:
    ///   - durable: returns only once the bytes and the name are on the disk.
    ///   - permissions: who may read and write it; what the process creates otherwise when nil.
    ///   - temporaryDirectory: where the bytes are written first, on the same file system; beside the target when nil.
    ///     What a crash leaves there is never read and may be removed at any start.
    /// - Throws: ``FileError``; the old file stays then.
    package static func write(
        _ bytes: [UInt8],
        to path: String,
        durable: Bool,
        permissions: UInt32? = nil,
        temporaryDirectory: String? = nil
    ) throws {
        let temporary = temporaryPath(for: path, in: temporaryDirectory)
        try stage(bytes, at: temporary, durable: durable, permissions: permissions)
        do {
            try Directory.rename(temporary, to: path)
        } catch {
            unlink(temporary)
            throw error
        }
        if durable { try Directory.synchronize(Directory.parent(of: path) ?? ".") }
    }

    /// Makes a file at `path`, where there is none, that holds `bytes`, and returns once they and the name are on the disk.
    ///
    /// Cheaper than ``write(_:to:durable:permissions:temporaryDirectory:)``: a journal takes the name with the bytes. A crash
    /// before the return may leave an empty file.
    /// - Returns: false, with nothing done, when something is there already.
    /// - Throws: ``FileError``.
    package static func create(_ bytes: [UInt8], at path: String) throws -> Bool {
        do {
            try stage(bytes, at: path, durable: true)
        } catch let error as FileError where error.code == .exists {
            return false
        }
        try Directory.synchronize(Directory.parent(of: path) ?? ".")
        return true
    }

    /// What a disk writes as a whole or not at all, in bytes.
    private static let sectorBytes = 512

    /// Overwrites the file at `path`, which lies in one sector, with `bytes` and as many of `padding` as it has bytes more:
    /// without a new file for the file system to make, and an old one to forget. Not durable.
    /// - Returns: false, with nothing done, when the file is absent, shorter than `bytes`, or longer than a sector.
    /// - Throws: ``FileError``.
    package static func overwrite(
        _ bytes: [UInt8],
        paddedWith padding: UInt8,
        at path: String
    ) throws -> Bool {
        guard bytes.count <= sectorBytes else { return false }
        let file: SharedFile
        do {
            file = try SharedFile.openForUpdate(path)
        } catch let error as FileError where error.code == .notFound {
            return false
        }
        let size = try file.size()
        guard bytes.count <= size, size <= sectorBytes else { return false }
        let padded = bytes + Array(repeating: padding, count: size - bytes.count)
        try padded.withUnsafeBytes { try file.write($0, at: 0) }
        return true
    }

    /// A name that no other temporary file has.
    package static func temporaryPath(for path: String, in directory: String?) -> String {
        let number = counter.add(1, ordering: .relaxed).newValue
        let suffix = ".tmp-\(getpid())-\(number)"
        guard let directory else { return path + suffix }
        let name = path.split(separator: "/").last.map(String.init) ?? "file"
        return "\(directory)/\(name)\(suffix)"
    }

    /// Writes `bytes` into a new file at `path`; nothing is left behind when that fails.
    /// - Throws: ``FileError``.
    package static func stage(
        _ bytes: [UInt8],
        at path: String,
        durable: Bool,
        permissions: UInt32? = nil
    ) throws {
        let file = try SharedFile.create(path, bytes: 0, preallocate: false)
        do {
            // Before anything is in it.
            if let permissions, chmod(path, permissions) != 0 {
                throw FileError(errno: errno, "restrict \(path)")
            }
            try bytes.withUnsafeBytes { try file.write($0, at: 0) }
            if durable { try file.synchronize() }
        } catch {
            unlink(path)
            throw error
        }
    }

    /// The bytes of the file at `path`; nil when it is absent.
    /// - Throws: ``FileError``, `.wrongSize` when it is longer than `bytesMax`.
    package static func read(_ path: String, bytesMax: Int) throws -> [UInt8]? {
        let file: SharedFile
        do {
            file = try SharedFile.openForReading(path)
        } catch let error as FileError where error.code == .notFound {
            return nil
        }
        let bytes = try file.size()
        guard bytes <= bytesMax else {
            throw FileError(
                code: .wrongSize,
                what: "read \(path)",
                why: "\(bytes) bytes, more than \(bytesMax)",
                remedy: "remove the file"
            )
        }
        return try [UInt8](unsafeUninitializedCapacity: bytes) { buffer, count in
            count = try file.read(into: UnsafeMutableRawBufferPointer(buffer), at: 0)
        }
    }
}
