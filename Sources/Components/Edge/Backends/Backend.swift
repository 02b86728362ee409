// SPDX-License-Identifier: Apache-2.0

package import Content
package import NIOCore

/// Storage for good, outside the cluster: blobs named by their 64 hexadecimal digits, tags named
/// `repository:tag`.
///
/// Implementations validate names, stream both ways, and may be called from any number of tasks at
/// once. A download or upload ends with an error when its task is cancelled.
package protocol Backend: Sendable {
    /// What it is, for logs and errors: `file:/var/lib/herd`.
    var name: String { get }

    /// The object `name`; nil when there is none.
    /// - Throws: ``BackendError``, here as in every call.
    func stat(_ name: String, namespace: Namespace) async throws -> BackendObject?

    /// Passes the bytes of `name` to `write`, in order; the next part is read when `write` has
    /// returned.
    /// - Throws: ``BackendError`` `.notFound` before the first part, or what `write` throws.
    func download(
        _ name: String,
        namespace: Namespace,
        into write: (ByteBuffer) async throws -> Void
    ) async throws

    /// Makes `name` hold the bytes of `source`; what it held before is replaced as a whole, or not
    /// at all. Returns once they are durable, as far as the backend promises that.
    func upload(_ name: String, namespace: Namespace, from source: BackendSource) async throws

    /// Removes the object `name`; that there is none is success.
    /// - Throws: ``BackendError`` `.unsupported` when this storage can't be told to.
    func delete(_ name: String, namespace: Namespace) async throws

    /// One page of the names that begin with `prefix`, in the order of ``lists(_:before:)``.
    func list(_ request: BackendListRequest) async throws -> BackendListPage

    /// Whether `first` comes before `second` in this backend's lists. Stores of objects sort by their paths, which is
    /// not the order of the names where a name ends at a character below `/`.
    func lists(_ first: String, before second: String) -> Bool

    /// Gives up connections and files; no call may follow.
    func close() async
}

extension Backend {
    package func delete(_ name: String, namespace: Namespace) async throws {
        throw BackendError(
            .unsupported,
            what: "remove \(name) from \(self.name)",
            why: "storage of this kind does not remove anything",
            remedy: "remove it where it is stored"
        )
    }

    package func lists(_ first: String, before second: String) -> Bool {
        first.utf8.lexicographicallyPrecedes(second.utf8)
    }
}

/// An object in a backend.
package struct BackendObject: Hashable, Sendable {
    /// Its size.
    package var bytes: Int

    /// An object of `bytes` bytes.
    package init(bytes: Int) { self.bytes = bytes }
}

/// Which names to list.
package struct BackendListRequest: Hashable, Sendable {
    /// What the names begin with; ends at any character, empty for all names.
    package var prefix: String
    /// The most names to answer; nil for all of them.
    package var limit: Int?
    /// Where to go on: the token of the page before.
    package var token: String?

    /// The names that begin with `prefix`.
    package init(prefix: String = "", limit: Int? = nil, token: String? = nil) {
        (self.prefix, self.limit, self.token) = (prefix, limit, token)
    }
}

/// Some of the names asked for.
package struct BackendListPage: Hashable, Sendable {
    /// The names.
    package var names: [String]
    /// What to ask for the next page with; nil on the last one.
    package var nextToken: String?

    /// `names`, followed by the page at `nextToken`.
    package init(names: [String], nextToken: String? = nil) {
        (self.names, self.nextToken) = (names, nextToken)
    }

    /// The page of `names`, which are all there are, that `request` asks for; tokens are the last
    /// name of a page. `precedes` is the order of the list, that of the names' bytes when nil.
    package init(
        of names: [String],
        for request: BackendListRequest,
        by precedes: ((String, String) -> Bool)? = nil
    ) {
        let precedes = precedes ?? { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        let sorted = names.sorted(by: precedes)
        let rest = request.token.map { token in sorted.drop { !precedes(token, $0) } }
        let candidates = rest ?? sorted[...]
        let page = candidates.prefix(max(1, request.limit ?? .max))
        self.init(
            names: Array(page),
            nextToken: page.count < candidates.count ? page.last : nil
        )
    }
}
