// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Remarks on one configuration that do not make it unusable; one list for a file and all that it extends.
package final class ConfigurationWarnings: Sendable {
    private let remarks = Mutex<[ConfigurationError]>([])

    /// No remarks yet.
    package init() {}

    /// The remarks so far, in the order of their discovery.
    package var all: [ConfigurationError] { remarks.withLock { $0 } }

    /// Adds `remark`, once.
    package func add(_ remark: ConfigurationError) {
        remarks.withLock { if !$0.contains(remark) { $0.append(remark) } }
    }
}
