// SPDX-License-Identifier: Apache-2.0

import CollectionCore
import Content
import Primitives
import TestSupport
import Testing

/// A thousand histories of pushes, deletes, pulls, crashes and collections.
@Suite("Collection histories") struct CollectionHistoryTests {
    private static let historyCount = 1000
    /// Histories of one test case, so that a failure names a few seeds and a run a thousand lines less.
    private static let perCase = 50
    private static let busyTime = Duration.minutes(15)

    @Test(
        "never lose what an acknowledged manifest refers to, and leave no garbage in the end",
        arguments: stride(from: 0, to: historyCount, by: perCase).map { $0 }
    )
    func histories(first: Int) throws {
        let catalog = try CollectionWorld.Catalog.make()
        let seeds = Seeds.fresh(Self.historyCount)
        let chosen = seeds.count == 1 ? seeds : Array(seeds[first..<first + Self.perCase])
        guard let from = chosen.first, let to = chosen.last else { return }
        var removedCount = 0
        for seed in chosen { removedCount += try history(seed, catalog) }
        print("histories with seeds \(from) to \(to): \(removedCount) blobs collected, none lost")
        // Histories in which nothing is ever removed would prove nothing.
        #expect(removedCount > 0)
    }

    /// One history; answers how much was collected while it was busy.
    private func history(_ seed: UInt64, _ catalog: CollectionWorld.Catalog) throws -> Int {
        let world = CollectionWorld(seed: seed, catalog: catalog)
        var collections: [SimulatedCollection] = []
        let end = Instant.origin.advanced(by: Self.busyTime)
        var time = Instant.origin
        while time < end {
            let delay = world.someTime(upTo: .seconds(12))
            time = time.advanced(by: delay)
            let choice = world.random.below(100)
            let manifest = world.random.pick(catalog.manifests)
            let signature = world.random.pick(catalog.signatures)
            let tag = "repo:v\(world.random.below(4))"
            let index = world.random.below(world.origins.count)
            world.after(Instant.origin.duration(to: time)) { world in
                switch choice {
                case ..<18: world.push(manifest, as: .tag(tag))
                case ..<23: world.push(manifest, as: .digest)
                case ..<33: world.push(signature.digest, as: .referrer(of: signature.subject))
                case ..<48: world.tags[tag] = nil
                case ..<72: world.delete(choice < 64 ? manifest : signature.digest)
                case ..<76: world.pull(world.random.pick(catalog.layers + catalog.manifests))
                case ..<80: world.evict()
                case ..<82: world.crash(index)
                default:
                    let run = UInt64(collections.count + 1)
                    let collection = SimulatedCollection(world, run: run, isFaultless: false)
                    collections.append(collection)
                    collection.start()
                }
            }
        }
        world.run(until: end)
        world.isQuiet = true
        let removedCount = collections.reduce(0) { $0 + ($1.sweep?.report.removed.count ?? 0) }
        // What is on its way arrives, and leases run out; then one collection must find everything.
        world.run(until: end.advanced(by: .minutes(30)))
        let last = SimulatedCollection(world, run: 1 << 40, isFaultless: true)
        last.start()
        world.run(until: end.advanced(by: .hours(2)))
        world.check("everything")
        try #require(world.losses.isEmpty, "seed \(seed): \(world.losses.prefix(3))")
        let held = world.held()
        let left = (catalog.layers + Array(catalog.documents.keys)).filter {
            world.isStored($0) && !held.contains($0)
        }
        let why = left.map { digest in
            let report = last.sweep?.report
            let kept = report?.kept[digest].map { "kept as \($0)" }
            return "\(digest): \(kept ?? report?.spared[digest] ?? "not seen")"
        }
        try #require(left.isEmpty, "seed \(seed) leaves garbage: \(why)")
        return removedCount
    }
}
