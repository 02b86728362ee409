// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc

/// A disk of a few MiB that one process alone has, and that is gone with it: a tmpfs in its own mount namespace.
struct SmallDisk {
    /// Where the process finds it.
    let path: String
    /// The process.
    let pid: Int32

    /// Bytes of such a disk.
    static let bytes = 24 << 20
    /// The least that takes room.
    private static let pageBytes = 4096

    /// Whether this user may make one.
    static func isPermitted() async throws -> Bool {
        try await Command("unshare", ["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"])
            .run().status == 0
    }

    /// The words that start a program with such a disk at `path`, a directory.
    static func launcher(at path: String) -> [String] {
        let script = "mount -t tmpfs -o size=\(bytes) tmpfs \"$0\" && exec \"$@\""
        return ["unshare", "--mount", "sh", "-c", script, path]
    }

    /// Where the tests find it: through the eyes of the process.
    private var root: String { "/proc/\(pid)/root\(path)" }
    private var ballast: String { root + "/ballast" }

    /// Fills it up, but for `pages` pages.
    func fill(leaving pages: Int = 0) throws {
        let descriptor = open(ballast, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw CommandFailure(description: "fill: errno \(errno)") }
        defer { close(descriptor) }
        var end = Int(lseek(descriptor, 0, SEEK_END))
        for block in [[UInt8](repeating: 1, count: 1 << 20), .init(repeating: 1, count: 4096)] {
            while true {
                let count = pwrite(descriptor, block, block.count, end)
                guard count > 0 else { break }
                end += count
            }
        }
        guard errno == ENOSPC else { throw CommandFailure(description: "fill: errno \(errno)") }
        guard pages > 0 else { return }
        let rest = max(0, end / Self.pageBytes - pages) * Self.pageBytes
        guard ftruncate(descriptor, rest) == 0 else {
            throw CommandFailure(description: "leave room: errno \(errno)")
        }
    }

    /// Takes away what ``fill(leaving:)`` has put there.
    func free() throws { try FileManager.default.removeItem(atPath: ballast) }

    /// What lies in its directory `name`.
    func names(in name: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "\(root)/\(name)")
    }
}
