// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import Telemetry

/// What the interface has done to persisted queues; the component that holds one is told over HTTP, like by anybody else.
extension ClusterCommands {
    /// Has `task` of `queue` tried at once; nil: all of its tasks that have failed, or were given up.
    /// - Throws: ``Failure``.
    func retry(_ task: String?, in queue: String) async throws -> String {
        let place = try place(queue, "retry a task")
        var count = 0
        do {
            if let task {
                count = try await place.client.retry(place.filter(name: task))
            } else {
                for state in [QueueTask.State.failed, .dead] {
                    count += try await place.client.retry(place.filter(state: state))
                }
            }
        } catch let error as ClusterError {
            throw Failure("cannot retry in \(place.name)", why: "\(error)")
        }
        guard count > 0 else {
            return task == nil
                ? "nothing has failed in \(place.name); r on a task tries it before its time"
                : "nothing to retry in \(place.name)"
        }
        // Named: what is tried leaves the list at once, and the selection passes to its neighbour.
        let what = task.map(Self.brief) ?? (count == 1 ? "1 task" : "\(count) tasks")
        return "\(what) of \(place.name) tried again now"
    }

    /// Removes `task` from `queue`, undone.
    /// - Throws: ``Failure``.
    func drop(_ task: String, from queue: String) async throws -> String {
        let place = try place(queue, "drop a task")
        let count: Int
        do {
            count = try await place.client.drop(place.filter(name: task))
        } catch let error as ClusterError {
            throw Failure("cannot drop \(Self.brief(task)) from \(place.name)", why: "\(error)")
        }
        guard count > 0 else {
            throw Failure(
                "cannot drop \(Self.brief(task)) from \(place.name)",
                why: "it is done, or runs just now",
                remedy: "look again in a moment"
            )
        }
        return "\(Self.brief(task)) dropped from \(place.name)"
    }

    /// A digest by its beginning, anything else as it is.
    private static func brief(_ task: String) -> String {
        task.hasPrefix(Digest.prefix)
            ? String(task.dropFirst(Digest.prefix.count).prefix(briefDigits)) + "…" : task
    }

    private static let briefDigits = 12

    /// A queue, and how to speak of it and to it.
    private struct QueuePlace {
        let name: String
        let client: QueueClient
        let kind: String
        let destination: String?

        func filter(name: String? = nil, state: QueueTask.State? = nil) -> QueueFilter {
            QueueFilter(kind: kind, state: state, destination: destination, name: name)
        }
    }

    /// The queue that the interface calls `id`: `origin-2/write-back/BACKEND`.
    private func place(_ id: String, _ what: String) throws(Failure) -> QueuePlace {
        let parts = id.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        let component = parts.first.flatMap { name in
            control.components.first { $0.planned.id == name }
        }
        guard parts.count == 3, let component else {
            throw Failure("cannot \(what)", why: "there is no queue \(id)")
        }
        return QueuePlace(
            name: "\(component.planned.id) \(parts[1])",
            client: QueueClient(
                address: component.planned.address("http"),
                http: resources.client
            ),
            kind: String(parts[1]),
            destination: parts[2].isEmpty ? nil : String(parts[2])
        )
    }
}
