// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Hummingbird
import Synchronization
import Telemetry
import Tracing

/// How many requests each route of a server gets, how they end and how long they take: a histogram for each route, method and
/// class of status.
final class RequestMeasures: Sendable {
    private struct Key: Hashable {
        let route: String
        let method: HTTPRequest.Method
        let statusClass: Int
    }
    private let server: String
    private let component: String
    private let registry: PrometheusRegistry
    private let recorders = Mutex<[Key: MetricRecorder]>([:])

    /// The route of what no route answers.
    static let noRoute = "none"

    /// The measures of the server `server` of `component`, in `registry`.
    init(server: String, of component: String, in registry: PrometheusRegistry) {
        (self.server, self.component, self.registry) = (server, component, registry)
    }

    /// Notes a request that took `duration`, its body included.
    func note(
        _ method: HTTPRequest.Method,
        _ route: String,
        _ status: HTTPResponse.Status,
        took duration: Duration
    ) {
        let key = Key(
            route: route,
            // A client may make methods up, without end.
            method: Self.methods.contains(method) ? method : Self.otherMethod,
            statusClass: status.code / 100
        )
        let recorder = recorders.withLock { recorders in
            if let known = recorders[key] { return known }
            let fresh = makeRecorder(key)
            recorders[key] = fresh
            return fresh
        }
        recorder.record(duration)
    }

    private static let methods: Set<HTTPRequest.Method> = [
        .get, .head, .post, .put, .patch, .delete, .options,
    ]
    private static let otherMethod = HTTPRequest.Method("OTHER") ?? .trace

    private func makeRecorder(_ key: Key) -> MetricRecorder {
        MetricRecorder(
            secondsOf: "herd_http_request",
            component: component,
            labels: [
                ("server", server), ("method", key.method.rawValue), ("route", key.route),
                ("code", "\(key.statusClass)xx"),
            ],
            registry: registry
        )
    }
}

extension ServerContext {
    /// The template of the route that answers: `/v2/{name}/tags/list`.
    var route: String { endpointPath ?? RequestMeasures.noRoute }
}

/// Reads a request's headers for tracers.
struct HeaderExtractor: Extractor {
    func extract(key: String, from headers: HTTPFields) -> String? {
        HTTPField.Name(key).flatMap { headers[$0] }
    }
}

extension Span {
    /// What OpenTelemetry's conventions want to know of a server's request.
    /// - Source: OpenTelemetry semantic conventions 1.27, HTTP spans.
    func describe(_ request: Request, id: String, route: String, status: HTTPResponse.Status) {
        operationName = "\(request.method.rawValue) \(route)"
        var attributes = attributes
        attributes["http.request.method"] = request.method.rawValue
        attributes["http.route"] = route
        attributes["url.path"] = String(request.rawPath.prefix(512))
        attributes["http.response.status_code"] = status.code
        attributes["request.id"] = id
        self.attributes = attributes
        if status.code >= 500 { setStatus(SpanStatus(code: .error)) }
    }
}

extension ResponseBody {
    /// Bodies from here on may be streams that still ask others; shorter ones are in memory.
    private static let streamedBytesMin = 64 << 10

    /// The same body, written as part of `context`, where that belongs to a trace.
    func within(_ context: ServiceContext) -> ResponseBody {
        guard context.trace != nil, contentLength ?? .max >= Self.streamedBytesMin else {
            return self
        }
        let body = self
        return ResponseBody(contentLength: contentLength) { writer in
            let inner = writer
            try await ServiceContext.withValue(context) { try await body.write(inner) }
        }
    }
}
