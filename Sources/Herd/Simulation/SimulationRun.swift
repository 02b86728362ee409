// SPDX-License-Identifier: Apache-2.0

import Glibc
import Primitives
import Simulator
import Telemetry

/// One simulation from start to end, with a picture of its progress on a terminal.
enum SimulationRun {
    /// Events between two looks at the clock.
    private static let portion = 50_000

    /// Runs `plan`; what happens is recorded in the file `path`, if there is one.
    static func run(
        _ plan: SimulationPlan,
        recordingTo path: String?
    ) throws -> SimulationReport {
        let start = ContinuousClock.now
        var simulation = try Simulation(plan)
        let recorder = try path.map { try SimulationRecorder(path: $0, of: simulation) }
        if let recorder {
            simulation.observer = { recorder.record($0, $1, $2) }
        }
        var bar = SimulationBar()
        while simulation.run(events: portion) { bar.draw(simulation) }
        bar.end()
        let took = start.duration(to: .now)
        try recorder?.close()
        return SimulationReport(
            result: simulation.result(),
            wallSeconds: took.seconds,
            residentBytes: peakResidentBytes()
        )
    }

    /// The most memory this process ever had.
    static func peakResidentBytes() -> Int {
        guard let file = fopen("/proc/self/status", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        while fgets(&line, CInt(line.count), file) != nil {
            let text = String(
                decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)),
                as: UTF8.self
            )
            guard text.hasPrefix("VmHWM:") else { continue }
            let digits = text.filter { $0.isASCII && $0.isNumber }
            return (Int(digits) ?? 0) << 10
        }
        return 0
    }
}

/// A line on standard error that is drawn over and over, when that is a terminal.
struct SimulationBar {
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var drawnAt: ContinuousClock.Instant?
    private static let interval = Duration.milliseconds(100)
    private static let width = 30

    /// Draws how far `simulation` has come, unless it just did.
    mutating func draw(_ simulation: Simulation) {
        let now = ContinuousClock.now
        guard isTerminal, drawnAt.map({ now - $0 >= Self.interval }) ?? true else { return }
        drawnAt = now
        StandardError.write("\r" + Self.picture(simulation.progress, simulation.stage))
    }

    /// Wipes the line.
    func end() {
        if drawnAt != nil { StandardError.write("\r" + String(repeating: " ", count: 78) + "\r") }
    }

    static func picture(_ progress: SimulationProgress, _ stage: Simulation.Stage) -> String {
        let filled = max(0, min(width, Int(progress.share * Double(width))))
        let bar =
            String(repeating: "=", count: filled) + String(repeating: " ", count: width - filled)
        let time = progress.seconds.fixed(3) + " s"
        let text: String
        switch stage {
        case .downloading:
            text = "\(progress.downloads - progress.pending) of \(progress.downloads) downloads"
        case .releasing, .done: text = "releasing memory"
        }
        return "sim [\(bar)] \(time) virtual, \(text)".padded(to: 78)
    }
}

extension Double {
    /// The number with `digits` decimals.
    func fixed(_ digits: Int) -> String {
        let scale = (0..<digits).reduce(1.0) { value, _ in value * 10 }
        let scaled = (self.magnitude * scale).rounded()
        guard scaled < 1e18 else { return "\(self)" }
        let (whole, rest) = Int64(scaled).quotientAndRemainder(dividingBy: Int64(scale))
        let sign = self < 0 && scaled > 0 ? "-" : ""
        guard digits > 0 else { return "\(sign)\(whole)" }
        let decimals = String(rest)
        return "\(sign)\(whole)." + String(repeating: "0", count: digits - decimals.count)
            + decimals
    }
}
