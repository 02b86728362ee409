// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc

/// Waits until a file appears in a folder, woken by the kernel.
enum FileWatch {
    /// The content of `file` once it exists and is not empty; nil when `stop` says so first or `deadline` passes.
    @concurrent static func content(
        of file: URL,
        within deadline: Duration,
        unless stop: @escaping @Sendable () -> Bool
    ) async throws -> Data? {
        let watch = inotify_init1(Int32(IN_CLOEXEC))
        guard watch >= 0 else { throw CommandFailure(description: "inotify: errno \(errno)") }
        defer { close(watch) }
        let mask = UInt32(IN_MOVED_TO | IN_CLOSE_WRITE | IN_CREATE)
        inotify_add_watch(watch, file.deletingLastPathComponent().path, mask)
        let end = ContinuousClock.now + deadline
        while true {
            // An unreadable file is one that is not there yet.
            if let data = try? Data(contentsOf: file), !data.isEmpty { return data }
            if stop() || ContinuousClock.now >= end { return nil }
            var descriptor = pollfd(fd: watch, events: Int16(POLLIN), revents: 0)
            // Woken by the file, or four times a second to see whether its writer still lives.
            if poll(&descriptor, 1, 250) > 0 {
                var buffer = [UInt8](repeating: 0, count: 4096)
                _ = read(watch, &buffer, buffer.count)
            }
        }
    }
}
