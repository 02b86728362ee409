// SPDX-License-Identifier: Apache-2.0

import Files
import HTTPKit
import Hummingbird
import NIOCore

/// The files of a testfs server: a directory tree in which each file is replaced as a whole.
struct TestfsFiles: Sendable {
    /// Where files are until they are whole; below the root, so that renaming works.
    static let temporaryDirectory = ".uploads"

    let root: String
    let isDurable: Bool
    let fileBytesMax: Int
    let pool: BlockingPool

    /// The file at `path` with its size; nil when there is none.
    func open(_ path: String) async throws -> (file: SharedFile, bytes: Int)? {
        let whole = "\(root)/\(path)"
        return try await pool.run {
            guard let status = try FileStatus.of(whole), !status.isDirectory else { return nil }
            let file = try SharedFile.openForReading(whole)
            return (file, try file.size())
        }
    }

    /// Makes the file at `path` hold `body`; answers how many bytes it has.
    func write(_ body: RequestBody, to path: String) async throws -> Int {
        let target = "\(root)/\(path)"
        let staging = "\(root)/\(Self.temporaryDirectory)"
        let temporary = AtomicFile.temporaryPath(for: "file", in: staging)
        do {
            let file = try await pool.run {
                try Directory.create(staging)
                return try SharedFile.create(temporary, bytes: 0, preallocate: false)
            }
            let count = try await receive(body, into: file)
            try await finish(file, temporary: temporary, target: target)
            return count
        } catch {
            pool.execute { _ in
                // Left behind, it costs space until the next start; the error that led here tells
                // more.
                try? Directory.remove(temporary)
            }
            throw error
        }
    }

    /// Removes the file at `path`; answers whether there was one.
    func delete(_ path: String) async throws -> Bool {
        let target = "\(root)/\(path)"
        let isDurable = isDurable
        return try await pool.run {
            guard let status = try FileStatus.of(target), !status.isDirectory else { return false }
            try Directory.remove(target)
            if isDurable { try Directory.synchronize(Directory.parent(of: target) ?? "/") }
            return true
        }
    }

    /// The paths of all files below `directory`, sorted; nil when there is no such file or
    /// directory.
    func list(_ directory: String) async throws -> [String]? {
        let root = root
        return try await pool.run {
            let whole = directory.isEmpty ? root : "\(root)/\(directory)"
            guard let status = try FileStatus.of(whole) else { return nil }
            guard status.isDirectory else { return [directory] }
            var paths: [String] = []
            try Self.walk(root, directory, into: &paths)
            return paths.sorted()
        }
    }

    private func receive(_ body: RequestBody, into file: SharedFile) async throws -> Int {
        var count = 0
        for try await part in body {
            let offset = count
            count += part.readableBytes
            guard count <= fileBytesMax else {
                throw HTTPProblem.contentTooLarge(bytesMax: fileBytesMax).asText
            }
            try await pool.run {
                try part.withUnsafeReadableBytes { try file.write($0, at: offset) }
            }
        }
        return count
    }

    private func finish(_ file: SharedFile, temporary: String, target: String) async throws {
        let isDurable = isDurable
        do {
            try await pool.run {
                if isDurable { try file.synchronize() }
                let parent = Directory.parent(of: target) ?? "/"
                try Directory.create(parent)
                try Directory.rename(temporary, to: target)
                if isDurable { try Directory.synchronize(parent) }
            }
        } catch let error as FileError where error.isInTheWay {
            throw HTTPProblem(
                .conflict,
                "a directory of that name, or a file in place of a directory, is in the way"
            ).asText
        }
    }

    private static func walk(_ root: String, _ directory: String, into paths: inout [String]) throws
    {
        let whole = directory.isEmpty ? root : "\(root)/\(directory)"
        for entry in try Directory.list(whole) ?? [] {
            if directory.isEmpty, entry.hasPrefix(".") { continue }
            let path = directory.isEmpty ? entry : "\(directory)/\(entry)"
            guard let status = try FileStatus.of("\(root)/\(path)") else { continue }
            if status.isDirectory {
                try walk(root, path, into: &paths)
            } else {
                paths.append(path)
            }
        }
    }
}

extension FileError {
    /// Whether a file or directory has the name that was needed for the other kind.
    fileprivate var isInTheWay: Bool {
        switch code {
        // ENOTDIR, which reads as .notFound, and EISDIR, which is 21 on Linux.
        case .exists, .notFound, .other(21): true
        default: false
        }
    }
}
