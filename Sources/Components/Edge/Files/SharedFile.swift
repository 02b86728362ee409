// SPDX-License-Identifier: Apache-2.0

import CFiles
import Glibc
package import NIOCore
import Synchronization

/// An open file shared by everything that reads or writes it; closed when the last reference goes.
///
/// All access names its offset, so any number of threads may use it at once. Calls block: small ones are fine on an event
/// loop as long as the bytes are in the page cache, anything else belongs on a ``BlockingPool``.
package final class SharedFile: Sendable {
    /// Where it was opened; it may have been renamed or unlinked since.
    package let path: String
    /// The file descriptor; valid as long as this object lives.
    package let descriptor: CInt
    /// What ``fileRegion(_:)`` has handed out and may hand out again.
    private let handles = Mutex<[NIOFileHandle]>([])

    private init(path: String, descriptor: CInt) {
        (self.path, self.descriptor) = (path, descriptor)
    }

    deinit {
        handles.withLock { handles in
            for handle in handles {
                // It throws only when a region is being written at this moment, which the contract of fileRegion excludes.
                _ = try? handle.takeDescriptorOwnership()
            }
        }
        Self.end(descriptor)
    }

    /// Closes `descriptor`. The last one of a file that was removed frees its blocks, which takes a second for some GiB, and
    /// whoever happens to hold it last may be an event loop: that is left to a thread.
    private static func end(_ descriptor: CInt) {
        var status = stat()
        let isRemoved = fstat(descriptor, &status) == 0 && status.st_nlink == 0
        guard isRemoved, status.st_size > quicklyFreedBytes else {
            close(descriptor)
            return
        }
        BlockingPool.singleton.execute { _ in close(descriptor) }
    }

    /// A file of so many bytes is freed in less time than another thread takes to begin.
    private static let quicklyFreedBytes = 1 << 20

    /// Opens an existing file for reading.
    /// - Throws: ``FileError``.
    package static func openForReading(_ path: String) throws -> SharedFile {
        try open(path, flags: O_RDONLY, "open \(path) for reading")
    }

    /// Opens an existing file for reading and writing.
    /// - Throws: ``FileError``.
    package static func openForUpdate(_ path: String) throws -> SharedFile {
        try open(path, flags: O_RDWR, "open \(path) for writing")
    }

    /// Creates a file of `bytes` zero bytes, which must not exist yet.
    /// - Parameter preallocate: reserves its blocks at once, so that no later write runs out of space.
    /// - Throws: ``FileError``; nothing is left behind then.
    package static func create(
        _ path: String,
        bytes: Int,
        preallocate: Bool
    ) throws -> SharedFile {
        let file = try open(path, flags: O_RDWR | O_CREAT | O_EXCL, "create \(path)")
        guard bytes > 0 else { return file }
        do {
            try file.extend(to: bytes, preallocate: preallocate)
        } catch {
            unlink(path)
            throw error
        }
        return file
    }

    private static func open(_ path: String, flags: CInt, _ what: String) throws -> SharedFile {
        while true {
            let descriptor = Glibc.open(path, flags | O_CLOEXEC, 0o664)
            if descriptor >= 0 { return SharedFile(path: path, descriptor: descriptor) }
            guard errno == EINTR else { throw FileError(errno: errno, what) }
        }
    }

    private func extend(to bytes: Int, preallocate: Bool) throws {
        if preallocate {
            let result = posix_fallocate(descriptor, 0, bytes)
            if result == 0 { return }
            // File systems that can't reserve blocks say so; there a sparse file has to do.
            guard result == EOPNOTSUPP || result == EINVAL || result == EINTR else {
                throw FileError(errno: result, "reserve \(bytes) bytes for \(path)")
            }
        }
        try truncate(to: bytes)
    }

    /// Makes the file `bytes` long: cuts it, or adds zero bytes.
    /// - Throws: ``FileError``.
    package func truncate(to bytes: Int) throws {
        guard ftruncate(descriptor, bytes) == 0 else {
            throw FileError(errno: errno, "set the length of \(path)")
        }
    }

    /// The file's length in bytes.
    /// - Throws: ``FileError``.
    package func size() throws -> Int {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw FileError(errno: errno, "examine \(path)")
        }
        return Int(status.st_size)
    }

    /// Fills `buffer` with the bytes from `offset` on; answers how many there were, less than asked for only at the end.
    /// - Throws: ``FileError``.
    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws -> Int {
        var done = 0
        while done < buffer.count, let base = buffer.baseAddress {
            let count = pread(descriptor, base + done, buffer.count - done, offset + done)
            if count > 0 {
                done += count
            } else if count == 0 {
                break
            } else if errno != EINTR {
                throw FileError(errno: errno, "read \(path) at \(offset + done)")
            }
        }
        return done
    }

    /// Writes all of `bytes` at `offset`.
    /// - Throws: ``FileError``; a part may have been written then.
    package func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws {
        var done = 0
        while done < bytes.count, let base = bytes.baseAddress {
            let count = pwrite(descriptor, base + done, bytes.count - done, offset + done)
            if count >= 0 {
                done += count
            } else if errno != EINTR {
                throw FileError(
                    errno: errno,
                    "write \(bytes.count - done) bytes to \(path) at \(offset + done)"
                )
            }
        }
    }

    /// Gives the file the name `path` as well, which must be free: no byte is copied, and whoever writes to the one has written
    /// to the other. False where that can't be: on another file system, or where the last name is gone.
    /// - Throws: ``FileError``.
    package func link(to path: String) throws -> Bool {
        // By its descriptor: it may be called something else by now.
        let source = "/proc/self/fd/\(descriptor)"
        guard linkat(AT_FDCWD, source, AT_FDCWD, path, AT_SYMLINK_FOLLOW) != 0 else { return true }
        switch errno {
        case EXDEV, EPERM, EMLINK, ENOENT, EACCES, EOPNOTSUPP, ENOSYS: return false
        default: throw FileError(errno: errno, "link \(self.path) to \(path)")
        }
    }

    /// Returns once the bytes, and the length, are on the disk.
    /// - Throws: ``FileError``.
    package func synchronize() throws {
        while fdatasync(descriptor) != 0 {
            guard errno == EINTR else { throw FileError(errno: errno, "synchronize \(path)") }
        }
    }

    /// Tells the system to begin writing `range` to the disk, so that ``synchronize()`` finds little left to wait for.
    package func beginSynchronizing(_ range: Range<Int>) {
        herd_begin_writeback(descriptor, Int64(range.lowerBound), Int64(range.count))
    }

    /// Tells the system to begin reading `range` from the disk, as far as it is not in memory, so that whoever sends or reads it
    /// soon waits less.
    package func beginReading(_ range: Range<Int>) {
        // The system would look for each page. What was written together was dropped together, as a rule.
        if !range.isEmpty, isInMemory(range.lowerBound), isInMemory(range.upperBound - 1) { return }
        // A hint: whatever it answers, the bytes can be read.
        _ = posix_fadvise(descriptor, range.lowerBound, range.count, POSIX_FADV_WILLNEED)
    }

    /// Whether the byte at `offset` lies in memory; false when that can't be told.
    package func isInMemory(_ offset: Int) -> Bool { herd_is_in_memory(descriptor, Int64(offset)) }

    /// `range` of the file for a channel to send without copying it (sendfile).
    ///
    /// Keep this object alive until the write's promise completes. NIO refuses to use one handle from two event loops at
    /// once, so each region that is alive has a handle of its own; a handle whose region is gone serves the next one.
    package func fileRegion(_ range: Range<Int>) -> FileRegion {
        let handle = handles.withLock { handles in
            for index in handles.indices where isKnownUniquelyReferenced(&handles[index]) {
                return handles[index]
            }
            let handle = NIOFileHandle(_deprecatedTakingOwnershipOfDescriptor: descriptor)
            handles.append(handle)
            return handle
        }
        return FileRegion(
            fileHandle: handle,
            readerIndex: range.lowerBound,
            endIndex: range.upperBound
        )
    }
}
