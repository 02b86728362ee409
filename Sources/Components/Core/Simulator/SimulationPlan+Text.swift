// SPDX-License-Identifier: Apache-2.0

import Primitives
import SwarmCore
import TrackerCore

/// Plans as people write them: a scenario file has one setting a line, named like the options of `herd sim`.
extension SimulationPlan {
    /// The settings that ``set(_:to:)`` knows.
    package static let settings = [
        "agents", "policy", "origins", "replicas", "trackers", "zones", "blob", "piece",
        "bandwidth",
        "origin-bandwidth", "zone-bandwidth", "latency", "jitter", "zone-latency", "join",
        "tracker-response", "announce-interval", "handout", "handout-order", "commit-time",
        "deadline", "seed", "fault",
    ]

    /// Applies the lines of a scenario: `agents 500`, `blob 1.5GB`, `fault crash:20%@5s`. What follows a `#` is a comment.
    /// The first `blob` of a scenario replaces those of the plan, further ones are added.
    /// - Throws: ``PlanError`` with the number of the line.
    package mutating func apply(scenario text: String) throws(PlanError) {
        var hasBlob = false
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false)
            .enumerated()
        {
            let content = line.prefix { $0 != "#" }
            let words = content.split(maxSplits: 1, whereSeparator: \.isWhitespace)
            guard let name = words.first else { continue }
            let value = words.count == 2 ? words[1].trimmed : ""
            if name == "blob", !hasBlob {
                blobBytes = []
                hasBlob = true
            }
            do {
                try set(String(name), to: value)
            } catch {
                throw PlanError(what: "line \(index + 1): \(error.what)", why: error.why)
            }
        }
    }

    /// Changes one setting; `blob` and `fault` add to what there is.
    /// - Throws: ``PlanError`` when there is no such setting or the value does not fit it.
    package mutating func set(_ name: String, to value: String) throws(PlanError) {
        let confusion = PlanError(what: "\(name) \(value)", why: "that is no value for \(name)")
        func number() throws(PlanError) -> Int {
            guard let number = Int(value) else { throw confusion }
            return number
        }
        func time() throws(PlanError) -> Duration {
            guard let time = Duration(parsing: value) else { throw confusion }
            return time
        }
        func rate() throws(PlanError) -> ByteRate {
            guard let rate = ByteRate(parsing: value) else { throw confusion }
            return rate
        }
        func size() throws(PlanError) -> Int {
            guard let size = ByteCount(parsing: value) else { throw confusion }
            return size.bytes
        }
        switch name {
        case "agents": agents = try number()
        case "policy":
            guard let known = SwarmPolicy.Preset(rawValue: value) else { throw confusion }
            policy = known.policy
        case "origins": origins = try number()
        case "replicas": replicas = try number()
        case "trackers": trackers = try number()
        case "zones": zones = try number()
        case "handout": handoutAgents = try number()
        case "blob": blobBytes.append(try size())
        case "piece": pieceBytes = try size()
        case "bandwidth": bandwidth = try rate()
        case "origin-bandwidth": originBandwidth = try rate()
        case "zone-bandwidth": zoneBandwidth = try rate()
        case "latency": latency = try time()
        case "jitter": jitter = try time()
        case "zone-latency": zoneLatency = try time()
        case "join": join = try time()
        case "tracker-response": trackerResponse = try time()
        case "announce-interval": announceInterval = try time()
        case "commit-time": commitTime = try time()
        case "deadline": deadline = try time()
        case "handout-order":
            guard let order = HandoutPolicy(named: value) else { throw confusion }
            handoutPolicy = order
        case "seed":
            guard let number = UInt64(value) else { throw confusion }
            seed = number
        case "fault": try addFaults(value)
        default:
            let known = Self.settings.joined(separator: ", ")
            throw PlanError(what: "setting \(name)", why: "it is none of \(known)")
        }
    }

    private mutating func addFaults(_ text: String) throws(PlanError) {
        for part in text.split(separator: ",") where part.trimmed != "none" {
            try faults.add(part.trimmed)
        }
    }
}

extension HandoutPolicy {
    /// The policy that configurations call `name`; nil when none is.
    fileprivate init?(named name: String) {
        switch name {
        case "default": self = .unordered
        case "completeness": self = .completeness
        default: return nil
        }
    }
}
