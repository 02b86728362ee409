// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// Where the process sends its spans, as OpenTelemetry's variables say.
/// - Source: OpenTelemetry specification 1.40, "OpenTelemetry Protocol Exporter" and "Environment Variable Specification".
struct TraceSettings: Hashable, Sendable {
    /// The URL that spans are posted to.
    let url: String
    /// Headers of each post, such as a token.
    let headers: [String: String]
    /// `service.name` of all spans; nil: the kind of the component, as `herd-origin`.
    let serviceName: String?
    /// More attributes of the process.
    let attributes: [String: String]
    /// Which traces are recorded.
    let sampler: SpanTracer.Sampler

    /// What `environment` says; nil where it names no collector, or switches all off.
    /// - Throws: ``Failure`` for what can't be meant.
    init?(_ environment: [String: String]) throws(Failure) {
        func value(_ key: String) -> String? {
            environment[key].flatMap { $0.isEmpty ? nil : $0 }
        }
        guard value("OTEL_SDK_DISABLED")?.lowercased() != "true",
            value("OTEL_TRACES_EXPORTER") ?? "otlp" == "otlp"
        else { return nil }
        if let exact = value("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
            url = exact
        } else if let base = value("OTEL_EXPORTER_OTLP_ENDPOINT") {
            url = (base.hasSuffix("/") ? String(base.dropLast()) : base) + "/v1/traces"
        } else {
            return nil
        }
        guard url.hasPrefix("http://") || url.hasPrefix("https://") else {
            throw Failure(
                "cannot send traces to \(url)",
                why: "it does not begin with http:// or https://",
                remedy:
                    "set OTEL_EXPORTER_OTLP_ENDPOINT to a collector's HTTP port, as http://127.0.0.1:4318"
            )
        }
        headers = Self.pairs(
            value("OTEL_EXPORTER_OTLP_TRACES_HEADERS") ?? value("OTEL_EXPORTER_OTLP_HEADERS")
        )
        serviceName = value("OTEL_SERVICE_NAME")
        attributes = Self.pairs(value("OTEL_RESOURCE_ATTRIBUTES"))
        sampler = try Self.sampler(
            value("OTEL_TRACES_SAMPLER") ?? "parentbased_always_on",
            value("OTEL_TRACES_SAMPLER_ARG")
        )
    }

    private static func sampler(
        _ name: String,
        _ argument: String?
    ) throws(Failure) -> SpanTracer.Sampler {
        guard let share = Double(argument ?? "1"), (0...1).contains(share) else {
            throw Failure(
                "cannot sample traces",
                why: "OTEL_TRACES_SAMPLER_ARG is \(argument ?? "")",
                remedy: "give a share from 0 to 1"
            )
        }
        switch name {
        case "always_on": return .ratio(1)
        case "always_off": return .ratio(0)
        case "traceidratio": return .ratio(share)
        case "parentbased_always_on": return .parentBased(1)
        case "parentbased_always_off": return .parentBased(0)
        case "parentbased_traceidratio": return .parentBased(share)
        default:
            throw Failure(
                "cannot sample traces",
                why: "OTEL_TRACES_SAMPLER is \(name)",
                remedy:
                    "use always_on, always_off, traceidratio, or one of these with parentbased_ before it"
            )
        }
    }

    /// `a=1,b=2`, each percent-encoded.
    private static func pairs(_ text: String?) -> [String: String] {
        var pairs: [String: String] = [:]
        for part in (text ?? "").split(separator: ",") {
            guard let equals = part.firstIndex(of: "=") else { continue }
            let key = part[..<equals].trimmingPrefix { $0 == " " }
            let value = String(part[part.index(after: equals)...])
            pairs[String(key)] = decoded(value)
        }
        return pairs
    }

    /// `text` without its percent-encoding; what is no such thing stays as it is.
    private static func decoded(_ text: String) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(2)
            if byte == UInt8(ascii: "%"), digits.count == 2,
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
