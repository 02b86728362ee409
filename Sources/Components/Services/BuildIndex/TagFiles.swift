// SPDX-License-Identifier: Apache-2.0

import Backends
import Content
import Files
import Logging
import Telemetry

/// The tags on disk: one file each, `tags/<repository>/_tags/<tag>`, replaced as a whole.
///
/// No component of a repository's name begins with `_`, so tags and nested repositories can't
/// collide. All calls block.
struct TagFiles: Sendable {
    private let tags: String
    private let temporary: String
    /// Bytes of one file; what is longer was not written here.
    private static let recordBytesMax = 4 << 10

    /// The files below `root`.
    init(root: String) {
        tags = "\(root)/tags"
        temporary = "\(root)/tmp"
    }

    /// Makes the directories and reads every tag; files that are no tags are reported and left
    /// alone.
    func open(log: Logger) throws -> [QualifiedTag: TagRecord] {
        try Directory.remove(temporary)
        try Directory.createDurably(temporary)
        try Directory.createDurably(tags)
        var records: [QualifiedTag: TagRecord] = [:]
        try walk([], log: log, into: &records)
        return records
    }

    /// Replaces the file of `tag`; with `durable`, returns once it is on the disk.
    func write(_ record: TagRecord, for tag: QualifiedTag, durable: Bool) throws {
        if !durable {
            let (bytes, space) = (record.fileBytes, UInt8(ascii: " "))
            if try AtomicFile.overwrite(bytes, paddedWith: space, at: path(of: tag)) { return }
        }
        if durable {
            do {
                if try AtomicFile.create(record.fileBytes, at: path(of: tag)) { return }
            } catch let error as FileError where error.code == .notFound {
                try Directory.createDurably(directory(of: tag.repository))
                if try AtomicFile.create(record.fileBytes, at: path(of: tag)) { return }
            }
        }
        try Directory.createDurably(directory(of: tag.repository))
        try AtomicFile.write(
            record.fileBytes,
            to: path(of: tag),
            durable: durable,
            temporaryDirectory: temporary
        )
    }

    /// Removes the file of `tag`.
    func remove(_ tag: QualifiedTag) throws { try Directory.remove(path(of: tag)) }

    private func directory(of repository: RepositoryName) -> String {
        "\(tags)/\(repository)/_tags"
    }

    private func path(of tag: QualifiedTag) -> String {
        "\(directory(of: tag.repository))/\(tag.tag)"
    }

    private func walk(
        _ components: [String],
        log: Logger,
        into records: inout [QualifiedTag: TagRecord]
    ) throws {
        let directory = ([tags] + components).joined(separator: "/")
        for entry in try Directory.list(directory) ?? [] {
            guard entry == "_tags" else {
                try walk(components + [entry], log: log, into: &records)
                continue
            }
            for name in try Directory.list("\(directory)/_tags") ?? [] {
                let path = "\(directory)/_tags/\(name)"
                do {
                    let repository = try RepositoryName(components.joined(separator: "/"))
                    let tag = QualifiedTag(repository: repository, tag: try Tag(name))
                    guard let bytes = try AtomicFile.read(path, bytesMax: Self.recordBytesMax)
                    else {
                        continue
                    }
                    // A new tag that was not on the disk, and so not acknowledged, when the machine stopped.
                    guard !bytes.isEmpty else {
                        try Directory.remove(path)
                        continue
                    }
                    records[tag] = try TagRecord(fileBytes: bytes)
                } catch {
                    log.warning(
                        "a file in the tag store is no tag",
                        metadata: [LogKey.path: "\(path)", LogKey.error: "\(error)"]
                    )
                }
            }
        }
    }
}
