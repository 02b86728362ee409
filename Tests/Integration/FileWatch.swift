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

    /// Whether `file`, of whatever kind, appears before `stop` says no or `deadline` passes.
    @concurrent static func appearance(
        of file: URL,
        within deadline: Duration,
        unless stop: @escaping @Sendable () -> Bool
    ) async throws -> Bool {
        let watch = inotify_init1(Int32(IN_CLOEXEC))
        guard watch >= 0 else { throw CommandFailure(description: "inotify: errno \(errno)") }
        defer { close(watch) }
        inotify_add_watch(watch, file.deletingLastPathComponent().path, UInt32(IN_CREATE))
        let end = ContinuousClock.now + deadline
        while access(file.path, F_OK) != 0 {
            if stop() || ContinuousClock.now >= end { return false }
            var descriptor = pollfd(fd: watch, events: Int16(POLLIN), revents: 0)
            // Woken by the file, or four times a second to see whether its maker still lives.
            if poll(&descriptor, 1, 250) > 0 {
                var buffer = [UInt8](repeating: 0, count: 4096)
                _ = read(watch, &buffer, buffer.count)
            }
        }
        return true
    }

    /// Returns once the file behind `watch` is written to, or after `deadline`.
    @concurrent static func waitForChange(of watch: Int32, within deadline: Duration) async {
        let milliseconds = Int32(
            clamping: deadline.components.seconds * 1000 + deadline.components.attoseconds
                / 1_000_000_000_000_000
        )
        var descriptor = pollfd(fd: watch, events: Int16(POLLIN), revents: 0)
        guard poll(&descriptor, 1, milliseconds) > 0 else { return }
        var buffer = [UInt8](repeating: 0, count: 4096)
        _ = read(watch, &buffer, buffer.count)
    }

    /// A watch on what is written to `file`, to be closed by whoever asked for it.
    static func watch(_ file: URL) throws -> Int32 {
        let watch = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
        guard watch >= 0 else { throw CommandFailure(description: "inotify: errno \(errno)") }
        inotify_add_watch(watch, file.path, UInt32(IN_MODIFY))
        return watch
    }
}
