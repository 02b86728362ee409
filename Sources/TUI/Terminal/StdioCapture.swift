// SPDX-License-Identifier: Apache-2.0

internal import CNcurses
import Glibc

/// Takes what is printed to standard output and error while the screen belongs to the UI: lines for its log.
///
/// Belongs to the UI's thread, but for the descriptors, which the crash guard knows.
final class StdioCapture {
    /// Copies of the descriptors that 1 and 2 were.
    let savedOutput: CInt
    let savedError: CInt
    /// The end of the pipe to read from; does not block.
    let reading: CInt
    private var rest: [UInt8] = []

    /// The longest line; what goes beyond becomes another line.
    private static let lineMax = 4096
    /// Room in the pipe, so that printing seldom waits.
    private static let pipeBytes: CInt = 1 << 20

    /// Puts a pipe in the place of standard output and error.
    init() throws {
        var (reading, writing): (CInt, CInt) = (-1, -1)
        // Neither end blocks: a print that finds the pipe full loses its text, it does not wait for the screen.
        guard herd_open_pipe(&reading, &writing, Self.pipeBytes) else {
            throw TerminalError("no pipe for what is printed: \(String(cString: strerror(errno)))")
        }
        savedOutput = fcntl(1, F_DUPFD_CLOEXEC, 3)
        savedError = fcntl(2, F_DUPFD_CLOEXEC, 3)
        self.reading = reading
        fflush(nil)
        dup2(writing, 1)
        dup2(writing, 2)
        Glibc.close(writing)
        // Lines, not blocks: what is printed shows at once.
        herd_buffer_output_by_line()
    }

    /// The whole lines that have come.
    func lines() -> [String] {
        var lines: [String] = []
        var buffer = [CChar](repeating: 0, count: 16384)
        while lines.count < Self.lineMax {
            let count = herd_guard_read_captured(reading, &buffer, buffer.count)
            guard count > 0 else { break }
            for character in buffer[..<count] {
                let byte = UInt8(bitPattern: character)
                if byte == UInt8(ascii: "\n") || rest.count >= Self.lineMax {
                    lines.append(String(decoding: rest, as: UTF8.self))
                    rest.removeAll(keepingCapacity: true)
                }
                if byte != UInt8(ascii: "\n") { rest.append(byte) }
            }
        }
        return lines
    }

    /// Puts standard output and error back; answers what was not read yet.
    func end() -> [String] {
        fflush(nil)
        dup2(savedOutput, 1)
        dup2(savedError, 2)
        var last = lines()
        if !rest.isEmpty { last.append(String(decoding: rest, as: UTF8.self)) }
        for descriptor in [savedOutput, savedError, reading] { Glibc.close(descriptor) }
        return last
    }
}
