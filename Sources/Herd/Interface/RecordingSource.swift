// SPDX-License-Identifier: Apache-2.0

import Files
import Glibc
import Primitives
import TUI
import Telemetry

/// A recorded run, or a log of events, as something to look at: its time passes at a chosen pace.
struct RecordingSource: PictureSource {
    private let path: String
    /// Seconds of the recording for each second.
    private let pace: Double
    private let problem: @Sendable (String) -> Void

    /// The pause between two looks.
    private static let interval = Duration.milliseconds(100)
    private static let chunkBytes = 1 << 20

    /// - Parameter problem: told when the file can't be read to its end.
    init(path: String, pace: Double, problem: @escaping @Sendable (String) -> Void) {
        (self.path, self.pace, self.problem) = (path, pace, problem)
    }

    func run(take: (Sample) -> Void) async {
        var player = RecordPlayer()
        do {
            let lines = try RecordFile(path)
            var next = ContinuousClock.now
            while !Task.isCancelled,
                let sample = try player.advance(Self.interval.seconds * pace, lines)
            {
                take(sample)
                next = max(next + Self.interval, .now)
                // The pace is the point: there is no event to wait for.
                try await Task.sleep(until: next, clock: .continuous)
            }
            if let last = player.last { try await linger(on: last, take) }
        } catch is CancellationError {
            // The UI was quit in the middle of it.
        } catch {
            problem("\(error)")
        }
    }

    /// The recording is over: its last moment stays, so that one can look around in it.
    private func linger(on last: Sample, _ take: (Sample) -> Void) async throws {
        while !Task.isCancelled {
            take(last)
            try await Task.sleep(for: .seconds(1))
        }
    }
}

/// The records of a file, one after another.
final class RecordFile {
    private let file: SharedFile
    private var offset = 0
    private var reader = RecordReader()
    private var records: ArraySlice<RecordLine> = []
    private var isAtEnd = false
    private static let chunkBytes = 1 << 20

    /// - Throws: `FileError` when the file can't be read.
    init(_ path: String) throws { file = try SharedFile.openForReading(path) }

    /// Lines that were no record.
    var badLineCount: Int { reader.badLineCount }

    /// The next record, without taking it; nil at the end.
    func peek() throws -> RecordLine? {
        while records.isEmpty, !isAtEnd {
            var buffer = [UInt8](repeating: 0, count: Self.chunkBytes)
            let count = try buffer.withUnsafeMutableBytes { try file.read(into: $0, at: offset) }
            offset += count
            if count == 0 {
                isAtEnd = true
                records = reader.finish().map { [$0] } ?? []
            } else {
                records = reader.read(buffer[..<count])[...]
            }
        }
        return records.first
    }

    /// Takes the record that ``peek()`` showed.
    func advance() { records = records.dropFirst() }
}

/// Puts records together into samples, a piece of time after another.
struct RecordPlayer {
    /// What was shown last, without its events.
    private(set) var last: Sample?
    private var now: Timestamp?
    private var replay = EventReplay()
    private var snapshot: ClusterSnapshot?
    private var sequence: UInt64 = 0

    /// A pause in a recording that is longer is cut to this.
    private static let gapMax: Int64 = 2_000_000_000

    /// What the next `seconds` bring; nil when the recording is over.
    mutating func advance(_ seconds: Double, _ file: RecordFile) throws -> Sample? {
        guard let first = try file.peek() else { return nil }
        let start = time(of: first)
        var target = Timestamp(
            unixNanoseconds: (now ?? start).unixNanoseconds &+ Int64(seconds * 1e9)
        )
        if start.unixNanoseconds &- target.unixNanoseconds > Self.gapMax { target = start }
        var events: [ClusterEvent] = []
        while let record = try file.peek(), time(of: record) <= target {
            file.advance()
            switch record {
            case .header: break
            case .snapshot(let next): snapshot = next
            case .event(let event): events.append(number(replay.take(event)))
            }
        }
        now = target
        var sample = Sample(snapshot: snapshot ?? replay.snapshot(at: target))
        sample.snapshot.takenAt = target
        last = sample
        sample.events = events
        return sample
    }

    private func time(of record: RecordLine) -> Timestamp {
        switch record {
        case .header(let header): header.startedAt
        case .snapshot(let snapshot): snapshot.takenAt
        case .event(let event): event.timestamp
        }
    }

    /// Kraken numbers nothing: its events are numbered by their place.
    private mutating func number(_ event: ClusterEvent) -> ClusterEvent {
        sequence += 1
        guard event.sequence == 0 else { return event }
        var event = event
        event.sequence = sequence
        return event
    }
}

/// Writes what a UI is shown into a file that ``RecordingSource`` reads.
final class SampleRecorder {
    private var file: UnsafeMutablePointer<FILE>?
    private var second: Int64 = 0
    /// What each component said of its configuration last.
    private var settings: [String: [SettingStatus]] = [:]

    /// - Throws: ``Failure`` when the file can't be made.
    init(_ path: String, cluster: String) throws {
        file = fopen(path, "we")
        guard file != nil else {
            throw Failure("cannot record to \(path)", why: String(cString: strerror(errno)))
        }
        append(.header(RecordHeader(cluster: cluster, startedAt: .now)))
    }

    deinit { if let file { fclose(file) } }

    /// Appends the events of `sample`, and its snapshot once a second.
    func record(_ sample: Sample) {
        for event in sample.events { append(.event(event)) }
        let second = sample.snapshot.takenAt.unixNanoseconds / 1_000_000_000
        guard second != self.second else { return }
        self.second = second
        append(.snapshot(withNews(sample.snapshot)))
        if let file { fflush(file) }
    }

    /// `snapshot` without the configurations that it repeats.
    private func withNews(_ snapshot: ClusterSnapshot) -> ClusterSnapshot {
        var snapshot = snapshot
        for index in snapshot.components.indices {
            let component = snapshot.components[index]
            if component.settings == settings[component.id] {
                snapshot.components[index].settings = nil
            } else if let settings = component.settings {
                self.settings[component.id] = settings
            }
        }
        return snapshot
    }

    private func append(_ line: RecordLine) {
        // A line that can't be written is missing from the recording; the run goes on.
        guard let file, let bytes = try? line.encoded() else { return }
        _ = bytes.withUnsafeBytes { fwrite($0.baseAddress, 1, $0.count, file) }
    }
}
