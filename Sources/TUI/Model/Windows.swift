// SPDX-License-Identifier: Apache-2.0

package import Telemetry

/// A queue of work that must finish, and how it went over the last minute.
package struct QueueRow: Equatable, Sendable, Identifiable {
    /// The component whose queue it is.
    package var component: String
    /// What it says of itself.
    package var status: QueueStatus
    /// Finished in the last minute.
    package var doneLastMinute = 0
    /// Pending and failed tasks, one sample a second, the latest last; at most ``historyCount``.
    package var pendingHistory: [Int] = []
    /// The same for tasks that failed.
    package var failedHistory: [Int] = []
    /// Of tasks of write-backs, by their names: the other origins that are known to hold the blob, by their short names.
    package var otherHolders: [String: [String]] = [:]

    /// How many samples are kept.
    package static let historyCount = 60

    package var id: String { "\(component)/\(status.name)/\(status.target ?? "")" }
    /// Whether it needs looking at: something failed, or was given up.
    package var isTroubled: Bool { status.failedCount > 0 || (status.deadCount ?? 0) > 0 }
    /// The queue of `component` now.
    package init(component: String, status: QueueStatus) {
        (self.component, self.status) = (component, status)
    }
}

/// One line of a log.
package struct LogLine: Equatable, Sendable {
    /// When it was written, as far as is known.
    package var at: Timestamp
    /// `info`, `warning` …; empty for text that did not come through the log.
    package var level: String
    /// Who wrote it; empty where nobody says.
    package var component: String
    /// What it says, in one column for each scalar.
    package var text: String
    /// A line; its text is made fit to be drawn.
    package init(at: Timestamp, level: String, component: String, text: String) {
        (self.at, self.level, self.component) = (at, level, component)
        self.text = text.oneColumnPerScalar
    }
}

/// The latest log lines, oldest first.
package struct LogWindow: Equatable, Sendable {
    /// The lines.
    package var lines: [LogLine] = []
    /// Lines lost.
    package var droppedCount = 0
    /// How many lines are kept.
    package static let linesMax = 10_000
    /// A window on nothing.
    package init() {}
}

/// Rates over the last minute, ten samples a second; all arrays have the same length, the latest sample is the last.
package struct RateSeries: Equatable, Sendable {
    /// Bytes per second into agents, out of origins, out of agents.
    package var download: [Double] = []
    /// Bytes per second out of origins.
    package var originUpload: [Double] = []
    /// Bytes per second out of agents.
    package var agentUpload: [Double] = []
    /// Tasks that wait or failed, over all queues.
    package var queued: [Double] = []
    /// The number of the latest sample since the beginning: graphs pair samples by it, so that they scroll steadily.
    package var lastIndex = 0

    /// How many samples are kept.
    package static let samplesMax = 600
    /// A series of nothing.
    package init() {}

    /// Appends a sample as often as `times` says: as many tenths of a second as have passed.
    package mutating func append(
        times: Int = 1,
        download: Double,
        originUpload: Double,
        agentUpload: Double,
        queued: Double
    ) {
        let times = max(1, times)
        Self.append(download, times, to: &self.download)
        Self.append(originUpload, times, to: &self.originUpload)
        Self.append(agentUpload, times, to: &self.agentUpload)
        Self.append(queued, times, to: &self.queued)
        lastIndex += times
    }

    /// How the latest sample compares with that of a second before: up or down by more than a fifth, else neither.
    package static func trend(_ samples: [Double]) -> Trend? {
        guard samples.count > samplesPerSecond, let now = samples.last else { return nil }
        let before = samples[samples.count - 1 - samplesPerSecond]
        guard now.isFinite, before.isFinite, now != before else { return nil }
        if now > before { return now > before * 1.2 ? .up : nil }
        return now < before * 0.8 ? .down : nil
    }

    /// A number that has just changed.
    package enum Trend: String, Sendable {
        case up = "▴"
        case down = "▾"
    }

    private static let samplesPerSecond = 10

    private static func append(_ sample: Double, _ times: Int, to samples: inout [Double]) {
        samples.append(contentsOf: repeatElement(sample, count: times))
        let surplus = samples.count - samplesMax
        if surplus > 0 { samples.removeFirst(surplus) }
    }
}
