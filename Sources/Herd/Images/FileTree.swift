// SPDX-License-Identifier: Apache-2.0

import Files

/// Some bytes on disk: all or a part of a file.
struct StoredBytes: Sendable {
    /// The file.
    let file: SharedFile
    /// Which bytes of it.
    let range: Range<Int>

    /// All of them in memory.
    /// - Throws: ``Failure`` when they are more than `bytesMax`; `FileError`.
    func read(upTo bytesMax: Int) throws -> [UInt8] {
        guard range.count <= bytesMax else {
            throw Failure("cannot read \(file.path)", why: "it has more than \(bytesMax) bytes")
        }
        var bytes = [UInt8](repeating: 0, count: range.count)
        let count = try bytes.withUnsafeMutableBytes {
            try file.read(into: $0, at: range.lowerBound)
        }
        guard count == range.count else {
            throw Failure("cannot read \(file.path)", why: "it ends too early")
        }
        return bytes
    }
}

/// Files by their relative names: a directory or an archive of one.
protocol FileTree: Sendable {
    /// Where it is, for messages.
    var path: String { get }
    /// The file `name`; nil when there is none.
    func open(_ name: String) throws -> StoredBytes?
}

/// A directory.
struct DirectoryTree: FileTree {
    let path: String

    func open(_ name: String) throws -> StoredBytes? {
        do {
            let file = try SharedFile.openForReading("\(path)/\(name)")
            return StoredBytes(file: file, range: 0..<(try file.size()))
        } catch let error as FileError where error.code == .notFound {
            return nil
        }
    }
}
