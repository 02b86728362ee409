// SPDX-License-Identifier: Apache-2.0

import Content
import Primitives
import Telemetry

/// What the words after a command mean.
enum Arguments {
    /// A blob by the beginning of its digest or by its image.
    static func blob(_ text: String, _ scene: Scene) throws(CommandError) -> Digest {
        let plain =
            text.hasPrefix(Digest.prefix) ? String(text.dropFirst(Digest.prefix.count)) : text
        let found = scene.picture.blobs.filter {
            $0.digest.hex.hasPrefix(plain) || $0.label == text
        }
        guard let first = found.first else { throw CommandError("no blob \(text)") }
        let isImage = found.contains { $0.label == text }
        guard found.count == 1 || isImage else {
            throw CommandError("\(found.count) blobs begin with \(text)")
        }
        return first.digest
    }

    /// A time such as `200ms`, `-5s`, `2m`, in seconds.
    static func seconds(_ text: String?) throws(CommandError) -> Double {
        guard let text, !text.isEmpty else { throw CommandError("no time") }
        let units: [(String, Double)] = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600)]
        for (unit, scale) in units where text.hasSuffix(unit) {
            if let value = Double(text.dropLast(unit.count)), value.isFinite, abs(value) < 1e9 {
                return value * scale
            }
        }
        guard let value = Double(text), value.isFinite, abs(value) < 1e9 else {
            throw CommandError("\(text) is no time; write it like 5s or 200ms")
        }
        return value
    }

    /// A size or rate such as `64M`, `1MiB/s`, in bytes.
    static func bytes(_ text: String) throws(CommandError) -> Int {
        let plain = text.hasSuffix("/s") ? String(text.dropLast(2)) : text
        let isShort = plain.last.map { "KMGT".contains($0) } == true
        guard let count = ByteCount(parsing: isShort ? plain + "iB" : plain), count.bytes > 0 else {
            throw CommandError("\(text) is no size; write it like 64M")
        }
        return count.bytes
    }

    /// Components by name, short name or a pattern with `*` and `?`: their identifiers.
    static func targets(_ text: String, _ scene: Scene) throws(CommandError) -> [String] {
        let patterns = text.split(separator: ",").map { WildcardPattern($0) }
        let found = scene.picture.components.filter { row in
            patterns.contains { $0.matches(row.id) || $0.matches(row.shortName) }
        }
        guard !found.isEmpty else { throw CommandError("no component \(text)") }
        return found.map(\.id)
    }

    /// `TARGET [for 30s]`.
    static func fault(
        _ kind: FaultRequest.Kind,
        _ words: [String],
        _ scene: Scene
    ) throws(CommandError) -> FaultRequest {
        guard let target = words.first else { throw CommandError("no target") }
        var request = FaultRequest(kind, targets: try targets(target, scene))
        if words.count > 1 {
            guard words.count == 3, words[1] == "for" else {
                throw CommandError("what follows the target is “for” and a time")
            }
            request.durationSeconds = max(0, try seconds(words[2]))
        }
        return request
    }

    /// `TARGET [RATE] [up RATE] [down RATE] [50ms] [for 30s]`, the target first.
    static func throttle(_ words: [String], _ scene: Scene) throws(CommandError) -> FaultRequest {
        guard let target = words.first else { throw CommandError("no target") }
        var request = FaultRequest(.throttle, targets: try targets(target, scene))
        var rest = words.dropFirst()
        while let word = rest.popFirst() {
            switch word {
            case "for": request.durationSeconds = max(0, try seconds(rest.popFirst()))
            case "up": request.upBytesPerSecond = try bytes(rest.popFirst() ?? "")
            case "down": request.downBytesPerSecond = try bytes(rest.popFirst() ?? "")
            case _ where isLatency(word): request.latencySeconds = max(0, try seconds(word))
            default: request.bytesPerSecond = try bytes(word)
            }
        }
        let rates = [request.bytesPerSecond, request.upBytesPerSecond, request.downBytesPerSecond]
        guard rates.contains(where: { $0 != nil }) || request.latencySeconds != nil else {
            throw CommandError("neither a rate nor a latency")
        }
        return request
    }

    /// `50ms` and `1s`, which are times; `5MB/s` is none.
    private static func isLatency(_ word: String) -> Bool {
        let isTime = word.hasSuffix("ms") || word.hasSuffix("s") && !word.hasSuffix("/s")
        return isTime && (try? seconds(word)) != nil
    }

    /// `[all|AGENT…] [IMAGE] [stagger 200ms]`, in any order.
    static func pull(_ words: [String], _ scene: Scene) throws(CommandError) -> ClusterCommand {
        var (agents, reference, stagger): ([String], String?, Int) = ([], nil, 0)
        var rest = words[...]
        while let word = rest.popFirst() {
            if word == "all" { continue }
            if word == "stagger" {
                stagger = Int(min(1e6, max(0, try seconds(rest.popFirst()) * 1000)))
            } else if word.contains("/") || word.contains(":") {
                reference = word
            } else {
                agents += try targets(word, scene).filter { id in
                    scene.picture.component(id)?.kind == .agent
                }
            }
        }
        return .pull(reference: reference, agents: agents, staggerMilliseconds: stagger)
    }
}
