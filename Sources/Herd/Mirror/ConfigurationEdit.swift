// SPDX-License-Identifier: Apache-2.0

import Files
import Glibc

/// Changes a file that belongs to somebody else: as a whole or not at all, with the same permissions, and with a copy of what
/// it was before the first change, which goes again once the file is what it was.
struct ConfigurationEdit: Sendable {
    let path: String
    /// Whether the folder goes when nothing is left in it.
    var ownsFolder = false
    /// Whether two texts of the file say the same.
    var saysTheSame: @Sendable (String, String) -> Bool = { $0 == $1 }

    /// Bytes of a file that is changed; a longer one is left alone.
    private static let bytesMax = 16 << 20
    private var backup: String { path + ".herd-backup" }

    /// What became of the file.
    enum Outcome: String, Sendable {
        case unchanged
        case wrote
        case removed
    }

    /// Makes the file what `edit` makes of its text; nil is no file.
    /// - Throws: `FileError`, and what `edit` throws; the file is as it was then.
    func apply(_ edit: (String?) throws -> String?) throws -> Outcome {
        // What the link names is changed, not the link.
        let target = ConfigurationEdit(
            path: Self.resolved(path),
            ownsFolder: ownsFolder,
            saysTheSame: saysTheSame
        )
        let bytes = try AtomicFile.read(target.path, bytesMax: Self.bytesMax)
        if let bytes, String(validating: bytes, as: UTF8.self) == nil {
            throw RuntimeFileError(description: "it is not UTF-8; correct it first")
        }
        let text = bytes.map { String(decoding: $0, as: UTF8.self) }
        let edited = try edit(text)
        if edited == text { return .unchanged }
        return try target.replace(bytes, by: edited)
    }

    private func replace(_ old: [UInt8]?, by new: String?) throws -> Outcome {
        let saved = try AtomicFile.read(backup, bytesMax: Self.bytesMax)
        let savedText = saved.map { String(decoding: $0, as: UTF8.self) }
        // Back to what it was, to the letter.
        if let saved, let savedText, new.map({ saysTheSame($0, savedText) }) ?? true {
            try write(saved, to: path)
            try Directory.remove(backup)
            return .wrote
        }
        guard let new else {
            // Nothing but ours was in it.
            try Directory.remove(path)
            if ownsFolder, let folder = Directory.parent(of: path) { rmdir(folder) }
            return .removed
        }
        if let folder = Directory.parent(of: path) { try Directory.create(folder) }
        if let old, saved == nil, !Self.isOurs(old) { try write(old, to: backup) }
        try write(Array(new.utf8), to: path)
        return .wrote
    }

    /// Whether a text begins with our mark: a file that we have made.
    private static func isOurs(_ bytes: [UInt8]) -> Bool {
        bytes.starts(with: Array("# herd mirror config: begin ".utf8))
    }

    private func write(_ bytes: [UInt8], to target: String) throws {
        let temporary = AtomicFile.temporaryPath(for: target, in: nil)
        try AtomicFile.stage(bytes, at: temporary, durable: true)
        var status = stat()
        // Runtimes run as root, and what they read may hold secrets: whoever could read it still can, nobody else.
        let mode = stat(path, &status) == 0 ? status.st_mode & 0o7777 : 0o644
        chmod(temporary, mode)
        if status.st_ino != 0 { _ = chown(temporary, status.st_uid, status.st_gid) }
        do {
            try Directory.rename(temporary, to: target)
        } catch {
            unlink(temporary)
            throw error
        }
    }

    private static func resolved(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }
}
