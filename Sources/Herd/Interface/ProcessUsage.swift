// SPDX-License-Identifier: Apache-2.0

import Files
import Glibc
import Synchronization
import TUI

/// What this process uses of the machine, from `/proc`; read once a second at most.
final class ProcessUsage: Sendable {
    private struct State {
        var readAt: ContinuousClock.Instant?
        var usage = Sample.Process()
    }
    private let state = Mutex(State())
    private static let interval = Duration.seconds(1)

    /// The figures, a second old at most.
    var now: Sample.Process {
        state.withLock { state in
            let now = ContinuousClock.now
            if let readAt = state.readAt, readAt.duration(to: now) < Self.interval {
                return state.usage
            }
            state.readAt = now
            state.usage = Sample.Process(
                residentBytes: Self.residentBytes,
                openFiles: Self.openFiles,
                openFilesMax: OpenFiles.limit
            )
            return state.usage
        }
    }

    /// The second number of `statm` counts resident pages.
    private static var residentBytes: Int? {
        guard let file = fopen("/proc/self/statm", "re") else { return nil }
        defer { fclose(file) }
        var buffer = [CChar](repeating: 0, count: 128)
        guard fgets(&buffer, CInt(buffer.count), file) != nil else { return nil }
        let text = String(
            decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)),
            as: UTF8.self
        )
        let words = text.split(separator: " ")
        guard words.count > 1, let pages = Int(words[1]) else { return nil }
        return pages * Int(getpagesize())
    }

    private static var openFiles: Int? {
        guard let directory = opendir("/proc/self/fd") else { return nil }
        defer { closedir(directory) }
        var count = -3  // ".", ".." and the directory itself.
        while readdir(directory) != nil { count += 1 }
        return max(0, count)
    }
}
