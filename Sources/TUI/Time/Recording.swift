// SPDX-License-Identifier: Apache-2.0

package import Telemetry

/// What a recording is of: its first line.
package struct RecordHeader: Codable, Hashable, Sendable {
    /// The version of the format; readers accept higher ones, which only add keys.
    package static let currentVersion = 1

    /// The version it is written in.
    package var version = RecordHeader.currentVersion
    /// What the cluster is called.
    package var cluster: String
    /// When the recording began.
    package var startedAt: Timestamp

    /// The beginning of a recording of `cluster`.
    package init(cluster: String, startedAt: Timestamp) {
        (self.cluster, self.startedAt) = (cluster, startedAt)
    }

    private enum CodingKeys: String, CodingKey {
        case version, cluster
        case startedAt = "started_at"
    }
}

/// One line of a recording: a JSON object with one key, `header`, `snapshot` or `event`.
///
/// A line of Kraken's own network-event log, whose `event` is a name, is read as an event, too.
package enum RecordLine: Hashable, Sendable {
    case header(RecordHeader)
    case snapshot(ClusterSnapshot)
    case event(ClusterEvent)

    /// The line with its end.
    package func encoded() throws -> [UInt8] { try TelemetryJSON.encode(self) + [0x0A] }

    /// The line in `bytes`; nil when they are none.
    package init?(decoding bytes: some Sequence<UInt8>) {
        let bytes = Array(bytes)
        if let line = try? TelemetryJSON.decode(RecordLine.self, from: bytes) {
            // Any failure means that it is not one of ours: it may be one of Kraken's.
            self = line
        } else if let event = try? TelemetryJSON.decode(KrakenEvent.self, from: bytes) {
            // Any failure means that it is nothing at all.
            self = .event(event.event)
        } else {
            return nil
        }
    }
}

extension RecordLine: Codable {
    private enum CodingKeys: String, CodingKey { case header, snapshot, event }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        if container.contains(.header) {
            self = .header(try container.decode(RecordHeader.self, forKey: .header))
        } else if container.contains(.snapshot) {
            self = .snapshot(try container.decode(ClusterSnapshot.self, forKey: .snapshot))
        } else {
            self = .event(try container.decode(ClusterEvent.self, forKey: .event))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .header(let header): try container.encode(header, forKey: .header)
        case .snapshot(let snapshot): try container.encode(snapshot, forKey: .snapshot)
        case .event(let event): try container.encode(event, forKey: .event)
        }
    }
}

/// A line of a network-event log as Kraken writes it, with what it leaves out.
/// - Source: uber/kraken lib/torrent/networkevent/event.go.
struct KrakenEvent: Decodable {
    let event: ClusterEvent

    private enum CodingKeys: String, CodingKey {
        case bitfield
        case capacity = "conn_capacity"
    }

    init(from decoder: any Decoder) throws {
        var event = try ClusterEvent(from: decoder)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let isOfPiece = event.kind == .requestPiece || event.kind == .receivePiece
        // Zero is left out.
        if isOfPiece, event.piece == nil { event.piece = 0 }
        if let bits = try container.decodeIfPresent([Bool].self, forKey: .bitfield) {
            var detail = event.detail ?? [:]
            detail["bitfield"] = String(bits.map { $0 ? "#" : "." })
            (detail["held"], detail["pieces"]) = ("\(bits.count { $0 })", "\(bits.count)")
            event.detail = detail
        }
        if let capacity = try container.decodeIfPresent(Int.self, forKey: .capacity) {
            event.detail = (event.detail ?? [:]).merging(["capacity": "\(capacity)"]) { old, _ in
                old
            }
        }
        self.event = event
    }
}

/// Reads a recording, or a network-event log, in parts of any size. Lines that are neither are counted and passed over.
package struct RecordReader: Sendable {
    /// How many lines were no record.
    package private(set) var badLineCount = 0
    /// How many lines were read, bad ones included.
    package private(set) var lineCount = 0
    private var pending: [UInt8] = []
    private var isTooLong = false

    /// Longer lines are bad. A snapshot of thousands of peers is some megabytes.
    package static let lineBytesMax = 64 << 20

    /// A reader before its first line.
    package init() {}

    /// The records that end in `bytes`.
    package mutating func read(_ bytes: some Sequence<UInt8>) -> [RecordLine] {
        var lines: [RecordLine] = []
        for byte in bytes {
            if byte == 0x0A {
                if let line = endLine() { lines.append(line) }
            } else if pending.count < Self.lineBytesMax {
                pending.append(byte)
            } else {
                isTooLong = true
            }
        }
        return lines
    }

    /// The record at the end, if the last line has none.
    package mutating func finish() -> RecordLine? { endLine() }

    private mutating func endLine() -> RecordLine? {
        defer {
            pending.removeAll(keepingCapacity: true)
            isTooLong = false
        }
        guard pending.contains(where: { $0 > 0x20 }) else { return nil }
        lineCount += 1
        guard !isTooLong, let line = RecordLine(decoding: pending) else {
            badLineCount += 1
            return nil
        }
        // Kraken numbers nothing; its lines are told apart by their place.
        guard case .event(var event) = line, event.sequence == 0 else { return line }
        event.sequence = UInt64(lineCount)
        return .event(event)
    }
}
