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
    /// Something to say once there is a picture, whose time tells how long a message stays.
    private var note: String?

    init(_ options: UserInterfaceOptions, wake: WakePipe) throws {
        (self.options, self.wake) = (options, wake)
        // Curses shows nothing but blanks for glyphs that the locale lacks.
        let isUTF8 = TerminalCapabilities.takeLocale()
        tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)
        guard tty >= 0 else {
            throw TerminalError("no terminal: /dev/tty: \(String(cString: strerror(errno)))")
        }
        log = options.logFile.map { RotatingFile($0) }
        capture = try StdioCapture()
        do {
            CrashGuard.watch(with: wake)
            screen = try CursesScreen(
                descriptor: tty,
                terms: options.colors == .truecolor ? [Self.directColorTerm, nil] : [nil]
            )
        } catch {
            CrashGuard.disarm()
            _ = capture.end()
            Glibc.close(tty)
            throw error
        }
        CrashGuard.arm(for: capture, tty: tty)
        var view = options.view
        view.size = screen.size
        view.glyphs = TerminalCapabilities.glyphs(
            asked: options.glyphs,
            isUTF8: isUTF8,
            term: Environment["TERM"]
        )
        view.colors = TerminalCapabilities.depth(
            offered: screen.depthOffered,
            choice: options.colors,
            noColor: Environment["NO_COLOR"]
        )
        view.zoneOffsetSeconds = Self.zoneOffset
        interface = Interface(view: view, historySeconds: options.historySeconds)
        if options.colors == .truecolor, screen.term == nil, screen.depthOffered < .truecolor {
            note = "no truecolor: terminfo has no \(Self.directColorTerm) here"
        }
    }

    /// The description of terminals whose colours are 0xRRGGBB.
    private static let directColorTerm = "xterm-direct"

    /// Seconds east of UTC of the local time now.
    private static var zoneOffset: Int {
        var now = time(nil)
        var local = tm()
        return localtime_r(&now, &local) == nil ? 0 : Int(local.tm_gmtoff)
    }

    /// Gives the terminal back; what was printed meanwhile goes to the log.
    func close() {
        screen.close()
        CrashGuard.disarm()
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
            attend(to: wake.drain(), take)
            let mail = mail()
            keepLogs(mail.keepLogs)
            if let picture = mail.picture {
                perform(interface.receive(picture), take)
                if let note { _ = interface.finish(note, isError: true) }
                note = nil
                drawing.wantsPicture()
            }
            for result in mail.results {
                perform(interface.finish(result.text, isError: result.isError), take)
                drawing.wantsInput()
            }
            if holdTerminal(take) { readInput(take) }
            if drawing.isDue {
                // What was read may have been ^Z, and the shell have the terminal now.
                if screen.isOnScreen { draw() }
                drawing.drew()
            }
        }
        recorder?.finish()
        close()
    }

    /// Sleeps until something comes or a drawing is due.
    private func wait() {
        var descriptors = [
            // What is typed while another job has the terminal is meant for that one.
            pollfd(fd: screen.isOnScreen ? tty : -1, events: Int16(POLLIN), revents: 0),
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
                stop(wholeJob: true, take)
            } else {
                perform(interface.handle(event), take)
            }
        }
    }

    // MARK: - Jobs

    /// Does what signals have asked for.
    private func attend(to signals: WakePipe.Signals, _ take: (Effect) -> Void) {
        if signals.contains(.stop) { stop(wholeJob: false, take) }
        // Continued after a stop that can't be handled: who knows what the terminal is like.
        if signals.contains(.continued), screen.isOnScreen { screen.lose() }
        if signals.contains(.resized), screen.isOnScreen { resize(take) }
    }

    /// Gives the terminal back, then stops until somebody continues us, as a shell's `fg` does.
    ///
    /// - Parameter wholeJob: whether every process of the job stops, as with ^Z: whoever started us may wait for us.
    private func stop(wholeJob: Bool, _ take: (Effect) -> Void) {
        if screen.isInForeground { screen.suspend() } else { screen.lose() }
        herd_stop_job(wholeJob)
        // What was said of it meanwhile is known.
        _ = wake.drain()
        _ = holdTerminal(take)
    }

    /// Whether the terminal is ours to draw on and to read from, which it is again when the shell has put us into the
    /// foreground. Shells do not tell a job that ran in the background of that, so it is looked up.
    private func holdTerminal(_ take: (Effect) -> Void) -> Bool {
        guard screen.isInForeground else {
            screen.lose()
            return false
        }
        if !screen.isOnScreen {
            screen.resume()
            resize(take)
        }
        return screen.isOnScreen
    }

    private func resize(_ take: (Effect) -> Void) {
        perform(interface.handle(.resize(screen.size)), take)
        drawing.wantsInput()
    }

    private func draw() {
        let frame = interface.draw()
        screen.draw(frame, theme: interface.view.theme, depth: interface.view.colors)
        recorder?.record(frame, theme: interface.view.theme)
        recorder?.mark(interface.history.latest.marks + interface.view.marks)
        lastFrame = frame
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
                theme: interface.view.theme,
                known: interface.history.latest.marks + interface.view.marks
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
