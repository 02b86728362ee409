// SPDX-License-Identifier: Apache-2.0

import HTTPKit
import HTTPTypes
import NIOCore
import Telemetry

/// What a component says of itself over HTTP.
enum ComponentStatus {
    /// Bytes of the largest snapshot that is read.
    private static let bytesMax = 64 << 20

    /// Asks the component at `url`, such as `http://127.0.0.1:16002`; nil when it has no status, as Kraken's own have none.
    static func ask(
        _ url: String,
        _ client: HTTPClient,
        within timeout: Duration,
        retry: RetryPolicy? = nil
    ) async throws -> ComponentSnapshot? {
        let request = ClientRequest(
            .get,
            url + "/status",
            timeout: timeout,
            acceptedStatuses: [200, 404],
            retry: retry
        )
        let answer = try await client.collect(request, upTo: bytesMax)
        guard answer.response.status.code == 200 else { return nil }
        return try TelemetryJSON.decode(
            ComponentSnapshot.self,
            from: answer.body.readableBytesView
        )
    }
}
