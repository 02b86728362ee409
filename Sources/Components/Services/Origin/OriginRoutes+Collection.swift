// SPDX-License-Identifier: Apache-2.0

import Backends
import BlobStorage
import ClusterClients
import ClusterConfiguration
import Content
import HTTPKit
import Hummingbird
import Logging
import Primitives
import Telemetry

// What `herd gc` asks of an origin. Bodies and answers: `CollectionClient`.
extension OriginRoutes {
    func addCollection(to router: Router<ServerContext>, _ backends: BackendTable) {
        let collection = OriginCollection(blobs: blobs, seeder: seeder, backends: backends)
        let limits = blobs.configuration.limits
        router.post("/internal/collection/begin") { _, _ in
            Response.json(blobs.leases.begin().json)
        }
        router.get("/internal/collection/blobs") { request, _ in
            let page = try await blobs.store.entries(after: try request.query("after"))
            let list = StoredPage(
                blobs: page.entries.map { .init(digest: $0.digest, bytes: $0.bytes) },
                next: page.next
            )
            return Response.json(list.json)
        }
        router.get("/internal/collection/backend") { request, _ in
            let page = try await collection.backendPage(
                try request.queryInteger("index") ?? 0,
                after: try request.query("token")
            )
            return Response.json(page.json)
        }
        router.post("/internal/collection/condemn") { request, _ in
            let order = try Self.reading { try CondemnOrder(json: $0) }(
                try await request.json(upTo: limits.jsonBodyBytesMax)
            )
            let refused = try await blobs.leases.condemn(order, isNeeded: collection.need)
            return Response.json(CollectionAnswer(refused: refused).json)
        }
        router.post("/internal/collection/remove") { request, _ in
            let order = try Self.reading { try RemoveOrder(json: $0) }(
                try await request.json(upTo: limits.jsonBodyBytesMax)
            )
            return Response.json(await collection.remove(order).json)
        }
        router.post("/internal/collection/remove-from-backends") { request, _ in
            let order = try Self.reading { try RemoveOrder(json: $0) }(
                try await request.json(upTo: limits.jsonBodyBytesMax)
            )
            return Response.json(await collection.removeFromBackends(order).json)
        }
        router.post("/internal/collection/release") { request, _ in
            let order = try Self.reading { try RemoveOrder(json: $0) }(
                try await request.json(upTo: limits.jsonBodyBytesMax)
            )
            blobs.leases.release(order.digests, by: order.run)
            return Response.empty()
        }
    }

    private static func reading<Value>(
        _ parse: @escaping (JSON) throws -> Value
    ) -> (JSON) throws -> Value {
        { json in
            do { return try parse(json) } catch let error as ContentError {
                throw HTTPProblem.badRequest(error.description)
            }
        }
    }
}

/// The part of a collection that one origin does.
private struct OriginCollection: Sendable {
    let blobs: OriginBlobs
    let seeder: OriginSeeder
    let backends: BackendTable

    /// Names listed of a backend at a time.
    private static let pageLength = 5000
    /// How long backends may take to remove a batch: a part of what the batch stays condemned.
    private static let backendTimeout = Duration.seconds(45)

    /// Who needs `digest` here; nil when nobody does.
    func need(_ digest: Digest) async throws -> String? {
        if blobs.store.isInUse(digest) { return "being read" }
        if blobs.refresher.isPending(digest) { return "being fetched from its backend" }
        if try await blobs.store.isPersisted(digest) { return "not written back yet" }
        return try await blobs.writeBack.owes(digest) ? "not written back yet" : nil
    }

    func remove(_ order: RemoveOrder) async -> CollectionAnswer {
        var answer = CollectionAnswer()
        for digest in order.digests {
            guard blobs.leases.mayRemove(digest, by: order.run) else {
                answer.refused[digest] = "the origin does not hold it condemned any more"
                continue
            }
            do {
                let bytes = try await blobs.store.info(of: digest)?.bytes
                if try await blobs.store.delete(digest), let bytes {
                    answer.removed[digest] = bytes
                    report(digest, bytes)
                }
                await seeder.leave(digest)
            } catch {
                answer.refused[digest] = "\(error)"
            }
        }
        return answer
    }

    private func report(_ digest: Digest, _ bytes: Int) {
        blobs.environment.counters.counter("blobs_collected").add()
        blobs.environment.counters.counter("bytes_collected").add(bytes)
        blobs.environment.log.info(
            "blob collected: nothing refers to it",
            metadata: [LogKey.blobDigest: "\(digest)", LogKey.blobBytes: "\(bytes)"]
        )
    }

    func removeFromBackends(_ order: RemoveOrder) async -> CollectionAnswer {
        await withTaskGroup(of: CollectionAnswer?.self) { group in
            group.addTask { await removeNow(order) }
            group.addTask {
                // A time-out: what is not done by then is left for the next collection.
                try? await Task.sleep(for: Self.backendTimeout)
                return nil
            }
            var answer = CollectionAnswer()
            for await result in group {
                group.cancelAll()
                if let result { answer = result }
            }
            return answer
        }
    }

    private func removeNow(_ order: RemoveOrder) async -> CollectionAnswer {
        var answer = CollectionAnswer()
        for digest in order.digests {
            guard !Task.isCancelled, blobs.leases.mayRemove(digest, by: order.run) else {
                answer.refused[digest] = "there was no time left"
                continue
            }
            for backend in backends.backends {
                do {
                    // The names of blobs are their digests, whatever the namespace.
                    let object = try await backend.stat(digest.hex, namespace: .proxyUploads)
                    guard let object else { continue }
                    try await backend.delete(digest.hex, namespace: .proxyUploads)
                    answer.removed[digest, default: 0] += object.bytes
                } catch {
                    answer.refused[digest] = "\(error)"
                }
            }
        }
        return answer
    }

    /// A page of the blobs in the backend number `index`; the last page of the last one leads nowhere.
    func backendPage(_ index: Int, after token: String?) async throws -> BackendPage {
        let all = backends.backends
        guard all.indices.contains(index) else {
            throw HTTPProblem.notFound("there are \(all.count) backends")
        }
        let request = BackendListRequest(limit: Self.pageLength, token: token)
        let page: BackendListPage
        do { page = try await all[index].list(request) } catch let error as BackendError {
            throw HTTPProblem(.badGateway, error.description)
        }
        return BackendPage(
            name: all[index].name,
            digests: page.names.compactMap { Digest(hex: $0) },
            nextToken: page.nextToken,
            nextIndex: page.nextToken != nil
                ? index : all.indices.contains(index + 1) ? index + 1 : nil
        )
    }
}
