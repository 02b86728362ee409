// SPDX-License-Identifier: Apache-2.0

import CollectionCore
import Content
import Primitives
import TestSupport

/// A cluster in virtual time: origins with disks and leases, a backend, tags; clients that push, pull and delete, collections
/// that run beside them, crashes of all of them, and messages that are late or lost. One seed makes one history.
final class CollectionWorld {
    /// Content that clients push: what there is, is known from the start, and much of it is shared.
    struct Catalog {
        var layers: [Digest] = []
        var images: [Digest] = []
        var indexes: [Digest] = []
        /// Manifests with a subject.
        var signatures: [(digest: Digest, subject: Digest)] = []
        var documents: [Digest: ManifestDocument] = [:]

        var manifests: [Digest] { images + indexes }
        func references(_ digest: Digest) -> [Digest] {
            documents[digest]?.references.map(\.digest) ?? []
        }
        /// What `digest` refers to, and what that does.
        func everything(below digest: Digest) -> [Digest] {
            references(digest).flatMap { [$0] + everything(below: $0) }
        }
    }

    struct Origin {
        var leases: BlobLeases
        /// What is on the disk, and whether the backend is still owed it.
        var disk: [Digest: Bool] = [:]
        /// What an earlier process has written down as condemned.
        var condemnedFile: [Digest: BlobLeases.Condemnation] = [:]
        var epoch: UInt64
    }

    static let grace = Duration.seconds(50)
    /// How long a look at the references of a manifest is good for.
    static let checkGoodFor = Duration.seconds(20)
    /// The longest that putting a tag takes.
    static let putMax = Duration.seconds(25)

    var random: Generator
    let catalog: Catalog
    var now = Instant.origin
    var origins: [Origin] = []
    var backend: Set<Digest> = []
    var tags: [String: Digest] = [:]
    var pushed: Set<Digest> = []
    var referrers: [Digest: Digest] = [:]
    var deletions: Set<Digest> = []
    /// What was found lost, with when.
    var losses: [String] = []
    var isQuiet = false
    private var queue: [(at: Instant, number: Int, run: (CollectionWorld) -> Void)] = []
    private var number = 0
    private var epochs: UInt64 = 0

    init(seed: UInt64, catalog: Catalog, originCount: Int = 3) {
        (random, self.catalog) = (Generator(seed: seed), catalog)
        for _ in 0..<originCount { origins.append(makeOrigin()) }
    }

    // MARK: - Time

    func after(_ delay: Duration, _ run: @escaping (CollectionWorld) -> Void) {
        number += 1
        queue.append((now.advanced(by: delay), number, run))
    }

    func someTime(upTo max: Duration) -> Duration {
        .milliseconds(random.below(Int(max.nanoseconds / 1_000_000) + 1))
    }

    /// Lets everything happen that is to happen until `end`.
    func run(until end: Instant) {
        while let index = queue.indices.min(by: {
            (queue[$0].at, queue[$0].number) < (queue[$1].at, queue[$1].number)
        }), queue[index].at <= end {
            let event = queue.remove(at: index)
            now = event.at
            for origin in origins.indices { _ = origins[origin].leases.expire(at: now) }
            event.run(self)
        }
        now = end
    }

    // MARK: - Origins

    func makeOrigin(condemned: [Digest: BlobLeases.Condemnation] = [:]) -> Origin {
        epochs += 1
        // Some remember less than there is.
        let touchesMax = random.chance(Ratio(1, in: 10)) ? 16 : 200
        return Origin(
            leases: BlobLeases(
                epoch: epochs,
                touchesMax: touchesMax,
                condemned: condemned,
                at: now
            ),
            epoch: epochs
        )
    }

    func crash(_ index: Int) {
        let before = origins[index]
        origins[index] = makeOrigin(condemned: before.condemnedFile)
        origins[index].disk = before.disk
        origins[index].condemnedFile = before.condemnedFile
        // What is owed is found again on the disk.
        for (digest, isOwed) in before.disk where isOwed { writeBack(digest, index) }
    }

    /// What an origin tells who asks whether there is `digest`.
    func stat(_ digest: Digest) -> Bool {
        var order = Array(origins.indices)
        random.shuffle(&order)
        return order.contains { index in
            guard origins[index].leases.touch(digest, at: now) else { return false }
            return origins[index].disk[digest] != nil || backend.contains(digest)
        }
    }

    func store(_ digest: Digest, _ index: Int, isOwed: Bool) {
        origins[index].disk[digest] = origins[index].disk[digest] == true || isOwed
        if isOwed { writeBack(digest, index) }
    }

    func writeBack(_ digest: Digest, _ index: Int) {
        after(someTime(upTo: .seconds(30))) { world in
            guard world.origins[index].disk[digest] == true else { return }
            world.backend.insert(digest)
            world.origins[index].disk[digest] = false
        }
    }

    /// Uploads `digest` to some origin, which copies it to the others, then goes on; false when it broke off.
    func upload(_ digest: Digest, then next: @escaping (CollectionWorld, Bool) -> Void) {
        let index = random.below(origins.count)
        let epoch = origins[index].epoch
        guard origins[index].leases.hold(digest, at: now) else {
            // The origin has it wait until the collection has done with the blob.
            return after(.milliseconds(500)) { $0.upload(digest, then: next) }
        }
        after(someTime(upTo: .seconds(5))) { world in
            guard world.origins[index].epoch == epoch else { return next(world, false) }
            world.store(digest, index, isOwed: true)
            world.origins[index].leases.release(digest, at: world.now)
            for other in world.origins.indices where other != index {
                world.after(world.someTime(upTo: .seconds(10))) { world in
                    guard world.origins[index].disk[digest] != nil,
                        world.origins[other].leases.hold(digest, at: world.now)
                    else { return }
                    world.store(digest, other, isOwed: true)
                    world.origins[other].leases.release(digest, at: world.now)
                }
            }
            next(world, true)
        }
    }

    // MARK: - What must hold

    func isStored(_ digest: Digest) -> Bool {
        backend.contains(digest) || origins.contains { $0.disk[digest] != nil }
    }

    /// All that an acknowledged push keeps, worked out plainly.
    func held() -> Set<Digest> {
        var held: Set<Digest> = []
        var queue = Array(tags.values) + Array(pushed)
        queue += referrers.filter { !isStored($0.value) && !deletions.contains($0.value) }.keys
        while let digest = queue.popLast() {
            guard held.insert(digest).inserted else { continue }
            queue += catalog.references(digest)
            queue += referrers.filter { $0.value == digest }.keys
        }
        return held
    }

    func check(_ occasion: String) {
        for digest in held() where !isStored(digest) {
            losses.append("\(now): \(digest) is lost after \(occasion)")
        }
    }
}

extension CollectionWorld.Catalog {
    /// A small catalog in which images share layers, indexes images, and some manifests sign others.
    static func make() throws -> Self {
        var catalog = Self()
        var generator = Generator(seed: 20)
        catalog.layers = (0..<8).map { _ in .random(&generator) }
        func descriptor(_ digest: Digest, _ kind: String) -> String {
            #"{"mediaType":"application/vnd.oci.image.\#(kind)","digest":"\#(digest)","size":9}"#
        }
        func add(_ text: String) throws -> Digest {
            let digest = Digest(hashing: Array(text.utf8))
            catalog.documents[digest] = try ManifestDocument(parsing: Array(text.utf8))
            return digest
        }
        func image(_ layers: [Digest], subject: Digest? = nil) throws -> Digest {
            let list = layers.map { descriptor($0, "layer.v1.tar") }.joined(separator: ",")
            let sign = subject.map { #","subject":\#(descriptor($0, "manifest.v1+json"))"# } ?? ""
            let config = descriptor(layers[0], "config.v1+json")
            return try add(#"{"schemaVersion":2,"config":\#(config),"layers":[\#(list)]\#(sign)}"#)
        }
        for _ in 0..<6 {
            let layers = (0..<1 + generator.below(3)).map { _ in generator.pick(catalog.layers) }
            catalog.images.append(try image(layers))
        }
        for _ in 0..<2 {
            let children = (0..<2).map { _ in generator.pick(catalog.images) }
            let list = children.map { descriptor($0, "manifest.v1+json") }.joined(separator: ",")
            catalog.indexes.append(try add(#"{"schemaVersion":2,"manifests":[\#(list)]}"#))
        }
        for _ in 0..<3 {
            let subject = generator.pick(catalog.manifests)
            let digest = try image([generator.pick(catalog.layers)], subject: subject)
            catalog.signatures.append((digest, subject))
        }
        let first = catalog.signatures[0].digest
        catalog.signatures.append((try image([catalog.layers[7]], subject: first), first))
        return catalog
    }
}
