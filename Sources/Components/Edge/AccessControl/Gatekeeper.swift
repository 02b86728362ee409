// SPDX-License-Identifier: Apache-2.0

package import ClusterConfiguration
import Content
import FoundationEssentials
package import HTTPKit
package import HTTPTypes
package import Primitives
package import RegistryAPI
import Telemetry

/// Asks who sends a request, and lets pass what they may do.
///
/// Without credentials that are right everybody is told the same, before anything is looked up: nothing shows which
/// repositories there are.
package final class Gatekeeper: RegistryGate {
    private let policy: AccessPolicy
    private let configuration: AccessConfiguration
    private let passwords: PasswordDesk?
    private let tokens: TokenDesk?
    private let refused: Counter
    private let denied: Counter

    /// The gatekeeper that `configuration` describes.
    /// - Throws: ``AccessSetupError`` when a file can't be used.
    package init(
        _ configuration: AccessConfiguration,
        environment: ComponentEnvironment,
        limits: Limits = Limits(),
        now: @escaping @Sendable () -> Double = { Date().timeIntervalSince1970 }
    ) async throws {
        self.configuration = configuration
        policy = AccessPolicy(configuration)
        if let tokens = configuration.tokens {
            self.tokens = try await TokenDesk(
                tokens,
                http: environment.httpClient,
                pool: environment.pool,
                log: environment.log,
                now: now
            )
        } else {
            tokens = nil
        }
        if let path = configuration.passwordFile {
            passwords = try await PasswordDesk(
                path: path,
                pool: environment.pool,
                limits: limits,
                log: environment.log
            )
        } else {
            passwords = nil
        }
        refused = environment.counters.counter("credentials_refused")
        denied = environment.counters.counter("requests_denied")
    }

    /// Ends its threads.
    package func close() async { await passwords?.close() }

    package func admit(
        _ request: RegistryRequest,
        _ headers: HTTPFields
    ) async throws(RegistryError) -> RegistryPass {
        let visitor = try await visitor(headers[.authorization], request)
        guard isAllowed(visitor, request) else {
            denied.add()
            throw denial(of: request, to: visitor)
        }
        return policy.pass(visitor)
    }

    private func isAllowed(_ visitor: Visitor, _ request: RegistryRequest) -> Bool {
        guard let repository = request.repository else {
            if case .repositories = request { return policy.allowsCatalog(visitor) }
            return visitor != .anonymous || !policy.asksAtTheDoor
        }
        return policy.allows(visitor, request.action, in: repository)
    }

    // MARK: - Credentials

    private func visitor(
        _ authorization: String?,
        _ request: RegistryRequest
    ) async throws(RegistryError) -> Visitor {
        // Where nobody can log in, what they log in with does not matter.
        guard passwords != nil || tokens != nil, let authorization else { return .anonymous }
        let scheme = authorization.prefix { $0 != " " }
        let rest = authorization[scheme.endIndex...].drop { $0 == " " }
        switch scheme.lowercased() {
        case "basic": return try await user(String(rest), request)
        case "bearer": return try await bearer(String(rest), request)
        default: throw refusal(request, "credentials are Basic or Bearer")
        }
    }

    private func user(
        _ text: String,
        _ request: RegistryRequest
    ) async throws(RegistryError) -> Visitor {
        guard let passwords else { throw refusal(request, "this registry takes tokens only") }
        guard let bytes = Data(base64Encoded: text),
            let colon = bytes.firstIndex(of: UInt8(ascii: ":"))
        else { throw refusal(request, "the credentials are not base64 of user:password") }
        let user = String(decoding: bytes[..<colon], as: UTF8.self)
        let isRight: Bool
        do {
            isRight = try await passwords.isRight(user, Array(bytes[(colon + 1)...]))
        } catch let error as RegistryError {
            throw error
        } catch {
            throw .unavailable("the registry is stopping")
        }
        guard isRight else { throw refusal(request, "unknown user or wrong password") }
        return .user(user)
    }

    private func bearer(
        _ token: String,
        _ request: RegistryRequest
    ) async throws(RegistryError) -> Visitor {
        guard let tokens else { throw refusal(request, "this registry takes passwords only") }
        do {
            return try await tokens.visitor(token)
        } catch {
            switch error {
            case .invalid(let why):
                throw refusal(request, "the token \(why)", error: "invalid_token")
            case .unavailable:
                throw .unavailable("the keys of tokens can't be fetched at the moment")
            }
        }
    }

    // MARK: - Answers

    /// 401: the credentials count for nothing.
    private func refusal(
        _ request: RegistryRequest,
        _ why: String,
        error: String? = nil
    ) -> RegistryError {
        refused.add()
        return unauthorized(request, why, error: error)
    }

    /// 401 for those who could say who they are or get a better token, else 403.
    private func denial(of request: RegistryRequest, to visitor: Visitor) -> RegistryError {
        let what = request.repository.map { "\(request.action.rawValue) in \($0)" } ?? "this"
        switch visitor {
        case .anonymous: return unauthorized(request, "log in for \(what)")
        case .bearer where configuration.tokens?.realm != nil:
            let why = "the token is not good for \(what)"
            return unauthorized(request, why, error: "insufficient_scope")
        case .bearer, .user:
            return RegistryError(.denied, .forbidden, "you may not do \(what)")
        }
    }

    private func unauthorized(
        _ request: RegistryRequest,
        _ why: String,
        error: String? = nil
    ) -> RegistryError {
        RegistryError(
            .unauthorized,
            .unauthorized,
            why,
            headers: [.wwwAuthenticate: challenge(request, error)]
        )
    }

    /// One challenge only: docker answers the last of several. Where there is a token service, it takes passwords, too.
    /// - Source: RFC 7617, RFC 6750 §3, Docker Registry v2 authentication.
    private func challenge(_ request: RegistryRequest, _ error: String?) -> String {
        guard let realm = configuration.tokens?.realm else {
            guard passwords != nil else { return "Bearer realm=\"\(configuration.realm)\"" }
            return "Basic realm=\"\(configuration.realm)\", charset=\"UTF-8\""
        }
        var text = "Bearer realm=\"\(realm)\""
        if let service = configuration.tokens?.service { text += ",service=\"\(service)\"" }
        if let scope = request.scope { text += ",scope=\"\(scope)\"" }
        if let error { text += ",error=\"\(error)\"" }
        return text
    }
}

extension RegistryRequest {
    /// What a token has to be good for; nil: nothing in particular.
    /// - Source: Docker Registry v2 authentication, "Token Scope Documentation".
    fileprivate var scope: String? {
        guard let repository else {
            if case .repositories = self { return "registry:catalog:*" }
            return nil
        }
        switch action {
        case .pull: return "repository:\(repository):pull"
        case .push: return "repository:\(repository):pull,push"
        case .delete: return "repository:\(repository):delete"
        }
    }
}
