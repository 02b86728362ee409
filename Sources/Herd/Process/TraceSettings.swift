// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// Where the process sends its spans, and which, as OpenTelemetry's variables say.
struct TraceSettings: Hashable, Sendable {
    /// Who takes them.
    let collector: CollectorSettings
    /// Which traces are recorded.
    let sampler: SpanTracer.Sampler

    /// What `environment` says; nil where it names no collector, or switches all off.
    /// - Throws: ``Failure`` for what can't be meant.
    init?(_ environment: [String: String]) throws(Failure) {
        guard let collector = try CollectorSettings(.traces, environment) else { return nil }
        self.collector = collector
        sampler = try Self.sampler(
            CollectorSettings.value("OTEL_TRACES_SAMPLER", environment) ?? "parentbased_always_on",
            CollectorSettings.value("OTEL_TRACES_SAMPLER_ARG", environment)
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
}
