// SPDX-License-Identifier: Apache-2.0

import ClusterClients
import Content
import Synchronization

/// The lists of tags as they were when somebody asked last, to be compared with what they are now: a list that has not
/// changed is neither sent nor sorted again.
final class TagListMemory: Sendable {
    /// The tags of one repository.
    struct List: Sendable {
        /// As build-indexes have them; each with what names it.
        let pages: [TagPage]
        /// All names that users have put, in the order of their bytes.
        let names: [String]

        var count: Int { pages.reduce(0) { $0 + $1.names.count } }
    }

    private let namesMax: Int
    private let state = Mutex(State())

    private struct State {
        var lists: [RepositoryName: List] = [:]
        var names = 0
    }

    /// A memory of at most `namesMax` names.
    init(namesMax: Int) { self.namesMax = namesMax }

    /// The tags of `repository` as they were.
    func list(of repository: RepositoryName) -> List? { state.withLock { $0.lists[repository] } }

    /// Remembers `list` as the tags of `repository`, unless it can't be compared; the others go where they are too many.
    func keep(_ list: List, of repository: RepositoryName) {
        let isComparable = list.pages.allSatisfy { $0.entityTag != nil }
        state.withLock { state in
            if let old = state.lists.removeValue(forKey: repository) { state.names -= old.count }
            guard isComparable, list.count <= namesMax else { return }
            if state.names + list.count > namesMax { state = State() }
            state.lists[repository] = list
            state.names += list.count
        }
    }
}
