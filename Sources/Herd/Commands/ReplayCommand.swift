// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import TUI
import Terminal

/// `herd replay FILE`: the terminal UI over a recorded run.
struct ReplayCommand: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "replay",
            abstract: "Watch a recorded run, or a log of events, in the terminal UI.",
            discussion: """
                FILE is what `herd up --record-run FILE` or `herd sim --record FILE` wrote, or a \
                network-event log of Kraken's.
                """
        )
    }

    @Argument(help: "The recording.")
    var file: String
    @Option(help: "Seconds of the recording for each second.")
    var pace = 1.0
    @OptionGroup var look: InterfaceOptions

    mutating func validate() throws {
        guard pace > 0, pace <= 1000 else { throw ValidationError("--pace is above 0, up to 1000") }
    }

    func run() async throws {
        // Said before the screen is taken.
        _ = try RecordFile(file).peek()
        let source = RecordingSource(path: file, pace: pace) {
            StandardError.tell("herd: \($0)")
        }
        let interface = LiveInterface(on: try look.display()) { _ in
            throw Failure("this can't be done", why: "a recording can't be changed")
        }
        let name = file.split(separator: "/").last.map(String.init) ?? file
        _ = await interface.runUntilSignal(name: name, source: .replay, source)
        try interface.checkScript()
    }
}
