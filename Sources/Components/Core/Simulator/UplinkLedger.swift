// SPDX-License-Identifier: Apache-2.0

/// Where the time of uplinks goes: each instant of each host belongs to exactly one activity, so the parts add up.
package struct UplinkLedger: Sendable, Hashable {
    /// What an uplink does, or waits for. The order is that of the question asked: the first that holds.
    package enum Activity: Int, CaseIterable, Sendable {
        /// A piece goes out.
        case busy
        /// A connected peer lacks a piece that this host holds, and does not ask for it.
        case awaitingRequests
        /// There are connections, but whoever is connected has all that this host holds.
        case awaitingPieces
        /// No connection; a tracker has not answered yet.
        case awaitingAnnounce
        /// No connection, and none is to be expected from a tracker.
        case awaitingConnections
        /// The host is down, or has not begun.
        case absent
    }

    /// In which part of its life a host is.
    package enum Stage: Int, CaseIterable, Sendable {
        /// An agent that lacks a blob.
        case leeching
        /// An agent that has all blobs.
        case seeding
        /// An origin.
        case origin
    }

    /// Nanoseconds by stage, activity and second of virtual time.
    private var seconds: [[Int64]]
    private static let activityCount = Activity.allCases.count
    private static let second: Int64 = 1_000_000_000

    init() {
        seconds = Array(repeating: [], count: Stage.allCases.count * Self.activityCount)
    }

    mutating func add(_ activity: Activity, _ stage: Stage, from start: Int64, to end: Int64) {
        guard end > start else { return }
        let row = stage.rawValue * Self.activityCount + activity.rawValue
        let last = Int((end - 1) / Self.second)
        while seconds[row].count <= last { seconds[row].append(0) }
        var from = start
        while from < end {
            let second = from / Self.second
            let to = min(end, (second + 1) * Self.second)
            seconds[row][Int(second)] += to - from
            from = to
        }
    }

    /// Host-seconds of `activity`, in `stages`.
    package func total(_ activity: Activity, in stages: [Stage] = Stage.allCases) -> Double {
        Double(stages.reduce(Int64(0)) { $0 + nanoseconds(activity, $1) }) / 1e9
    }

    /// Host-seconds in which an uplink could have sent and did not.
    package func lost(in stages: [Stage] = Stage.allCases) -> Double {
        let idle: [Activity] = [
            .awaitingRequests, .awaitingPieces, .awaitingAnnounce, .awaitingConnections,
        ]
        return idle.reduce(0) { $0 + total($1, in: stages) }
    }

    /// Host-seconds of `activity` in `stage`, second by second of virtual time.
    package func timeline(_ activity: Activity, _ stage: Stage) -> [Double] {
        seconds[stage.rawValue * Self.activityCount + activity.rawValue].map { Double($0) / 1e9 }
    }

    /// The time of all hosts together, whatever they did.
    var nanosecondsInAll: Int64 { seconds.reduce(0) { $0 + $1.reduce(0, +) } }

    /// Exact, for checks.
    func nanoseconds(_ activity: Activity, _ stage: Stage) -> Int64 {
        seconds[stage.rawValue * Self.activityCount + activity.rawValue].reduce(0, +)
    }
}
