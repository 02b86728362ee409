// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import HTTPKit
import Logging
import NIOCore
import Primitives
import RetryCore
import RetryStorage
import Telemetry

/// Tells the other build-indexes of the cluster what was changed here, before the change is acknowledged; those that can't
/// be reached then are told as soon as they can, by a queue that outlives a restart.
struct TagNeighbours: Sendable {
    /// The other build-indexes of this cluster.
    let clients: @Sendable () async -> [BuildIndexClient]
    private let teller: Teller
    /// The queue of what could not be told, for its routes.
    let queue: RetryQueue
    private let failures: Counter
    private let log: Logger

    /// The word for this kind of work.
    static let kind = "neighbours"
    /// How soon a neighbour is tried again, and at most how much later.
    private static let pauses = (min: Duration.milliseconds(500), max: Duration.seconds(15))

    /// Opens the queue in `database`.
    /// - Throws: `RetryStorageError`.
    init(
        store: TagStore,
        clients: @escaping @Sendable () async -> [BuildIndexClient],
        stagger: Duration,
        database: RetryDatabase,
        environment: ComponentEnvironment
    ) async throws {
        (self.clients, log) = (clients, environment.log)
        failures = environment.counters.counter("duplicate_put_failures")
        let teller = Teller(store: store, stagger: stagger)
        self.teller = teller
        var rules = RetryRules()
        (rules.pauseMin, rules.pauseMax) = Self.pauses
        queue = RetryQueue(
            kind: Self.kind,
            database: database,
            rules: rules,
            eventLoop: environment.eventLoopGroup.next(),
            events: environment.events,
            handlers: .init(
                perform: { task in
                    let tag = try QualifiedTag(parsing: task.name)
                    try await teller.tellNow(tag, to: task.destination, of: await clients())
                    return nil
                },
                report: { [log = environment.log] task, error, _ in
                    log.debug(
                        "a neighbour still does not take a tag",
                        metadata: [
                            LogKey.tag: "\(task.name)", LogKey.address: "\(task.destination)",
                            LogKey.error: "\(error)",
                        ]
                    )
                }
            )
        )
        try await queue.open()
    }

    /// Tells all of `record`, which `tag` has just got; returns when each knows it or the queue has it on the disk.
    /// - Throws: 503 when the queue does not take it.
    func tell(_ tag: QualifiedTag, _ record: TagRecord) async throws {
        let clients = await clients()
        let untold = await withTaskGroup(of: String?.self) { group in
            for (index, client) in clients.enumerated() {
                group.addTask {
                    await told(client, of: tag, record, place: index) ? nil : client.address
                }
            }
            return await group.reduce(into: [String]()) { untold, address in
                if let address { untold.append(address) }
            }
        }
        for address in untold {
            let task = NewRetryTask(
                name: tag.description,
                scope: address,
                destination: address,
                // The tag may have moved on meanwhile.
                isChangeable: true
            )
            do { try await queue.add(task, after: Self.pauses.min) } catch let error
                as RetryStorageError
            { throw error.problem }
        }
    }

    /// Works until ``stop(within:)`` or the task is cancelled.
    func run() async { await queue.run() }

    /// Ends ``run()`` within `limit`.
    func stop(within limit: Duration) async { await queue.stop(within: limit) }

    /// The queue for `GET /status`, a row for each neighbour that was not told at once.
    func status() async -> [QueueStatus] { await queue.status() }

    private func told(
        _ client: BuildIndexClient,
        of tag: QualifiedTag,
        _ record: TagRecord,
        place: Int
    ) async -> Bool {
        do {
            try await teller.send(record, of: tag, to: client, place: place)
            return true
        } catch {
            failures.add()
            log.warning(
                "a neighbour did not take a tag",
                metadata: [
                    LogKey.tag: "\(tag)", LogKey.address: "\(client.address)",
                    LogKey.error: "\(error)",
                ]
            )
            return false
        }
    }
}

/// Tells one neighbour of one tag.
private struct Teller: Sendable {
    let store: TagStore
    let stagger: Duration

    /// Tells the neighbour at `address` what holds of `tag` now; one that is none of `clients` any more needs nothing.
    func tellNow(
        _ tag: QualifiedTag,
        to address: String,
        of clients: [BuildIndexClient]
    ) async throws {
        guard let record = await store.record(of: tag),
            let place = clients.firstIndex(where: { $0.address == address })
        else { return }
        do {
            try await send(record, of: tag, to: clients[place], place: place)
        } catch let error as ClusterError where error.isRefusal {
            // It will never take this: Kraken's know no deletions.
        }
    }

    func send(
        _ record: TagRecord,
        of tag: QualifiedTag,
        to client: BuildIndexClient,
        place: Int
    ) async throws {
        try await client.duplicatePut(
            tag,
            record.digest,
            delay: stagger * (place + 1),
            madeAtNanoseconds: record.putAt.unixNanoseconds
        )
    }
}

extension ClusterError {
    /// Whether the other side answered that it does not do this.
    fileprivate var isRefusal: Bool {
        switch code {
        case .notFound, .status(400), .status(405): true
        default: false
        }
    }
}
