// SPDX-License-Identifier: Apache-2.0

internal import CNcurses
import Glibc
import Synchronization
package import TUI
import Telemetry

/// How the terminal UI is set up.
package struct UserInterfaceOptions: Sendable {
    /// The view to begin with.
    package var view = ViewState()
    /// The glyphs to use; nil for the best there are.
    package var glyphs: GlyphSet?
    /// How many colours to use.
    package var colors = ColorChoice.auto
    /// Seconds of the past that can be gone back to.
    package var historySeconds = History.spanSecondsDefault
    /// Where screens and recordings are saved.
    package var saveDirectory = "."
    /// Where what is printed is kept; nil keeps it on the screen only.
    package var logFile: String?
    /// The usual set-up.
    package init() {}
}

/// The terminal UI: one thread that owns curses and sleeps until there is input, a new picture, or a second has passed.
///
/// Everything else talks to it through a mailbox in which the newest picture wins; nobody ever waits for the screen.
package final class UserInterfaceLoop: Sendable {
    /// What others leave for the thread.
    private struct Mailbox {
        var picture: ClusterPicture?
        var results: [(text: String, isError: Bool)] = []
        var logs: [LogLine] = []
        var isStopping = false
        var isRunning = false
    }

    private let options: UserInterfaceOptions
    private let mailbox = Mutex(Mailbox())
    private let wake: WakePipe
    private let thread = Mutex<pthread_t?>(nil)

    /// Why there can be no UI here; nil when there can be one.
    package static var obstacle: String? {
        TerminalCapabilities.obstacle(
            term: Environment["TERM"],
            isTerminal: isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1
        )
    }

    /// A UI that ``start(_:)`` opens.
    package init(_ options: UserInterfaceOptions) throws {
        self.options = options
        wake = try WakePipe()
    }

    /// Opens the terminal and runs; effects are handed to `take` on the UI's thread, which they must not hold up.
    /// - Throws: ``TerminalError``.
    package func start(_ take: @escaping @Sendable (Effect) -> Void) throws {
        let session = try TerminalSession(options, wake: wake)
        mailbox.withLock { $0.isRunning = true }
        // The session is made here, so that the caller learns of errors, and from here on belongs to the thread alone.
        let work = ThreadWork { [self] in
            session.run(mail: { self.takeMail() }, take: take, isStopping: { self.isStopping })
        }
        let box = Unmanaged.passRetained(work)
        var handle = pthread_t()
        let failure = pthread_create(
            &handle,
            nil,
            { pointer in
                guard let pointer else { return nil }
                Unmanaged<ThreadWork>.fromOpaque(pointer).takeRetainedValue().run()
                return nil
            },
            box.toOpaque()
        )
        guard failure == 0 else {
            box.release()
            session.close()
            throw TerminalError("no thread for the terminal: \(String(cString: strerror(failure)))")
        }
        // So that one finds in a process list what drawing costs.
        herd_name_thread(handle, Self.threadName)
        thread.withLock { $0 = handle }
    }

    /// Shows `picture` soon; one that was not drawn yet is dropped.
    package func show(_ picture: ClusterPicture) {
        mailbox.withLock { $0.picture = picture }
        wake.signal()
    }

    /// Tells how a command ended.
    package func finish(_ text: String, isError: Bool) {
        mailbox.withLock { $0.results.append((text, isError)) }
        wake.signal()
    }

    /// The lines that were printed since the last call; for the pictures' log window.
    package func takeLogs() -> [LogLine] {
        mailbox.withLock { mailbox in
            defer { mailbox.logs = [] }
            return mailbox.logs
        }
    }

    /// Gives the terminal back and returns once the thread has ended, or is stuck in a terminal that nobody reads.
    package func stop() {
        mailbox.withLock { $0.isStopping = true }
        wake.signal()
        let handle = thread.withLock { handle in
            defer { handle = nil }
            return handle
        }
        guard let handle else { return }
        // A terminal that nobody reads may hold the thread in the middle of a frame: then it is left there.
        if !herd_join_thread(handle, Self.joinMilliseconds) { CrashGuard.restoreTerminal() }
    }

    private static let threadName = "herd-screen"
    /// How long the end of the thread is waited for.
    private static let joinMilliseconds: CInt = 2000

    private var isStopping: Bool { mailbox.withLock { $0.isStopping } }

    private func takeMail() -> TerminalSession.Mail {
        mailbox.withLock { mailbox in
            defer { (mailbox.picture, mailbox.results) = (nil, []) }
            return TerminalSession.Mail(picture: mailbox.picture, results: mailbox.results) {
                [self] lines in
                self.mailbox.withLock { mailbox in
                    mailbox.logs.append(contentsOf: lines)
                    // Pictures may have stopped coming: what is kept for them is bounded.
                    let surplus = mailbox.logs.count - LogWindow.linesMax
                    if surplus > 0 { mailbox.logs.removeFirst(surplus) }
                }
            }
        }
    }
}

/// What a thread does.
private final class ThreadWork {
    let run: () -> Void
    init(_ run: @escaping () -> Void) { self.run = run }
}

/// A pipe whose only use is to end a `poll`.
final class WakePipe: Sendable {
    let reading: CInt
    let writing: CInt

    init() throws {
        var (reading, writing): (CInt, CInt) = (-1, -1)
        guard herd_open_pipe(&reading, &writing, 0) else {
            throw TerminalError("no pipe: \(String(cString: strerror(errno)))")
        }
        (self.reading, self.writing) = (reading, writing)
    }

    deinit {
        Glibc.close(reading)
        Glibc.close(writing)
    }

    /// Wakes whoever polls. A full pipe wakes it as well.
    func signal() {
        var byte = UInt8(ascii: "m")
        _ = write(writing, &byte, 1)
    }

    /// What signals had to say.
    struct Signals: OptionSet {
        let rawValue: Int
        /// The terminal's size may have changed.
        static let resized = Signals(rawValue: 1)
        /// The process was stopped, and is continued.
        static let continued = Signals(rawValue: 2)
        /// The process is asked to stop for a while.
        static let stop = Signals(rawValue: 4)

        fileprivate static let byByte: [UInt8: Signals] = [
            UInt8(ascii: "w"): .resized, UInt8(ascii: "c"): .continued, UInt8(ascii: "t"): .stop,
        ]
    }

    /// Empties the pipe; answers what signals have put into it.
    func drain() -> Signals {
        var buffer = [UInt8](repeating: 0, count: 256)
        var signals: Signals = []
        while true {
            let count = read(reading, &buffer, buffer.count)
            guard count > 0 else { return signals }
            for byte in buffer[..<count] { signals.formUnion(Signals.byByte[byte] ?? []) }
        }
    }
}
