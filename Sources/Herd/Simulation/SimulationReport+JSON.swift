// SPDX-License-Identifier: Apache-2.0

import Simulator
import Telemetry

/// The result as one JSON object; times in seconds.
extension SimulationReport {
    func json(hasTimeline: Bool) throws -> String {
        let document = Document(self, hasTimeline: hasTimeline)
        return String(decoding: try TelemetryJSON.encode(document), as: UTF8.self)
    }

    private struct Document: Encodable {
        let seed: UInt64
        let agents, origins, survivors: Int
        let faults: String
        let image: Times
        let blobs: [Times]
        let originCopies: Double
        let originCopiesEach: [Double]
        let lostUplink: LostUplink
        let control: Control
        let counters: [String: Int]
        let invariants: [String: Int]
        let violations: [String]
        let traceHash: String
        let wallSeconds: Double
        let rssBytes: Int
        let timeline: [String: [Double]]?

        enum CodingKeys: String, CodingKey {
            case seed, agents, origins, survivors, faults, image, blobs, control, counters,
                invariants, violations, timeline
            case originCopies = "origin_copies"
            case originCopiesEach = "origin_copies_each"
            case lostUplink = "lost_uplink"
            case traceHash = "trace_hash"
            case wallSeconds = "wall_seconds"
            case rssBytes = "rss_bytes"
        }

        init(_ report: SimulationReport, hasTimeline: Bool) {
            let result = report.result
            let plan = result.plan
            seed = plan.seed
            (agents, origins, survivors) = (plan.agents, plan.origins, result.survivors)
            faults = plan.faults.text
            image = Times(result.image)
            blobs = result.blobs.map(Times.init)
            // Of the origin that sent most.
            originCopies = result.originCopies.max() ?? 0
            originCopiesEach = result.originCopies
            lostUplink = LostUplink(result.ledger)
            control = Control(result)
            counters = Dictionary(uniqueKeysWithValues: result.counters)
            invariants = Dictionary(
                uniqueKeysWithValues: result.invariants.map {
                    ($0.invariant.rawValue, $0.violations)
                }
            )
            violations = report.violationLines
            traceHash = result.trace.description
            (wallSeconds, rssBytes) = (report.wallSeconds, report.residentBytes)
            guard hasTimeline else {
                timeline = nil
                return
            }
            timeline = [
                "busy": report.timeline(.busy),
                "wait_requests": report.timeline(.awaitingRequests),
                "wait_pieces": report.timeline(.awaitingPieces),
                "wait_announce": report.timeline(.awaitingAnnounce),
                "wait_connections": report.timeline(.awaitingConnections),
            ]
        }
    }

    private struct Times: Encodable {
        let p50, p90, p99, p999, makespan: Double
        let completed: Int
        let bound: Bound

        enum CodingKeys: String, CodingKey {
            case p50, p90, p99
            case p999 = "p99_9"
            case makespan, completed, bound
        }

        init(_ times: DownloadTimes) {
            (p50, p90, p99, p999) = (times.p50, times.p90, times.p99, times.p999)
            (makespan, completed) = (times.makespan, times.count)
            bound = Bound(
                tMin: times.bound.tMin,
                tStar: times.bound.tStar,
                binding: times.bound.binding.rawValue
            )
        }
    }

    private struct Bound: Encodable {
        let tMin, tStar: Double
        let binding: String

        enum CodingKeys: String, CodingKey {
            case tMin = "t_min"
            case tStar = "t_star"
            case binding
        }
    }

    /// Host-seconds. `lost` is the sum of the four `wait_…`; with `busy` it is all the time of uplinks.
    private struct LostUplink: Encodable {
        let busy, lost, waitRequests, waitPieces, waitAnnounce, waitConnections: Double
        let stages: [String: LostUplinkPart]

        enum CodingKeys: String, CodingKey {
            case busy, lost, stages
            case waitRequests = "wait_requests"
            case waitPieces = "wait_pieces"
            case waitAnnounce = "wait_announce"
            case waitConnections = "wait_connections"
        }

        init(_ ledger: UplinkLedger) {
            busy = ledger.total(.busy)
            lost = ledger.lost()
            waitRequests = ledger.total(.awaitingRequests)
            waitPieces = ledger.total(.awaitingPieces)
            waitAnnounce = ledger.total(.awaitingAnnounce)
            waitConnections = ledger.total(.awaitingConnections)
            stages = [
                "leeching": LostUplinkPart(ledger, .leeching),
                "seeding": LostUplinkPart(ledger, .seeding),
                "origin": LostUplinkPart(ledger, .origin),
            ]
        }
    }

    private struct LostUplinkPart: Encodable {
        let busy, lost, waitRequests, waitPieces, waitAnnounce, waitConnections: Double

        enum CodingKeys: String, CodingKey {
            case busy, lost
            case waitRequests = "wait_requests"
            case waitPieces = "wait_pieces"
            case waitAnnounce = "wait_announce"
            case waitConnections = "wait_connections"
        }

        init(_ ledger: UplinkLedger, _ stage: UplinkLedger.Stage) {
            busy = ledger.total(.busy, in: [stage])
            lost = ledger.lost(in: [stage])
            waitRequests = ledger.total(.awaitingRequests, in: [stage])
            waitPieces = ledger.total(.awaitingPieces, in: [stage])
            waitAnnounce = ledger.total(.awaitingAnnounce, in: [stage])
            waitConnections = ledger.total(.awaitingConnections, in: [stage])
        }
    }

    private struct Control: Encodable {
        let messages, bytes: Int
        let bytesPerPayloadByte, messagesPerPayloadByte: Double

        enum CodingKeys: String, CodingKey {
            case messages, bytes
            case bytesPerPayloadByte = "bytes_per_payload_byte"
            case messagesPerPayloadByte = "messages_per_payload_byte"
        }

        init(_ result: SimulationResult) {
            let payload = Double(max(1, result.payloadBytes))
            (messages, bytes) = (result.controlMessages, result.controlBytes)
            bytesPerPayloadByte = Double(bytes) / payload
            messagesPerPayloadByte = Double(messages) / payload
        }
    }
}
