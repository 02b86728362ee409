// SPDX-License-Identifier: Apache-2.0

package import Tracing

/// Where in a trace something happens: W3C Trace Context, level 1.
/// - Source: https://www.w3.org/TR/trace-context-1/
package struct TraceContext: Hashable, Sendable {
    /// The trace, as 32 lower-case hexadecimal digits, not all zero.
    package let traceID: String
    /// The span, as 16 lower-case hexadecimal digits, not all zero.
    package let spanID: String
    /// Whether whoever began the trace wants it recorded.
    package let isSampled: Bool
    /// What others have noted, `tracestate`, passed on as it is; empty: nothing.
    package let state: String

    /// Characters of `tracestate` that are passed on; more are dropped as a whole, as the standard allows.
    private static let stateCharactersMax = 512

    private init(traceID: String, spanID: String, isSampled: Bool, state: String) {
        (self.traceID, self.spanID) = (traceID, spanID)
        (self.isSampled, self.state) = (isSampled, state)
    }

    /// Reads the headers; nil when `parent` is malformed, and then `state` says nothing either.
    package init?(parent: String, state: String? = nil) {
        let parts = parent.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count >= 4, Self.isHex(parts[0], 2), parts[0] != "ff", Self.isHex(parts[1], 32),
            Self.isHex(parts[2], 16), Self.isHex(parts[3], 2),
            let flags = UInt8(parts[3], radix: 16),
            // Later versions may have more parts, this one has none.
            parts.count == 4 || parts[0] != "00",
            parts[1].contains(where: { $0 != "0" }), parts[2].contains(where: { $0 != "0" })
        else { return nil }
        let isStateFit =
            (state?.utf8.count ?? 0) <= Self.stateCharactersMax
            && state?.utf8.allSatisfy { (0x20...0x7e).contains($0) } != false
        self.init(
            traceID: String(parts[1]),
            spanID: String(parts[2]),
            isSampled: flags & 1 == 1,
            state: isStateFit ? state ?? "" : ""
        )
    }

    private static func isHex(_ text: Substring, _ count: Int) -> Bool {
        text.utf8.count == count
            && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }

    /// A trace that begins here.
    static func root(isSampled: Bool) -> TraceContext {
        TraceContext(
            traceID: hex(.random(in: .min ... .max)) + hex(.random(in: 1 ... .max)),
            spanID: hex(.random(in: 1 ... .max)),
            isSampled: isSampled,
            state: ""
        )
    }

    /// A span below this one.
    func child() -> TraceContext {
        TraceContext(
            traceID: traceID,
            spanID: Self.hex(.random(in: 1 ... .max)),
            isSampled: isSampled,
            state: state
        )
    }

    private static func hex(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }

    /// A number that is the same wherever the trace is seen, from 0 to 1: who records less than all decides by it.
    var draw: Double {
        let low = UInt64(traceID.suffix(14), radix: 16) ?? 0
        return Double(low) / Double(UInt64(1) << 56)
    }

    /// The header `traceparent`.
    package var parent: String { "00-\(traceID)-\(spanID)-\(isSampled ? "01" : "00")" }
}

private enum TraceKey: ServiceContextKey {
    typealias Value = TraceContext
    static let nameOverride: String? = "trace"
}

private enum RequestKey: ServiceContextKey {
    typealias Value = String
    static let nameOverride: String? = "request"
}

private enum ComponentKey: ServiceContextKey {
    typealias Value = String
    static let nameOverride: String? = "component"
}

extension ServiceContext {
    /// Where in a trace the current work belongs; nil: in none.
    package var trace: TraceContext? {
        get { self[TraceKey.self] }
        set { self[TraceKey.self] = newValue }
    }

    /// The id of the request that is answered.
    package var requestID: String? {
        get { self[RequestKey.self] }
        set { self[RequestKey.self] = newValue }
    }

    /// The component that works: `agent-0`.
    package var component: String? {
        get { self[ComponentKey.self] }
        set { self[ComponentKey.self] = newValue }
    }
}
