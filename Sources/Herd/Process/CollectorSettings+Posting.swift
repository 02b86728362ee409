// SPDX-License-Identifier: Apache-2.0

import Content
import HTTPKit
import HTTPTypes
import NIOCore
import Primitives

extension CollectorSettings {
    /// Posts `document` by `http`, whose requests must not make spans themselves; once more when that fails.
    /// - Throws: `HTTPClientError`.
    func post(_ document: JSON, by http: HTTPClient, within timeout: Duration) async throws {
        let request = ClientRequest(
            .post,
            url,
            headers: fields,
            body: .bytes(ByteBuffer(bytes: document.utf8)),
            timeout: timeout,
            acceptedStatuses: [200, 202, 204],
            retry: RetryPolicy(attemptsMax: 2, pause: .milliseconds(200))
        )
        _ = try await http.collect(request, upTo: 1 << 16)
    }
}
