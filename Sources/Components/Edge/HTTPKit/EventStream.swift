// SPDX-License-Identifier: Apache-2.0

package import HTTPTypes
package import Hummingbird
import NIOCore
package import Telemetry

extension Response {
    /// The events of `log` as they happen, as server-sent events; from `Last-Event-ID` on where `request` has one.
    ///
    /// It ends when the client goes away or the server stops. A reader that falls behind the log's ring gets a `dropped`
    /// event with how many it missed.
    /// - Throws: 503 when as many readers as allowed are there.
    package static func events(
        of log: EventLog,
        for request: Request
    ) throws(HTTPProblem) -> Response {
        let last = request.headers[.lastEventID].flatMap { UInt64($0) }
        guard let subscription = log.subscribe(after: last) else {
            throw .unavailable("too many readers of this event stream", retryAfter: .seconds(5))
        }
        let body = ResponseBody { writer in
            let box = WriterBox(writer)
            let send: @Sendable () async throws -> Void = {
                try await box.write(ByteBuffer(string: "retry: 1000\n\n"))
                for await batch in subscription {
                    try await box.write(try eventText(batch))
                }
            }
            if let connection = ServerConnection.current {
                do {
                    try await connection.whileClientStays(endsWithServer: true, send)
                } catch is CancellationError {
                    // The server stops: the stream ends as one that is complete.
                }
            } else {
                try await send()
            }
            try await writer.finish(nil)
        }
        let headers: HTTPFields = [.contentType: "text/event-stream", .cacheControl: "no-cache"]
        return Response(status: .ok, headers: headers, body: body)
    }

    private static func eventText(_ batch: EventBatch) throws -> ByteBuffer {
        var text = ByteBuffer()
        if batch.droppedCount > 0 {
            text.writeString("event: dropped\ndata: {\"dropped_count\":\(batch.droppedCount)}\n\n")
        }
        for event in batch.events {
            text.writeString("id: \(event.sequence)\ndata: ")
            text.writeBytes(try TelemetryJSON.encode(event))
            text.writeString("\n\n")
        }
        return text
    }
}

extension HTTPField.Name {
    /// Where a reader of server-sent events left off.
    package static var lastEventID: Self { HTTPField.Name("Last-Event-ID") ?? .eTag }
    /// The request's id, in and out.
    static var requestID: Self { HTTPField.Name("X-Request-Id") ?? .eTag }
}
