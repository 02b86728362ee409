// SPDX-License-Identifier: Apache-2.0

import Content
import HTTPTypes
import Telemetry

/// Where the process sends what it tells a collector by OTLP over HTTP, as OpenTelemetry's variables say.
/// - Source: OpenTelemetry specification 1.40, "OpenTelemetry Protocol Exporter" and "Environment Variable Specification".
struct CollectorSettings: Hashable, Sendable {
    /// What is told.
    enum Signal: String, Sendable {
        case traces, metrics
    }

    /// The URL that it is posted to.
    let url: String
    /// Headers of each post, such as a token.
    let headers: [String: String]
    /// `service.name` of all components; nil: their kind, as `herd-origin`.
    let serviceName: String?
    /// More attributes of the process.
    let attributes: [String: String]

    /// What `environment` says of `signal`; nil where it names no collector, or switches it or all off.
    /// - Throws: ``Failure`` for what can't be meant.
    init?(_ signal: Signal, _ environment: [String: String]) throws(Failure) {
        func value(_ key: String) -> String? { Self.value(key, environment) }
        let name = signal.rawValue.uppercased()
        guard value("OTEL_SDK_DISABLED")?.lowercased() != "true",
            value("OTEL_\(name)_EXPORTER") ?? "otlp" == "otlp"
        else { return nil }
        if let exact = value("OTEL_EXPORTER_OTLP_\(name)_ENDPOINT") {
            url = exact
        } else if let base = value("OTEL_EXPORTER_OTLP_ENDPOINT") {
            url = (base.hasSuffix("/") ? String(base.dropLast()) : base) + "/v1/\(signal.rawValue)"
        } else {
            return nil
        }
        guard url.hasPrefix("http://") || url.hasPrefix("https://") else {
            throw Failure(
                "cannot send \(signal.rawValue) to \(url)",
                why: "it does not begin with http:// or https://",
                remedy:
                    "set OTEL_EXPORTER_OTLP_ENDPOINT to a collector's HTTP port, as http://127.0.0.1:4318"
            )
        }
        headers = Self.pairs(
            value("OTEL_EXPORTER_OTLP_\(name)_HEADERS") ?? value("OTEL_EXPORTER_OTLP_HEADERS")
        )
        serviceName = value("OTEL_SERVICE_NAME")
        attributes = Self.pairs(value("OTEL_RESOURCE_ATTRIBUTES"))
    }

    /// The variable `key`; one that is empty counts as absent.
    static func value(_ key: String, _ environment: [String: String]) -> String? {
        environment[key].flatMap { $0.isEmpty ? nil : $0 }
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

    /// The headers of a post.
    var fields: HTTPFields {
        var fields: HTTPFields = [.contentType: "application/json"]
        for (name, value) in headers {
            if let name = HTTPField.Name(name) { fields[name] = value }
        }
        return fields
    }

    // MARK: - OTLP's JSON

    /// Who tells: `component`, or the process where it is nil.
    func resource(_ component: String?) -> JSON {
        var attributes = attributes
        if let component {
            // Components are numbered where one process has several: origin-2 is of the service herd-origin.
            let kind = component.reversed().drop { $0.isNumber }.drop { $0 == "-" }.reversed()
            attributes["service.name"] = serviceName ?? "herd-\(String(kind))"
            attributes["service.instance.id"] = component
        } else {
            attributes["service.name"] = serviceName ?? "herd"
        }
        attributes["service.version"] = HerdVersion.number
        let rows = attributes.sorted { $0.key < $1.key }
        return .object([.init("attributes", .array(rows.map { Self.attribute($0.key, $0.value) }))])
    }

    /// An attribute that is a text.
    static func attribute(_ key: String, _ text: String) -> JSON {
        attribute(key, .object([.init("stringValue", .string(text))]))
    }

    /// An attribute, whose value has its type beside it.
    static func attribute(_ key: String, _ value: JSON) -> JSON {
        .object([.init("key", .string(key)), .init("value", value)])
    }

    /// Who has measured.
    static let scope = JSON.Member("scope", .object([.init("name", .string("herd"))]))
}
