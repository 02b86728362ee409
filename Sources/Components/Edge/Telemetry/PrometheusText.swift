// SPDX-License-Identifier: Apache-2.0

/// Prometheus's text exposition format, version 0.0.4.
/// - Source: prometheus.io/docs/instrumenting/exposition_formats.
package enum PrometheusText {
    /// The content type of an exposition.
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// A component's own counters as series `herd_<name>` with its label; untyped, for some of them are levels.
    package static func exposition(of counters: [String: Int], component: String) -> String {
        var text = ""
        let labels = [MetricLabel(name: PrometheusRegistry.componentLabel, value: component)]
        for (name, value) in counters.sorted(by: { $0.key < $1.key }) {
            let name = metricName("herd_" + name)
            text += "# TYPE \(name) untyped\n"
            sample(name, labels, "\(value)", to: &text)
        }
        return text
    }

    /// `series` grouped by name, each group under one type line, in a fixed order.
    static func exposition(of series: [any PrometheusSeries]) -> String {
        let groups = Dictionary(grouping: series, by: \.exposedName)
        var text = ""
        for (name, members) in groups.sorted(by: { $0.key < $1.key }) {
            let ordered = members.sorted { $0.labels.lexicographicallyPrecedes($1.labels) }
            guard let first = ordered.first else { continue }
            let type = Swift.type(of: first).type
            text += "# TYPE \(name) \(type)\n"
            // Readers reject a document with two types under a name, so only the first type's series are shown.
            for member in ordered where Swift.type(of: member).type == type {
                member.write(to: &text)
            }
        }
        return text
    }

    /// Appends one sample line.
    static func sample(
        _ name: String,
        _ labels: [MetricLabel],
        _ value: String,
        to text: inout String
    ) {
        text += name
        if !labels.isEmpty {
            let pairs = labels.map { "\($0.name)=\"\(escaped($0.value))\"" }
            text += "{\(pairs.joined(separator: ","))}"
        }
        text += " \(value)\n"
    }

    /// `text` with backslashes, quotes and line ends escaped.
    static func escaped(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 == 0x5c || $0 == 0x22 || $0 == 0x0a }) else {
            return text
        }
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// `value` as the format spells numbers.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if value == value.rounded(), abs(value) < 1e15 { return "\(Int64(value))" }
        return "\(value)"
    }

    /// `name` with `_total` at its end.
    static func counterName(_ name: String) -> String {
        name.hasSuffix("_total") ? name : name + "_total"
    }

    /// `text` with every character that a metric's name may not have made an underscore.
    static func metricName(_ text: String) -> String { identifier(text, allowsColon: true) }

    /// `dimensions` as labels: valid names, the last of equal ones, in order.
    static func labels(_ dimensions: [(String, String)]) -> [MetricLabel] {
        var table: [String: String] = [:]
        for (name, value) in dimensions { table[identifier(name, allowsColon: false)] = value }
        return table.map { MetricLabel(name: $0.key, value: $0.value) }.sorted()
    }

    private static func identifier(_ text: String, allowsColon: Bool) -> String {
        var result = ""
        for (index, scalar) in text.unicodeScalars.enumerated() {
            switch scalar {
            case "a"..."z", "A"..."Z", "_": result.unicodeScalars.append(scalar)
            case "0"..."9" where index > 0: result.unicodeScalars.append(scalar)
            case ":" where allowsColon: result.unicodeScalars.append(scalar)
            default: result += "_"
            }
        }
        return result.isEmpty ? "_" : result
    }
}
