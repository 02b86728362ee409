// SPDX-License-Identifier: Apache-2.0

/// The kinds of component a cluster is made of; the raw value is the word on the command line and in every document.
package enum ComponentKind: String, Codable, CaseIterable, Hashable, Sendable {
    case agent
    case origin
    case tracker
    case buildIndex = "build-index"
    case proxy
    case testfs
}

/// How a component is doing, as its snapshot says it.
package enum Health: String, Codable, CaseIterable, Hashable, Sendable {
    /// It runs, but is not ready for traffic yet.
    case starting
    /// It serves.
    case ok
    /// It runs, and something it needs does not.
    case failing
    /// It has ended, or is about to.
    case stopped
}
