// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration

/// Where objects lie in a flat store: below a prefix, each at the path of its name.
struct ObjectKeys {
    /// What every key begins with.
    let prefix: String
    /// How names become paths below it.
    let namePath: NamePath

    /// The key of the object `name`.
    /// - Throws: ``BackendError`` `.invalidName`.
    func key(of name: String) throws -> String { prefix + (try namePath.path(of: name)) }

    /// What all keys that `request` asks for begin with; others may, too.
    func prefix(of request: BackendListRequest) throws -> String {
        prefix + (try namePath.pathPrefix(ofPrefix: request.prefix))
    }

    /// The name of the object at `key`; nil when none lies there that `request` asks for.
    func name(at key: String, for request: BackendListRequest) -> String? {
        guard key.hasPrefix(prefix),
            let name = namePath.name(at: String(key.dropFirst(prefix.count))),
            namePath.matches(name, prefix: request.prefix)
        else { return nil }
        return name
    }
}
