// SPDX-License-Identifier: Apache-2.0

package import HTTPKit
import HTTPTypes
import NIOCore
import Primitives
package import Telemetry

/// The persisted queues of one origin or build-index.
package struct QueueClient: Sendable {
    private let host: HostConnection

    /// The queues of the component at `address`, `host:port`, reached through `http`.
    package init(address: String, http: HTTPClient) {
        host = HostConnection(address: address, http: http)
    }

    /// One page of the tasks that `filter` lets through, by number, from above `after` on.
    /// - Throws: ``ClusterError``, here as in every call; `.notFound` when the component has no queues.
    package func tasks(
        _ filter: QueueFilter = QueueFilter(),
        after: Int64 = 0,
        limit: Int? = nil
    ) async throws -> QueueTaskPage {
        if let id = filter.id {
            return QueueTaskPage(tasks: [try await decode(.get, "/queue/tasks/\(id)")])
        }
        var query = Self.query(filter) + ["after=\(after)"]
        if let limit { query.append("limit=\(limit)") }
        return try await decode(.get, "/queue/tasks?" + query.joined(separator: "&"))
    }

    /// Has the tasks that `filter` lets through tried at once, also those that were given up; answers how many those are.
    package func retry(_ filter: QueueFilter) async throws -> Int {
        try await apply(filter, one: (.post, "/retry"), all: "/queue/retry")
    }

    /// Removes the tasks that `filter` lets through, undone: a blob or tag among them may never reach its destination. Answers
    /// how many those were; what runs stays.
    package func drop(_ filter: QueueFilter) async throws -> Int {
        try await apply(filter, one: (.delete, ""), all: "/queue/drop")
    }

    private func apply(
        _ filter: QueueFilter,
        one: (method: HTTPRequest.Method, suffix: String),
        all path: String
    ) async throws -> Int {
        if let id = filter.id {
            try await host.text(
                one.method,
                "/queue/tasks/\(id)\(one.suffix)",
                timeout: Self.timeout
            )
            return 1
        }
        let query = Self.query(filter)
        let chosen = query.isEmpty ? "all=true" : query.joined(separator: "&")
        let answer: QueueTaskCount = try await decode(.post, "\(path)?\(chosen)")
        return answer.count
    }

    /// Dropping a long queue takes a while.
    private static let timeout = Duration.minutes(5)
    /// Bytes of the largest page: a thousand tasks with long reasons.
    private static let pageBytesMax = 16 << 20

    private func decode<Value: Decodable>(
        _ method: HTTPRequest.Method,
        _ path: String
    ) async throws -> Value {
        let answer = try await host.exchange(
            method,
            path,
            timeout: Self.timeout,
            answerBytesMax: Self.pageBytesMax
        )
        do {
            return try TelemetryJSON.decode(Value.self, from: answer.body.readableBytesView)
        } catch {
            throw ClusterError.unreadable("\(method) \(path) at \(host.address)", "\(error)")
        }
    }

    private static func query(_ filter: QueueFilter) -> [String] {
        let parts = [
            ("state", filter.state?.rawValue), ("kind", filter.kind),
            ("destination", filter.destination), ("name", filter.name),
        ]
        return parts.compactMap { key, value in
            value.map { "\(key)=\(URLEncoding.queryValue($0))" }
        }
    }
}
