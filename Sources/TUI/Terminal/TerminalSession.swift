// SPDX-License-Identifier: Apache-2.0

internal import CNcurses
import Glibc
import TUI
import Telemetry

/// The UI's thread: curses, the interface, the clock of what is drawn when.
///
/// Made on the thread that starts the UI, then used by the UI's own alone.
final class TerminalSession {
    /// What was left for the thread since it last looked.
    struct Mail {
        var picture: ClusterPicture?
        var results: [(text: String, isError: Bool)]
        /// Takes lines for the log.
        var keepLogs: ([LogLine]) -> Void
    }

    private let options: UserInterfaceOptions
    private let wake: WakePipe
    private let tty: CInt
    private let capture: StdioCapture
    private let screen: CursesScreen
    private let log: RotatingFile?
    private var interface: Interface
    private var recorder: CastRecorder?
    private var drawing = DrawingClock()
    private var lastFrame: Frame?

    init(_ options: UserInterfaceOptions, wake: WakePipe) throws {
        (self.options, self.wake) = (options, wake)
        // Curses shows nothing but blanks for glyphs that the locale lacks.
        let isUTF8 = herd_locale_is_utf8()
        tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)
        guard tty >= 0 else {
            throw TerminalError("no terminal: /dev/tty: \(String(cString: strerror(errno)))")
        }
        log = options.logFile.map { RotatingFile($0) }
        capture = try StdioCapture()
        do {
            herd_watch_window_changes(wake.writing)
            screen = try CursesScreen(
                descriptor: tty,
                term: options.colors == .truecolor ? "xterm-direct" : nil
            )
        } catch {
            _ = capture.end()
            Glibc.close(tty)
            throw error
        }
        var view = options.view
        view.size = screen.size
        view.glyphs = TerminalCapabilities.glyphs(asked: options.glyphs, isUTF8: isUTF8)
        view.colors = TerminalCapabilities.depth(
            offered: screen.depthOffered,
            choice: options.colors,
            noColor: Environment["NO_COLOR"]
        )
        view.zoneOffsetSeconds = Self.zoneOffset
        interface = Interface(view: view, historySeconds: options.historySeconds)
        herd_guard_arm(tty, capture.savedOutput, capture.savedError, capture.reading)
        herd_guard_install_handlers()
        herd_guard_use_alternate_stack()
    }

    /// Seconds east of UTC of the local time now.
    private static var zoneOffset: Int {
        var now = time(nil)
        var local = tm()
        return localtime_r(&now, &local) == nil ? 0 : Int(local.tm_gmtoff)
    }

    /// Gives the terminal back; what was printed meanwhile goes to the log.
    func close() {
        herd_guard_disarm()
        screen.close()
        // Also without a log: this puts standard output and error back.
        let rest = capture.end()
        log?.append(rest)
        Glibc.close(tty)
    }

    // MARK: - The loop

    /// Runs until `isStopping`.
    func run(
        mail: () -> Mail,
        take: (Effect) -> Void,
        isStopping: () -> Bool
    ) {
        herd_guard_use_alternate_stack()
        while !isStopping() {
            wait()
            let signals = wake.drain()
            if signals.isContinued { screen.resume() }
            if signals.isResized || signals.isContinued { resize(take) }
            let mail = mail()
            keepLogs(mail.keepLogs)
            if let picture = mail.picture {
                perform(interface.receive(picture), take)
                drawing.wantsPicture()
            }
            for result in mail.results {
                perform(interface.finish(result.text, isError: result.isError), take)
                drawing.wantsInput()
            }
            readInput(take)
            if drawing.isDue { draw() }
        }
        recorder?.finish()
        close()
    }

    /// Sleeps until something comes or a drawing is due.
    private func wait() {
        var descriptors = [
            pollfd(fd: tty, events: Int16(POLLIN), revents: 0),
            pollfd(fd: wake.reading, events: Int16(POLLIN), revents: 0),
            pollfd(fd: capture.reading, events: Int16(POLLIN), revents: 0),
        ]
        _ = poll(&descriptors, nfds_t(descriptors.count), drawing.millisecondsLeft)
        // A terminal that has gone away would end every wait at once.
        if descriptors[0].revents & Int16(POLLHUP | POLLERR | POLLNVAL) != 0 {
            usleep(Self.hangUpPause)
        }
    }

    /// Microseconds to rest when the terminal has hung up and the signal for that is on its way.
    private static let hangUpPause: useconds_t = 50_000

    private func keepLogs(_ keep: ([LogLine]) -> Void) {
        let lines = capture.lines()
        guard !lines.isEmpty else { return }
        log?.append(lines)
        let now = Timestamp.now
        keep(lines.map { PrintedLine.logLine($0, at: now) })
    }

    private func readInput(_ take: (Effect) -> Void) {
        for event in screen.input() {
            drawing.wantsInput()
            if event == .key(.control("z")) {
                suspend()
            } else {
                perform(interface.handle(event), take)
            }
        }
    }

    /// ^Z: the shell gets its terminal back until it continues us.
    private func suspend() {
        screen.suspend()
        raise(SIGSTOP)
        screen.resume()
        drawing.wantsInput()
    }

    private func resize(_ take: (Effect) -> Void) {
        perform(interface.handle(.resize(screen.size)), take)
        drawing.wantsInput()
    }

    private func draw() {
        let frame = interface.draw()
        screen.draw(frame, theme: interface.view.theme, depth: interface.view.colors)
        recorder?.record(frame)
        lastFrame = frame
        drawing.drew()
    }

    // MARK: - Effects

    private func perform(_ effects: [Effect], _ take: (Effect) -> Void) {
        for effect in effects {
            switch effect {
            case .redraw:
                screen.repaint()
                drawing.wantsInput()
            case .saveScreen: report { try saveScreen() }
            case .record(let isOn): report { try record(isOn) }
            case .copy(let text): copy(text)
            case .command, .quit, .interest: break
            }
            take(effect)
        }
    }

    private func report(_ work: () throws -> String) {
        do {
            _ = interface.finish(try work(), isError: false)
        } catch {
            _ = interface.finish("\(error)", isError: true)
        }
        drawing.wantsInput()
    }

    private func saveScreen() throws -> String {
        let frame = lastFrame ?? interface.draw()
        let base = "\(options.saveDirectory)/herd-\(FileStamp.now)"
        try SmallFile.write(frame.text + "\n", to: base + ".txt")
        let colored = AnsiEncoder.document(
            frame,
            theme: interface.view.theme,
            depth: max(interface.view.colors, .indexed256)
        )
        try SmallFile.write(colored, to: base + ".ansi")
        return "saved \(base).txt and .ansi"
    }

    private func record(_ isOn: Bool) throws -> String {
        if isOn {
            let path = "\(options.saveDirectory)/herd-\(FileStamp.now).cast"
            recorder = try CastRecorder(
                path,
                size: interface.view.size,
                theme: interface.view.theme
            )
            return "recording to \(path); ^r ends it"
        }
        defer { recorder = nil }
        recorder?.finish()
        return "recorded \(recorder?.path ?? "nothing")"
    }

    private func copy(_ text: String) { SmallFile.write(Clipboard.sequence(for: text), to: tty) }
}

/// When to draw: soon after input, at most ten times a second for pictures, and once a second for the clock.
struct DrawingClock {
    /// Milliseconds between two drawings because of input, of pictures, and of nothing.
    private static let inputInterval: Int64 = 33
    private static let pictureInterval: Int64 = 100
    private static let idleInterval: Int64 = 1000

    private var drawnAt: Int64 = 0
    private var interval = DrawingClock.inputInterval

    private static var now: Int64 { MonotonicTime.milliseconds }

    mutating func wantsInput() { interval = Self.inputInterval }
    mutating func wantsPicture() { interval = min(interval, Self.pictureInterval) }
    mutating func drew() { (drawnAt, interval) = (Self.now, Self.idleInterval) }

    var isDue: Bool { Self.now >= drawnAt + interval }
    /// Milliseconds until a drawing is due.
    var millisecondsLeft: CInt { CInt(clamping: max(0, drawnAt + interval - Self.now)) }
}
