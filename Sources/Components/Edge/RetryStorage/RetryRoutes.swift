// SPDX-License-Identifier: Apache-2.0

package import HTTPKit
package import Hummingbird
package import Primitives
import Telemetry

/// A component's queues over HTTP: list, try again, drop. docs/operations.md describes them.
package struct RetryRoutes: Sendable {
    private let queues: [RetryQueue]
    private let limits: Limits

    /// The routes of `queues`, which lie in one file.
    package init(_ queues: [RetryQueue], limits: Limits) {
        (self.queues, self.limits) = (queues, limits)
    }

    /// Adds all of it to `router`.
    package func add(to router: Router<ServerContext>) {
        router.get("/queue/tasks") { (request, _) -> Response in
            return .json(bytes: try TelemetryJSON.encode(try await page(request)))
        }
        router.get("/queue/tasks/{id}") { (_, context) -> Response in
            let filter = try Self.one(context)
            for queue in queues {
                if let task = try await Self.explaining({ try await queue.page(filter, limit: 1) })
                    .first
                {
                    return .json(bytes: try TelemetryJSON.encode(task))
                }
            }
            throw Self.unknown(filter)
        }
        router.post("/queue/tasks/{id}/retry") { (_, context) -> Response in
            let filter = try Self.one(context)
            guard try await count({ try await $0.retry(filter) }) > 0 else {
                throw Self.unknown(filter)
            }
            return .empty()
        }
        router.delete("/queue/tasks/{id}") { (_, context) -> Response in
            let filter = try Self.one(context)
            if try await count({ try await $0.drop(filter) }) > 0 { return .empty() }
            for queue in queues where try await !queue.page(filter, limit: 1).isEmpty {
                throw HTTPProblem.conflict(
                    "the task \(filter.id ?? 0) runs; it can't be dropped now"
                )
            }
            throw Self.unknown(filter)
        }
        router.post("/queue/retry") { (request, _) -> Response in
            let filter = try Self.filter(request, required: true)
            return try Self.answer(try await count { try await $0.retry(filter) })
        }
        router.post("/queue/drop") { (request, _) -> Response in
            let filter = try Self.filter(request, required: true)
            return try Self.answer(try await count { try await $0.drop(filter) })
        }
    }

    private func page(_ request: Request) async throws -> QueueTaskPage {
        let filter = try Self.filter(request, required: false)
        let limit = try request.queryInteger("limit") ?? limits.listPageNamesMax
        guard (1...limits.queuePageTasksMax).contains(limit) else {
            throw HTTPProblem.badRequest("limit is not between 1 and \(limits.queuePageTasksMax)")
        }
        let after = Int64(try request.queryInteger("after") ?? 0)
        var tasks: [QueueTask] = []
        for queue in queues {
            tasks += try await Self.explaining {
                // One more tells whether there is another page.
                try await queue.page(filter, after: after, limit: limit + 1)
            }
        }
        tasks.sort { $0.id < $1.id }
        let shown = Array(tasks.prefix(limit))
        return QueueTaskPage(tasks: shown, nextAfter: tasks.count > limit ? shown.last?.id : nil)
    }

    private func count(_ body: (RetryQueue) async throws -> Int) async throws -> Int {
        var count = 0
        for queue in queues { count += try await Self.explaining { try await body(queue) } }
        return count
    }

    // MARK: - Parts of requests and answers

    private static let keys: Set<String> = ["state", "kind", "destination", "name", "all"]

    /// The filter in the query. With `required` something must be chosen, be it `all=true`, so that nobody drops a whole
    /// queue by a slip.
    private static func filter(_ request: Request, required: Bool) throws -> QueueFilter {
        let parameters = request.uri.queryParameters
        var filter = QueueFilter(
            kind: parameters["kind"].map(String.init),
            destination: parameters["destination"].map(String.init),
            name: parameters["name"].map(String.init)
        )
        let known = required ? keys : keys.union(["limit", "after"])
        if let stranger = parameters.map({ String($0.key) }).first(where: { !known.contains($0) }) {
            throw HTTPProblem.badRequest(
                "unknown query \(stranger)",
                remedy: "use \(known.sorted().joined(separator: ", "))"
            )
        }
        if let text = parameters["state"] {
            guard let state = QueueTask.State(rawValue: String(text)) else {
                throw HTTPProblem.badRequest(
                    "unknown state \(text)",
                    remedy:
                        "use \(QueueTask.State.allCases.map(\.rawValue).joined(separator: ", "))"
                )
            }
            filter.state = state
        }
        let isAll = try request.queryBool("all") ?? false
        guard !required || isAll || filter != QueueFilter() else {
            throw HTTPProblem.badRequest(
                "nothing is chosen",
                remedy: "choose by state, kind, destination or name, or say all=true"
            )
        }
        return filter
    }

    private static func one(_ context: ServerContext) throws -> QueueFilter {
        let text = try context.parameter("id")
        guard let id = Int64(text) else {
            throw HTTPProblem.badRequest("\(text) is no task's number")
        }
        return QueueFilter(id: id)
    }

    private static func unknown(_ filter: QueueFilter) -> HTTPProblem {
        .notFound("there is no task \(filter.id ?? 0); it may be done")
    }

    private static func answer(_ count: Int) throws -> Response {
        .json(bytes: try TelemetryJSON.encode(QueueTaskCount(count: count)))
    }

    private static func explaining<Value>(_ body: () async throws -> Value) async throws -> Value {
        do { return try await body() } catch let error as RetryStorageError { throw error.problem }
    }
}

extension RetryStorageError {
    /// The answer to whoever asked for what failed.
    package var problem: HTTPProblem {
        switch code {
        case .full: .unavailable(description, retryAfter: .seconds(30))
        case .noSpace: .noSpace(description)
        case .running: .conflict(description)
        case .unusable: .internalError(what, remedy: remedy)
        }
    }
}
