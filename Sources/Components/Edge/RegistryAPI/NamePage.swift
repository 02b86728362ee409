// SPDX-License-Identifier: Apache-2.0

/// Which part of a list of names a client wants.
package struct PageRequest: Hashable, Sendable {
    /// The most names it wants; nil: all.
    package var limit: Int?
    /// Names up to and including this one are left out.
    package var after: String?

    /// At most `limit` names after `after`.
    package init(limit: Int? = nil, after: String? = nil) {
        (self.limit, self.after) = (limit, after)
    }
}

/// Part of a list of names in lexical order.
package struct NamePage: Hashable, Sendable {
    /// The names.
    package let names: [String]
    /// Whether more names follow.
    package let hasMore: Bool

    /// `names`, followed by others if `hasMore`.
    package init(names: [String], hasMore: Bool) {
        (self.names, self.hasMore) = (names, hasMore)
    }

    /// The part of `all`, in any order and with repetitions, that `page` asks for.
    /// - Complexity: O(n log n).
    package init(of all: some Sequence<String>, page: PageRequest) {
        self.init(ofSorted: Set(all).sorted(), page: page)
    }

    /// The part of `all`, in order and without repetitions, that `page` asks for.
    /// - Complexity: O(log n) and what the part has.
    package init(ofSorted all: [String], page: PageRequest) {
        // Strings compare by Unicode in Swift; the names are ASCII, for which that is the order of their bytes.
        let after = page.after ?? ""
        var (start, end) = (0, all.count)
        while start < end {
            let middle = (start + end) / 2
            if all[middle] > after { end = middle } else { start = middle + 1 }
        }
        let count = min(page.limit ?? all.count, all.count - start)
        self.init(
            names: Array(all[start..<start + count]),
            hasMore: start + count < all.count && count > 0
        )
    }
}
