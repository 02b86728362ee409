// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import HTTPTypes
import NIOHTTP1
import Tracing

extension HTTPClientRequest {
    /// Runs `send` with this request as a span of `tracer`, and what tells the server of that trace in its headers. The client
    /// does so too, but takes the URL apart for each span, even one that nobody records.
    func traced(
        by tracer: (any Tracer)?,
        _ send: (HTTPClientRequest) async throws -> ClientResponse
    ) async throws -> ClientResponse {
        guard let tracer else { return try await send(self) }
        return try await tracer.withSpan(method.rawValue, ofKind: .client) { span in
            var request = self
            tracer.inject(span.context, into: &request.headers, using: HeaderInjector())
            guard span.isRecording else { return try await send(request) }
            span.attributes["http.request.method"] = method.rawValue
            // What follows may be a signature or a token, which no trace may show.
            span.attributes["url.full"] = String(url.prefix { $0 != "?" })
            let response = try await send(request)
            span.attributes["http.response.status_code"] = response.status.code
            if response.status.code >= 400 { span.setStatus(SpanStatus(code: .error)) }
            return response
        }
    }
}

/// Puts what tells others of a trace into the headers of a request.
private struct HeaderInjector: Injector {
    func inject(_ value: String, forKey key: String, into headers: inout HTTPHeaders) {
        headers.replaceOrAdd(name: key, value: value)
    }
}
