// SPDX-License-Identifier: Apache-2.0

import Logging
import Telemetry

extension HostList {
    /// What the first of `addresses` that gives any answer says to `ask`; an HTTP error is an answer, but for 507: where one
    /// disk is full, another may have room.
    /// - Throws: ``ClusterError``: that answer, or the last failure when nobody answers.
    func firstAnswer<Value>(
        from addresses: [String],
        _ what: String,
        log: Logger,
        ask: (_ address: String) async throws -> Value
    ) async throws -> Value {
        var failure: ClusterError?
        for address in addresses {
            do {
                let value = try await ask(address)
                noteAnswer(of: address)
                return value
            } catch let error as ClusterError {
                guard error.isNetworkFailure || error.code == .status(507) else {
                    noteAnswer(of: address)
                    throw error
                }
                if error.isNetworkFailure {
                    noteFailure(of: address)
                    failure = failure ?? error
                } else {
                    noteAnswer(of: address)
                    // It tells more than that others are not to be reached.
                    failure = error
                }
                log.debug(
                    "a host gave no answer",
                    metadata: [LogKey.address: "\(address)", LogKey.error: "\(error)"]
                )
            }
        }
        throw failure ?? noHosts(what)
    }
}
