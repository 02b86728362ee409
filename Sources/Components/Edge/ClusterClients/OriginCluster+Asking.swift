// SPDX-License-Identifier: Apache-2.0

import Logging
import Primitives
import Telemetry

extension OriginCluster {
    /// What the first of `addresses` that can answers to `ask`.
    ///
    /// - Parameter isFinal: whether an error is the answer, so that no further host is asked.
    /// - Throws: the final error; else `.notFound` when a host said so, because one that is down
    ///   must not make a blob that nobody has look like an outage; else the last error.
    func firstAnswer<Value>(
        from addresses: [String],
        _ what: String,
        isFinal: (ClusterError) -> Bool,
        ask: (OriginClient) async throws -> Value
    ) async throws -> Value {
        var failure: ClusterError?
        for address in addresses {
            do {
                let value = try await ask(client(address))
                hosts.noteAnswer(of: address)
                return value
            } catch let error as ClusterError {
                note(error, of: address)
                if isFinal(error) { throw error }
                if failure?.code != .notFound { failure = error }
            }
        }
        throw failure ?? hosts.noHosts(what)
    }

    /// What the first of `addresses` that can answers to `ask`, asked again while it says
    /// `.accepted`.
    func polling<Value>(
        _ addresses: [String],
        _ what: String,
        ask: (OriginClient) async throws -> Value
    ) async throws -> Value {
        let isFinal = { (error: ClusterError) in
            !error.mayPassElsewhere && error.code != .notFound && error.code != .accepted
                && !error.isServerFailure
        }
        return try await firstAnswer(from: addresses, what, isFinal: isFinal) { client in
            try await poll.untilDone { try await ask(client) }
        }
    }

    private func note(_ error: ClusterError, of address: String) {
        if error.isNetworkFailure {
            hosts.noteFailure(of: address)
        } else {
            hosts.noteAnswer(of: address)
        }
        log.debug(
            "an origin did not answer as wished",
            metadata: [LogKey.address: "\(address)", LogKey.error: "\(error)"]
        )
    }
}

extension ClusterError {
    /// Whether the status is 500 or above.
    var isServerFailure: Bool { if case .status(let code) = code { code >= 500 } else { false } }
}

extension PollPolicy {
    /// Repeats `ask` while it throws `.accepted`, with waits in between, until the policy's time is
    /// over.
    package func untilDone<Value>(_ ask: () async throws -> Value) async throws -> Value {
        var generator = Generator(seed: .random(in: .min ... .max))
        let deadline = ContinuousClock.now.advanced(by: elapsedMax)
        var attempt = 0
        while true {
            do {
                return try await ask()
            } catch let error as ClusterError where error.code == .accepted {
                let wait = wait(before: attempt, from: &generator)
                guard ContinuousClock.now.advanced(by: wait) < deadline else { throw error }
                attempt += 1
                // There is no event to wait for: the protocol has only the next request.
                try await Task.sleep(for: wait)
            }
        }
    }
}
