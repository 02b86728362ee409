// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A log on disk that never grows beyond a few files: `herd.log`, then `herd.log.1`, `herd.log.2`.
final class RotatingFile {
    private let path: String
    private let bytesMax: Int
    private let filesMax: Int
    private var file: UnsafeMutablePointer<FILE>?
    private var bytes = 0

    /// The size at which a file is put aside, and how many there are in all.
    static let bytesMaxByDefault = 10 << 20
    static let filesMaxByDefault = 3

    /// The log at `path`; when it can't be opened lines are lost, which is no reason to stop.
    init(_ path: String, bytesMax: Int = bytesMaxByDefault, filesMax: Int = filesMaxByDefault) {
        (self.path, self.bytesMax, self.filesMax) = (path, bytesMax, max(1, filesMax))
        open()
    }

    deinit { if let file { fclose(file) } }

    private func open() {
        bytes = 0
        file = fopen(path, "ae")
        guard let file else { return }
        fseek(file, 0, SEEK_END)
        bytes = max(0, ftell(file))
    }

    /// Appends lines, which end up on disk at once.
    func append(_ lines: [String]) {
        guard !lines.isEmpty else { return }
        // The next lines may have more luck: the folder is back, or the disk has room again.
        if file == nil { open() }
        for line in lines {
            if bytes + line.utf8.count >= bytesMax, bytes > 0 { rotate() }
            guard let file else { return }
            fputs(line, file)
            fputs("\n", file)
            bytes += line.utf8.count + 1
        }
        if let file { fflush(file) }
    }

    private func rotate() {
        if let file { fclose(file) }
        file = nil
        for number in stride(from: filesMax - 1, through: 1, by: -1) {
            let from = number == 1 ? path : "\(path).\(number - 1)"
            rename(from, "\(path).\(number)")
        }
        if filesMax == 1 { unlink(path) }
        open()
    }
}
