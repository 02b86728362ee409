// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Files
import HTTPKit
import HTTPTypes
import JWTKit
import Logging
import NIOCore
import Telemetry

/// Tells what a bearer token is good for.
/// - Source: RFC 7519; Docker Registry v2 authentication, "Token Authentication Implementation".
actor TokenDesk {
    private let configuration: TokenConfiguration
    private let files: [WatchedFile<[TokenKey]>]
    private let http: HTTPClient
    private let log: Logger
    private let now: @Sendable () -> Double
    private var fetched: [TokenKey] = []
    private var fetchedAt: ContinuousClock.Instant?
    private var fetch: Task<[TokenKey]?, Never>?
    private var collection = JWTKeyCollection()
    private var versions: [Int] = []
    private var fetches = 0

    /// How far clocks may be apart, in seconds.
    private static let leeway = 60.0
    /// How long a set of keys is not fetched again, even for a token that none of them has signed.
    private static let fetchIntervalMin = Duration.seconds(30)
    /// How long to wait for a set of keys.
    private static let fetchTimeout = Duration.seconds(10)

    /// Tokens of the keys that `configuration` names.
    /// - Parameter now: seconds since 1970.
    /// - Throws: ``AccessSetupError``.
    init(
        _ configuration: TokenConfiguration,
        http: HTTPClient,
        pool: BlockingPool,
        log: Logger,
        now: @escaping @Sendable () -> Double
    ) async throws {
        (self.configuration, self.http, self.log, self.now) = (configuration, http, log, now)
        var files: [WatchedFile<[TokenKey]>] = []
        for path in configuration.keyFiles {
            files.append(
                try await WatchedFile.open(
                    path,
                    bytesMax: TokenKey.bytesMax,
                    pool: pool,
                    log: log,
                    TokenKey.keys(in:)
                )
            )
        }
        self.files = files
    }

    /// Who has `token`.
    /// - Throws: ``Refusal``.
    func visitor(_ token: String) async throws(Refusal) -> Visitor {
        await refresh(isUrgent: false)
        let known = versions
        var claims = await verified(token)
        if claims == nil {
            await refresh(isUrgent: true)
            // Others may have brought the keys while this waited.
            if versions != known { claims = await verified(token) }
        }
        guard let claims else {
            if fetched.isEmpty, files.isEmpty { throw .unavailable }
            throw .invalid("is not a token that one of the keys has signed")
        }
        try check(claims)
        if let access = claims.access { return .bearer(access) }
        guard let subject = claims.sub, !subject.isEmpty else { return .bearer([]) }
        return .user(subject)
    }

    /// Why a token does not count.
    enum Refusal: Error {
        /// That is wrong with it.
        case invalid(String)
        /// There are no keys at the moment.
        case unavailable
    }

    private func verified(_ token: String) async -> Claims? {
        // Whatever is wrong with it, it is no token of ours.
        try? await collection.verify(token, as: Claims.self, iteratingKeys: true)
    }

    private func check(_ claims: Claims) throws(Refusal) {
        let now = now()
        guard let end = claims.exp else { throw .invalid("does not say when it ends") }
        guard end > now - Self.leeway else { throw .invalid("has expired") }
        if let start = claims.nbf, start > now + Self.leeway { throw .invalid("is not good yet") }
        if let issuer = configuration.issuer, claims.iss != issuer {
            throw .invalid("does not come from \(issuer)")
        }
        if let service = configuration.service, claims.aud?.names.contains(service) != true {
            throw .invalid("is not for \(service)")
        }
    }

    // MARK: - Keys

    /// Brings the keys up to date.
    /// - Parameter isUrgent: whether a token came that none of the keys has signed.
    private func refresh(isUrgent: Bool) async {
        var sources: [[TokenKey]] = []
        var fresh: [Int] = []
        for file in files {
            let (keys, version) = await file.current()
            sources.append(keys)
            fresh.append(version)
        }
        if let url = configuration.keySetURL {
            await fetchKeys(url, isUrgent: isUrgent)
            sources.append(fetched)
            fresh.append(fetches)
        }
        guard fresh != versions else { return }
        let collection = JWTKeyCollection()
        for (source, keys) in sources.enumerated() {
            for (index, key) in keys.enumerated() {
                do {
                    try await collection.add(key, named: "\(source)/\(index)")
                } catch {
                    log.warning("a key can't be used", metadata: [LogKey.error: "\(error)"])
                }
            }
        }
        (self.collection, versions) = (collection, fresh)
    }

    private func fetchKeys(_ url: String, isUrgent: Bool) async {
        let age = fetchedAt.map { ContinuousClock.now - $0 }
        let ageMax =
            isUrgent || fetched.isEmpty ? Self.fetchIntervalMin : configuration.refreshInterval
        if let age, age < ageMax, fetch == nil { return }
        let running = fetch ?? Task { await get(url) }
        fetch = running
        let keys = await running.value
        // Whoever comes first takes what came.
        guard fetch == running else { return }
        (fetch, fetchedAt) = (nil, .now)
        guard let keys else { return }
        fetched = keys
        fetches += 1
    }

    private func get(_ url: String) async -> [TokenKey]? {
        do {
            let request = ClientRequest(.get, url, timeout: Self.fetchTimeout)
            let (_, body) = try await http.collect(request, upTo: TokenKey.bytesMax)
            return try TokenKey.keys(in: Array(body.readableBytesView))
        } catch {
            log.warning(
                "the keys of tokens can't be fetched; those from before hold",
                metadata: [LogKey.address: "\(url)", LogKey.error: "\(error)"]
            )
            return nil
        }
    }
}

/// What a token says.
private struct Claims: JWTPayload {
    let iss: String?
    let sub: String?
    let aud: Audience?
    let exp: Double?
    let nbf: Double?
    let access: [TokenGrant]?

    /// Nothing: what it says is compared with the configuration and the clock afterwards.
    func verify(using algorithm: some JWTAlgorithm) async throws {}

    /// One name, or several.
    struct Audience: Codable {
        let names: [String]

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            do {
                names = [try container.decode(String.self)]
            } catch {
                names = try container.decode([String].self)
            }
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            try container.encode(names)
        }
    }
}
