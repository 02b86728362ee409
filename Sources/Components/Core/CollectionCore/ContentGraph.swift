// SPDX-License-Identifier: Apache-2.0

package import Content

/// What keeps what in a registry: tags and records keep manifests, manifests keep what they refer to, and a manifest keeps
/// those that have it as their subject.
///
/// It is filled from the outside: ``nextToRead()`` names manifests whose bytes are wanted, ``note(_:as:)`` takes them.
package struct ContentGraph: Sendable {
    private var roots: [(digest: Digest, keeper: Keeper)] = []
    private var references: [Digest: [Digest]] = [:]
    private var referrers: [Digest: [ReferrerRecord]] = [:]
    private var referrerOrder: [ReferrerRecord] = []
    private var deletions: Set<Deletion> = []
    private var unread: [Digest] = []
    private var known: Set<Digest> = []
    private var needed: Set<Digest> = []

    /// Why something is kept.
    package enum Keeper: Hashable, Sendable, CustomStringConvertible {
        /// A tag names it: `repository:tag`.
        case tag(String)
        /// It was pushed by digest to that repository, and not deleted since.
        case pushed(String)
        /// That manifest, which is kept, refers to it.
        case reference(from: Digest)
        /// It has that manifest, which is kept or still to come, as its subject.
        case referrer(of: Digest)

        package var description: String {
            switch self {
            case .tag(let name): "tag \(name)"
            case .pushed(let repository): "pushed by digest to \(repository)"
            case .reference(let manifest): "part of \(manifest)"
            case .referrer(let subject): "refers to \(subject)"
            }
        }
    }

    private struct ReferrerRecord: Hashable {
        let referrer: Digest
        let subject: Digest
        let repository: String
    }

    private struct Deletion: Hashable {
        let digest: Digest
        let repository: String
    }

    /// An empty graph.
    package init() {}

    // MARK: - Filling

    /// The manifest `digest` is kept by `keeper`, whatever else there is.
    package mutating func addRoot(_ digest: Digest, _ keeper: Keeper) {
        roots.append((digest, keeper))
        needed.insert(digest)
        want(digest)
    }

    /// There may be a manifest `digest`, which keeps what it refers to only if something keeps it.
    package mutating func addManifest(_ digest: Digest) { want(digest) }

    /// `repository` remembers that `referrer` has `subject` as its subject.
    package mutating func addReferrer(
        _ referrer: Digest,
        of subject: Digest,
        in repository: String
    ) {
        let record = ReferrerRecord(referrer: referrer, subject: subject, repository: repository)
        referrers[subject, default: []].append(record)
        referrerOrder.append(record)
        want(referrer)
    }

    /// `digest` was deleted from `repository`.
    package mutating func addDeletion(of digest: Digest, in repository: String) {
        deletions.insert(Deletion(digest: digest, repository: repository))
    }

    /// Whether what `digest` refers to must be known: what may be gone for good is only asked for in case it is there.
    package func isNeeded(_ digest: Digest) -> Bool { needed.contains(digest) }

    /// The next manifest whose bytes are needed; nil when all is known.
    package mutating func nextToRead() -> Digest? { unread.popLast() }

    /// The manifest `digest` says `document`; nil: it is no manifest, and refers to nothing.
    package mutating func note(_ document: ManifestDocument?, as digest: Digest) {
        guard let document else { return }
        references[digest] = document.references.map(\.digest)
        if case .index(let index) = document {
            for child in index.manifests {
                if needed.contains(digest) { needed.insert(child.digest) }
                want(child.digest)
            }
        }
    }

    private mutating func want(_ manifest: Digest) {
        if known.insert(manifest).inserted { unread.append(manifest) }
    }

    // MARK: - Answers

    /// Everything that is kept, with why.
    ///
    /// A manifest whose subject was never there is kept: it may be pushed later. One whose subject was deleted is not.
    /// - Parameter isStored: whether there is such content at all.
    package func kept(isStored: (Digest) -> Bool) -> [Digest: Keeper] {
        var kept: [Digest: Keeper] = [:]
        for (digest, keeper) in roots { keep(digest, keeper, in: &kept) }
        for record in referrerOrder where !isStored(record.subject) {
            let deletion = Deletion(digest: record.subject, repository: record.repository)
            if !deletions.contains(deletion) {
                keep(record.referrer, .referrer(of: record.subject), in: &kept)
            }
        }
        return kept
    }

    /// Adds to `kept` what `digest` keeps if it stays, however far.
    package func addKept(by digest: Digest, to kept: inout [Digest: Keeper]) {
        for (next, keeper) in followers(of: digest) { keep(next, keeper, in: &kept) }
    }

    /// The subjects of `candidates` that are not stored and that nothing keeps: should one come back, so would they.
    package func absentSubjects(of candidates: Set<Digest>, stored: Set<Digest>) -> [Digest] {
        referrerOrder.compactMap { record in
            let isAbsent = candidates.contains(record.referrer) && !stored.contains(record.subject)
            return isAbsent ? record.subject : nil
        }
    }

    /// What has `digest` as its subject.
    package func referrers(of digest: Digest) -> [Digest] {
        (referrers[digest] ?? []).map(\.referrer)
    }

    private func keep(_ digest: Digest, _ keeper: Keeper, in kept: inout [Digest: Keeper]) {
        var queue = [(digest, keeper)]
        while let (digest, keeper) = queue.popLast() {
            guard kept[digest] == nil else { continue }
            kept[digest] = keeper
            queue += followers(of: digest)
        }
    }

    private func followers(of digest: Digest) -> [(Digest, Keeper)] {
        (references[digest] ?? []).map { ($0, .reference(from: digest)) }
            + (referrers[digest] ?? []).map { ($0.referrer, .referrer(of: digest)) }
    }

    /// `candidates` in an order in which whatever would keep another one, were it spared, comes before that.
    ///
    /// - Complexity: O(candidates × log candidates + references among them).
    package func ordered(_ candidates: Set<Digest>) -> [Digest] {
        func followers(_ digest: Digest) -> [Digest] {
            self.followers(of: digest).map(\.0).filter(candidates.contains)
        }
        let sorted = candidates.sorted()
        var incoming: [Digest: Int] = [:]
        for digest in sorted { for next in followers(digest) { incoming[next, default: 0] += 1 } }
        var ready = sorted.filter { incoming[$0] == nil }
        var order: [Digest] = []
        order.reserveCapacity(sorted.count)
        var position = 0
        while position < ready.count {
            let digest = ready[position]
            position += 1
            order.append(digest)
            for next in followers(digest) {
                incoming[next, default: 1] -= 1
                if incoming[next] == 0 { ready.append(next) }
            }
        }
        // Digests make no circles, since each would have to contain the next one; what forged records say is left alone.
        return order
    }
}
