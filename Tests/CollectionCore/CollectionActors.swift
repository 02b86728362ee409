// SPDX-License-Identifier: Apache-2.0

import CollectionCore
import Content
import Primitives
import TestSupport

// What clients do.
extension CollectionWorld {
    /// How a manifest is to be known once it is pushed.
    enum Name {
        case tag(String)
        case digest
        case referrer(of: Digest)
    }

    /// Pushes `manifest` as real clients do: asks for each blob, uploads what is not there, then puts the manifest.
    func push(_ manifest: Digest, as name: Name, attempts: Int = 3) {
        let references = catalog.references(manifest)
        ensure(references[...]) { world, isThere in
            guard isThere else {
                return world.again(attempts) { $0.push(manifest, as: name, attempts: $1) }
            }
            world.put(manifest, as: name, attempts: attempts)
        }
    }

    private func again(_ attempts: Int, _ run: @escaping (CollectionWorld, Int) -> Void) {
        guard attempts > 1, !isQuiet else { return }
        after(someTime(upTo: .seconds(5))) { run($0, attempts - 1) }
    }

    private func ensure(
        _ digests: ArraySlice<Digest>,
        then next: @escaping (CollectionWorld, Bool) -> Void
    ) {
        guard let digest = digests.first else { return next(self, true) }
        // Clients may dawdle for longer than any lease lasts.
        let pause = someTime(upTo: random.chance(Ratio(1, in: 8)) ? .seconds(150) : .seconds(4))
        after(pause) { world in
            let goOn: (CollectionWorld, Bool) -> Void = { world, isThere in
                guard isThere else { return next(world, false) }
                world.ensure(digests.dropFirst(), then: next)
            }
            if world.stat(digest) { return goOn(world, true) }
            if world.catalog.documents[digest] != nil {
                // A child of an index is a push of its own.
                world.ensure(world.catalog.references(digest)[...]) { world, isThere in
                    guard isThere else { return next(world, false) }
                    world.upload(digest, then: goOn)
                }
            } else {
                world.upload(digest, then: goOn)
            }
        }
    }

    /// The PUT of a manifest at a proxy.
    private func put(_ manifest: Digest, as name: Name, attempts: Int) {
        let checkedAt = now
        guard catalog.everything(below: manifest).allSatisfy({ stat($0) }) else {
            return again(attempts) { $0.push(manifest, as: name, attempts: $1) }
        }
        upload(manifest) { world, isThere in
            guard isThere else { return }
            world.acknowledge(manifest, as: name, checkedAt)
        }
    }

    private func acknowledge(_ manifest: Digest, as name: Name, _ checkedAt: Instant) {
        after(someTime(upTo: .seconds(15))) { world in
            if checkedAt.duration(to: world.now) > Self.checkGoodFor {
                let all = world.catalog.everything(below: manifest) + [manifest]
                guard all.allSatisfy({ world.stat($0) }) else { return }
            }
            // The tag is put a while after the last look.
            world.after(world.someTime(upTo: Self.putMax)) { world in
                world.deletions.remove(manifest)
                switch name {
                case .tag(let tag): world.tags[tag] = manifest
                case .digest: world.pushed.insert(manifest)
                case .referrer(let subject): world.referrers[manifest] = subject
                }
                world.check("a push")
            }
        }
    }

    func pull(_ digest: Digest) {
        let index = random.below(origins.count)
        let epoch = origins[index].epoch
        guard origins[index].leases.hold(digest, at: now) else { return }
        let isCached = origins[index].disk[digest] != nil
        after(someTime(upTo: .seconds(90))) { world in
            guard world.origins[index].epoch == epoch else { return }
            if !isCached, world.backend.contains(digest) {
                world.store(digest, index, isOwed: false)
            }
            world.origins[index].leases.release(digest, at: world.now)
        }
    }

    func delete(_ manifest: Digest) {
        tags = tags.filter { $0.value != manifest }
        pushed.remove(manifest)
        referrers[manifest] = nil
        deletions.insert(manifest)
    }

    func evict() {
        let index = random.below(origins.count)
        for (digest, isOwed) in origins[index].disk.sorted(by: { $0.key < $1.key })
        where !isOwed && backend.contains(digest) && random.chance(Ratio(1, in: 3)) {
            origins[index].disk[digest] = nil
        }
    }
}

/// One `herd gc`: the driver of the shipped core over messages that may be late or lost.
final class SimulatedCollection {
    private let world: CollectionWorld
    private let run: UInt64
    private let isFaultless: Bool
    private var began: [(epoch: UInt64, at: Instant)] = []
    private(set) var sweep: Sweep?
    private var isDead = false

    init(_ world: CollectionWorld, run: UInt64, isFaultless: Bool) {
        (self.world, self.run, self.isFaultless) = (world, run, isFaultless)
    }

    func start() {
        began = world.origins.map { ($0.epoch, world.now) }
        world.after(world.someTime(upTo: .seconds(20))) { [self] _ in mark() }
    }

    /// The lists first, tags afterwards, as they are at one moment later.
    private func mark() {
        var stored = world.backend
        for origin in world.origins { stored.formUnion(origin.disk.keys) }
        world.after(world.someTime(upTo: .seconds(20))) { [self] world in
            var graph = ContentGraph()
            for (tag, digest) in world.tags.sorted(by: { $0.key < $1.key }) {
                graph.addRoot(digest, .tag(tag))
            }
            for digest in world.pushed.sorted() { graph.addRoot(digest, .pushed("repo")) }
            for (referrer, subject) in world.referrers.sorted(by: { $0.key < $1.key }) {
                graph.addReferrer(referrer, of: subject, in: "repo")
            }
            for digest in world.deletions.sorted() { graph.addDeletion(of: digest, in: "repo") }
            while let digest = graph.nextToRead() {
                graph.note(world.catalog.documents[digest], as: digest)
            }
            var rules = Sweep.Rules()
            (rules.batchMax, rules.sweepsBackends) = (3, true)
            sweep = Sweep(graph, stored: stored, originCount: world.origins.count, rules: rules)
            advance { $0.begin(at: world.now, into: &$1) }
        }
    }

    private func advance(_ step: (inout Sweep, inout [Sweep.Effect]) -> Void) {
        guard var sweep, !isDead else { return }
        var effects: [Sweep.Effect] = []
        step(&sweep, &effects)
        if effects.allSatisfy({ if case .release = $0 { true } else { false } }) {
            sweep.begin(at: world.now, into: &effects)
        }
        self.sweep = sweep
        for effect in effects { perform(effect) }
    }

    private func perform(_ effect: Sweep.Effect) {
        let isLost = !isFaultless && world.random.chance(Ratio(1, in: 40))
        let isAnswerLost = !isFaultless && world.random.chance(Ratio(1, in: 40))
        if !isFaultless, world.random.chance(Ratio(1, in: 100)) { isDead = true }
        let isSlow = !isFaultless && world.random.chance(Ratio(1, in: 10))
        world.after(world.someTime(upTo: isSlow ? .seconds(40) : .seconds(2))) { [self] world in
            let event = isLost ? nil : carryOut(effect)
            if case .release = effect { return }
            world.after(world.someTime(upTo: .seconds(1))) { [self] _ in
                let answer = isAnswerLost ? nil : event
                advance { $0.handle(answer ?? .failed(why: "no answer"), at: world.now, into: &$1) }
            }
        }
    }

    private func carryOut(_ effect: Sweep.Effect) -> Sweep.Event {
        let now = world.now
        switch effect {
        case .condemn(let digests, let index):
            var refused: [Digest: String] = [:]
            let until = now.advanced(by: Sweep.Rules().condemnation)
            for digest in digests {
                if let refusal = world.origins[index].leases.refusal(
                    of: digest,
                    to: run,
                    began: began[index].at,
                    epoch: began[index].epoch,
                    grace: CollectionWorld.grace,
                    at: now
                ) {
                    refused[digest] = "\(refusal)"
                } else if world.origins[index].disk[digest] == true {
                    refused[digest] = "owed to the backend"
                } else {
                    world.origins[index].leases.condemn(digest, by: run, until: until)
                }
            }
            world.origins[index].condemnedFile = world.origins[index].leases.condemnations
            return .condemned(origin: index, refused: refused)
        case .forget(let digests):
            for digest in digests {
                world.referrers[digest] = nil
                world.deletions.remove(digest)
            }
            return .forgotten(refused: [:])
        case .remove(let digests, let index):
            var refused: [Digest: String] = [:]
            for digest in digests {
                if world.origins[index].leases.mayRemove(digest, by: run, at: now) {
                    world.origins[index].disk[digest] = nil
                } else {
                    refused[digest] = "no longer condemned"
                }
            }
            world.check("a removal from a disk")
            return .removed(origin: index, bytes: [:], refused: refused)
        case .removeFromBackends(let digests):
            world.backend.subtract(digests)
            world.check("a removal from the backend")
            return .removedFromBackends(removed: digests, refused: [:])
        case .release(let digests, let index):
            _ = world.origins[index].leases.release(digests, by: run)
            world.origins[index].condemnedFile = world.origins[index].leases.condemnations
            return .failed(why: "needs no answer")
        }
    }
}
