// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Primitives
package import Telemetry

/// Where keys come from.
package enum AWSCredentialPlace: String, Hashable, Sendable, CaseIterable {
    /// `AWS_ACCESS_KEY_ID` and its companions.
    case environment
    /// A token in a file, exchanged for keys: roles of Kubernetes service accounts.
    case webIdentity = "web_identity"
    /// The agent beside a container: ECS, EKS pod identity.
    case container
    /// The virtual machine's metadata service, IMDSv2.
    case instance
}

/// Gives out keys, and fetches new ones before they end; one fetch at a time, whoever asks.
package actor AWSCredentialSource {
    private let fixed: AWSCredentials?
    private let places: [AWSCredentialPlace]
    private let providers: AWSCredentialProviders
    private let now: @Sendable () -> Timestamp
    private var current: AWSCredentials?
    private var fetch: Task<AWSCredentials, any Error>?

    /// Keys are replaced so long before they end.
    private static let margin = Duration.minutes(5)

    /// The keys `fixed`, or those of the first of `places` that has some.
    package init(
        fixed: AWSCredentials?,
        places: [AWSCredentialPlace],
        context: BackendContext,
        now: @escaping @Sendable () -> Timestamp = { .now }
    ) {
        (self.fixed, self.places, self.now) = (fixed, places, now)
        providers = AWSCredentialProviders(context: context)
    }

    /// Keys that hold for some minutes.
    /// - Throws: ``BackendError`` saying where keys were looked for.
    package func credentials() async throws -> AWSCredentials {
        if let fixed { return fixed }
        if let current, !isEnding(current) { return current }
        let running = fetch ?? Task { try await fetchAnew() }
        fetch = running
        let result = await running.result
        // Whoever comes first clears the way for the next fetch.
        if fetch == running { fetch = nil }
        switch result {
        case .success(let fresh):
            current = fresh
            return fresh
        case .failure(let error):
            // Old keys may still hold for a while.
            if let current, let end = current.expiration, end > now() { return current }
            throw error
        }
    }

    private func isEnding(_ credentials: AWSCredentials) -> Bool {
        guard let end = credentials.expiration else { return false }
        return end.unixNanoseconds - now().unixNanoseconds < Self.margin.nanoseconds
    }

    private func fetchAnew() async throws -> AWSCredentials {
        var reasons: [String] = []
        for place in places {
            do {
                if let found = try await providers.fetch(from: place) { return found }
                reasons.append("\(place.rawValue): not set up")
            } catch let error as BackendError {
                reasons.append("\(place.rawValue): \(error.why)")
            }
        }
        throw BackendError(
            .unavailable,
            what: "find AWS credentials",
            why: reasons.joined(separator: "; "),
            remedy: "set username and auth.s3, or give the host or container a role"
        )
    }
}
