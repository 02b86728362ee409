// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Files
import TUI
import Terminal

/// The options about the terminal UI that several commands share.
struct InterfaceOptions: ParsableArguments {
    @Option(help: "Colours: auto, always, never or truecolor.", transform: Self.color)
    var color = ColorChoice.auto
    @Option(help: "Glyphs: auto, braille, block, console or ascii.", transform: Self.glyphs)
    var glyphs: GlyphSet?
    @Option(help: "Theme: dark, light or mono.", transform: Self.theme)
    var theme = Theme.Name.dark

    private static func color(_ text: String) throws -> ColorChoice {
        guard let choice = ColorChoice(rawValue: text) else {
            throw ValidationError("--color is auto, always, never or truecolor")
        }
        return choice
    }

    private static func glyphs(_ text: String) throws -> GlyphSet? {
        if text == "auto" { return nil }
        guard let glyphs = GlyphSet(rawValue: text) else {
            throw ValidationError("--glyphs is auto, braille, block, console or ascii")
        }
        return glyphs
    }

    private static func theme(_ text: String) throws -> Theme.Name {
        guard let theme = Theme.Name(rawValue: text) else {
            throw ValidationError("--theme is dark, light or mono")
        }
        return theme
    }

    @Option(help: "Seconds of the past that can be gone back to.")
    var history = Int(History.spanSecondsDefault)
    @Option(help: "Record what the terminal UI sees to this file, for `herd replay`.")
    var recordRun: String?
    @Option(help: "Print one frame of this size, such as 120x36, and end.", transform: Self.size)
    var frame: Size?
    @Option(help: "The screen of --frame: overview, swarm … explain.", transform: Self.screenName)
    var screen: Screen?
    @Flag(help: "Print --frame with colours.")
    var ansi = false
    @Option(help: "Play this script of keys instead of reading the keyboard.")
    var keys: String?
    @Option(help: "Where frames that --keys asks for are kept.")
    var frames = "."

    private static func size(_ text: String) throws -> Size {
        guard let size = OptionValue.size(text) else {
            throw ValidationError("\(text) is no size; write it like 120x36")
        }
        return size
    }

    private static func screenName(_ text: String) throws -> Screen {
        guard let screen = Screen(rawValue: text) else {
            let names = Screen.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("--screen is one of \(names)")
        }
        return screen
    }

    /// Whether frames are drawn without a terminal.
    var isScripted: Bool { frame != nil || keys != nil }

    /// The terminal UI's set-up; what is printed is kept in `logFile`.
    private func userInterface(logFile: String? = nil) -> UserInterfaceOptions {
        var options = UserInterfaceOptions()
        options.view.theme = theme
        options.view.screen = screen ?? .overview
        (options.glyphs, options.colors) = (glyphs, color)
        options.logFile = logFile
        options.historySeconds = Double(history)
        return options
    }

    /// Where pictures are shown: the terminal, or the script that was asked for.
    /// - Throws: ``Failure`` where there is no terminal.
    func display(logFile: String? = nil) throws -> any Display {
        if isScripted { return try scripted() }
        if let obstacle = UserInterfaceLoop.obstacle {
            throw Failure("there is no terminal for this", why: obstacle)
        }
        Backtraces.askNothing()
        return try UserInterfaceLoop(userInterface(logFile: logFile))
    }

    /// The size of the screen that scripts are played on unless they say another.
    private static let scriptSize = Size(width: 120, height: 36)
    private static let scriptBytesMax = 1 << 20

    private func scripted() throws -> ScriptedDisplay {
        let script: InterfaceScript
        if let keys {
            guard let bytes = try AtomicFile.read(keys, bytesMax: Self.scriptBytesMax) else {
                throw Failure("cannot read \(keys)", why: "there is no such file")
            }
            script = try InterfaceScript(String(decoding: bytes, as: UTF8.self))
        } else {
            script = InterfaceScript(steps: [
                .wait(Self.readyText), .advance(.seconds(1)), ansi ? .ansi("") : .frame(""),
            ])
        }
        let directory = frames
        return ScriptedDisplay(
            userInterface(),
            size: frame ?? Self.scriptSize,
            script: script
        ) { name, text in
            if name.isEmpty {
                print(text, terminator: "")
            } else {
                try Directory.create(directory)
                try AtomicFile.write(Array(text.utf8), to: "\(directory)/\(name)", durable: false)
            }
        }
    }

    /// What every screen shows once there is a picture: the dot before the name of the source.
    private static let readyText = "● "
}
