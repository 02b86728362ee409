// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation
import Primitives
import Testing

extension IntegrationTests {
    /// `herd gc` of clusters whose backend is a server.
    @Suite("Garbage collection over backends") struct BackendCollectionTests {
        private struct Report: Decodable {
            struct Row: Decodable { let digest: String }
            let removed: [Row]
            let spared: [Row]
        }

        /// What was pushed to be kept, by its tag, and what was deleted.
        private struct History {
            var kept: [String: OCIImage] = [:]
            var deleted: [OCIImage] = []

            /// What has to be there, and what has to go.
            var needed: Set<String> { Set(kept.values.flatMap(\.blobs.keys)) }
            var garbage: Set<String> { Set(deleted.flatMap(\.blobs.keys)).subtracting(needed) }
        }

        /// Pushes two images that share a layer, and deletes one of them when both are in the backend.
        private func push(
            _ number: Int,
            _ cluster: BackedCluster,
            _ folder: URL,
            _ history: inout History
        ) async throws {
            for (name, layers) in [
                ("kept", [60_000, 20_000]), ("deleted", [60_000, 40_000, 30_000]),
            ] {
                let image = try OCIImage.make(
                    in: folder.appending(path: "\(name)\(number)"),
                    layerBytes: layers,
                    seed: UInt64(500 + number)
                )
                let result = try await Clients.push(
                    image,
                    to: cluster.proxy,
                    as: "demo/app:\(name)\(number)"
                )
                #expect(result.status == 0, "\(result.errors)")
                if name == "kept" {
                    history.kept["\(name)\(number)"] = image
                } else {
                    history.deleted.append(image)
                }
            }
            try await cluster.drain()
            let deletion = try await Command(
                "skopeo",
                [
                    "delete", "--tls-verify=false",
                    "docker://\(cluster.proxy)/demo/app:deleted\(number)",
                ]
            ).run()
            #expect(deletion.status == 0, "\(deletion.errors)")
            try await cluster.drain()
        }

        /// When somebody is killed: so long after the collection has begun, or has condemned what it will remove.
        private enum Moment {
            case afterBeginning(Duration)
            case afterCondemnation(Duration)
        }

        /// Begins a collection and kills it, or with `origin` that origin, at `moment`.
        private func cutShort(
            _ cluster: BackedCluster,
            _ folder: URL,
            at moment: Moment,
            origin: Int?
        ) async throws {
            let condemnations = await cluster.condemnations
            // It is read when an origin starts only; it being there again is what is waited for. A collection that was killed
            // early has written none.
            try? FileManager.default.removeItem(at: condemnations)
            let collector = try await cluster.collection().start(
                output: folder.appending(path: "gc.out"),
                errors: folder.appending(path: "gc.err")
            )
            let origins = await cluster.origins
            let victim = origin.map { origins[$0] } ?? collector
            let timer: any DispatchSourceTimer
            switch moment {
            case .afterBeginning(let time): timer = victim.kill(after: time)
            case .afterCondemnation(let time):
                let written = try await FileWatch.content(of: condemnations, within: .seconds(60)) {
                    !collector.isRunning
                }
                #expect(written != nil, "nothing was condemned")
                timer = victim.kill(after: time)
            }
            let status = try await collector.waitForExit(within: .seconds(120))
            if let origin { try await cluster.restartOrigin(origin) }
            timer.cancel()
            let condemned = await cluster.condemnedCount()
            let name = origin.map { "origin \($0)" } ?? "collector"
            print("killed the \(name) \(moment): \(status), \(condemned) still condemned")
        }

        @Test(
            "frees there what was deleted and nothing else, through kills of collectors and origins",
            .timeLimit(.minutes(15))
        )
        func frees() async throws {
            // Side by side, because all of them wait for the last condemnation to end.
            try await withThrowingTaskGroup { group in
                for kind in ServedBackend.Kind.available {
                    group.addTask { try await kind.serve { try await history(kind, $0) } }
                }
                try await group.waitForAll()
            }
        }

        private func history(_ kind: ServedBackend.Kind, _ backend: ServedBackend) async throws {
            let folder = try TemporaryDirectory()
            let cluster = try await BackedCluster.start(
                in: folder.url.appending(path: "cluster"),
                blobs: backend.blobs,
                tags: backend.tags
            )
            var history = History()
            var generator = Generator(seed: CrashTests.seed)
            try await push(0, cluster, folder.url, &history)
            for digest in history.garbage.union(history.needed) {
                #expect(try await backend.has(digest), "\(digest) was written back to \(kind)")
            }
            let start = ContinuousClock.now
            try await collect(cluster, until: history)
            let whole = ContinuousClock.now - start
            let rounds = CrashTests.rounds + 2
            print("\(kind), seed \(CrashTests.seed): a collection takes \(whole)")
            for round in 0..<rounds {
                try await push(round + 1, cluster, folder.url, &history)
                // First before anything is condemned, then ever later after that.
                let share = Double(round) / Double(rounds)
                try await cutShort(
                    cluster,
                    folder.url,
                    at: round < 2
                        ? .afterBeginning(whole * Double(generator.below(500)) / 1000)
                        : .afterCondemnation(whole * share * share * 0.5),
                    origin: round % 2 == 0 ? nil : round / 2 % 2
                )
            }
            try await collect(cluster, until: history)
            try await check(cluster, backend, history, folder.url)
            try await cluster.stop()
        }

        /// Collects until nothing is spared: what a killed collection has condemned stays so for two minutes.
        private func collect(_ cluster: BackedCluster, until history: History) async throws {
            let end = ContinuousClock.now + .seconds(300)
            while ContinuousClock.now < end {
                let result = try await cluster.collection().run()
                guard result.status == 0 else {
                    Issue.record("herd gc: \(result.errors)")
                    return
                }
                let report = try JSONDecoder().decode(Report.self, from: Data(result.output.utf8))
                #expect(Set(report.removed.map(\.digest)).isSubset(of: history.garbage))
                if report.spared.isEmpty { return }
                // What is written next is written by the next collection, or not for a while.
                let watch = try FileWatch.watch(await cluster.condemnations)
                defer { close(watch) }
                await FileWatch.waitForChange(of: watch, within: .seconds(1))
            }
            Issue.record("something was spared for five minutes")
        }

        private func check(
            _ cluster: BackedCluster,
            _ backend: ServedBackend,
            _ history: History,
            _ folder: URL
        ) async throws {
            for digest in history.garbage {
                #expect(try await !backend.has(digest), "\(digest) was freed in the backend")
                #expect(await cluster.copies(digest) == 0, "\(digest) was freed on disk")
            }
            for digest in history.needed {
                #expect(try await backend.has(digest), "\(digest) was kept")
            }
            // From the backend to an agent that has never had anything.
            try await cluster.emptyOrigins()
            let agent = try await cluster.addAgent()
            for (tag, image) in history.kept.sorted(by: { $0.key < $1.key }) {
                try await Clients.pullEverywhere(
                    "demo/app:\(tag)",
                    of: image,
                    from: [agent],
                    under: folder
                )
            }
        }
    }
}
