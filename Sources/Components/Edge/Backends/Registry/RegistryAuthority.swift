// SPDX-License-Identifier: Apache-2.0

import Content
import FoundationEssentials
import HTTPKit
import HTTPTypes
import NIOCore
import Telemetry

/// What a registry wants to know of who asks: finds it out from its challenges, and remembers it for each repository.
actor RegistryAuthority {
    private let settings: RegistrySettings
    private let context: BackendContext
    private let transport: BackendTransport
    /// Whether what is asked for shall let us write, too.
    private let isWriting: Bool
    private var known: [String: Known] = [:]
    private var password: (value: RegistryPassword, until: ContinuousClock.Instant)?

    private struct Known {
        let header: String
        let until: ContinuousClock.Instant
        /// Whether the request that it was got for was not refused with it.
        var isProven = false
    }

    /// Repositories whose tokens are kept; more begin anew.
    private static let repositoriesMax = 4096
    /// What a token lasts at least, by the specification.
    private static let tokenLifetimeMin = Duration.seconds(60)
    /// How long a helper's answer, or ECR's, is used.
    private static let passwordLifetime = Duration.seconds(900)

    /// Who asks the registry of `settings`; with `isWriting`, for more than to read it.
    init(_ settings: RegistrySettings, context: BackendContext, isWriting: Bool = false) {
        (self.settings, self.context, self.isWriting) = (settings, context, isWriting)
        transport = BackendTransport(
            backend: "registry \(settings.address)",
            context,
            settings.transport,
            remedy: "check that its token service runs"
        )
    }

    /// The `Authorization` that was good for `repository` last.
    func known(for repository: String) -> String? {
        guard let header = known[repository], header.until > .now else { return nil }
        known[repository]?.isProven = true
        return header.header
    }

    /// What to ask in place of `request`, which was answered with a challenge; nil when nothing would help.
    func answer(
        _ response: ClientResponse,
        to request: ClientRequest
    ) async throws -> ClientRequest? {
        guard let text = response.headers[.wwwAuthenticate] else { return nil }
        let repository = Self.repository(in: request.url)
        let challenge = RegistryChallenge(text)
        let header: String
        switch challenge.scheme {
        case "basic":
            guard let password = try await currentPassword() else { return nil }
            header = Self.basic(password)
            remember(header, for: repository, lasting: Self.passwordLifetime)
        case "bearer":
            if let fresh = known[repository], !fresh.isProven,
                fresh.header == request.headers[.authorization]
            {
                // Another one for the same would look different, and allow no more.
                known[repository] = nil
                return nil
            }
            let scope = RegistryScope.wanted(
                in: repository,
                asked: challenge.values["scope"],
                isWriting: isWriting
            )
            let token = try await token(challenge, scope: scope)
            header = "Bearer \(token.text)"
            remember(header, for: repository, lasting: token.lifetime)
        default: return nil
        }
        // The same was refused just now.
        guard request.headers[.authorization] != header else {
            known[repository] = nil
            password = nil
            return nil
        }
        var next = request
        next.headers[.authorization] = header
        return next
    }

    private func remember(_ header: String, for repository: String, lasting lifetime: Duration) {
        if known.count >= Self.repositoriesMax { known.removeAll() }
        known[repository] = Known(header: header, until: .now.advanced(by: lifetime * 0.9))
    }

    // MARK: - Tokens

    private func token(
        _ challenge: RegistryChallenge,
        scope: String
    ) async throws -> (text: String, lifetime: Duration) {
        let what = "get a token for \(scope)"
        guard let realm = challenge.values["realm"], realm.hasPrefix("http") else {
            throw BackendError(
                .failed,
                what: "\(what) in \(transport.backend)",
                why: "its challenge does not say where"
            )
        }
        let password = try await currentPassword()
        let request = Self.tokenRequest(realm, challenge.values["service"], scope, password)
        let (_, body) = try await transport.collect(what, upTo: 1 << 20) { request }
        guard let document = try? JSON(parsing: body.readableBytesView),  // said below
            let text = document["token"]?.string ?? document["access_token"]?.string
        else {
            throw BackendError(
                .failed,
                what: "\(what) in \(transport.backend)",
                why: "the answer of \(realm) holds none"
            )
        }
        let seconds = Duration.seconds(document["expires_in"]?.integer ?? 60)
        return (text, max(seconds, Self.tokenLifetimeMin))
    }

    /// - Source: Docker Registry v2 authentication, "Token Authentication" and "OAuth 2".
    private static func tokenRequest(
        _ realm: String,
        _ service: String?,
        _ scope: String,
        _ password: RegistryPassword?
    ) -> ClientRequest {
        var form = [("client_id", "docker"), ("scope", scope)]
        if let service { form.append(("service", service)) }
        if let token = password?.identityToken, !token.isEmpty {
            form += [("grant_type", "refresh_token"), ("refresh_token", token)]
            return ClientRequest(
                .post,
                realm,
                headers: [.contentType: "application/x-www-form-urlencoded"],
                body: .bytes(ByteBuffer(string: encoded(form)))
            )
        }
        let separator = realm.contains("?") ? "&" : "?"
        return ClientRequest(
            .get,
            realm + separator + encoded(form),
            headers: password.map { [.authorization: basic($0)] } ?? [:]
        )
    }

    private static func encoded(_ form: [(String, String)]) -> String {
        form.map { "\($0)=\(PercentCoding.encode($1))" }.joined(separator: "&")
    }

    private static func basic(_ password: RegistryPassword) -> String {
        let text = "\(password.username):\(password.password)"
        return "Basic " + Data(text.utf8).base64EncodedString()
    }

    /// The `a/b` of `https://host/v2/a/b/blobs/…` and of `https://host/v2/a/b/blobs/uploads/…`.
    private static func repository(in url: String) -> String {
        guard let start = url.firstRange(of: "/v2/") else { return "" }
        let path = url[start.upperBound...].prefix { $0 != "?" }.split(separator: "/")
        let isUpload = path.count > 3 && path.suffix(3).prefix(2) == ["blobs", "uploads"]
        return path.dropLast(isUpload ? 3 : 2).joined(separator: "/")
    }

    // MARK: - Passwords

    private func currentPassword() async throws -> RegistryPassword? {
        if let password, password.until > .now { return password.value }
        let fresh: RegistryPassword?
        switch settings.login {
        case .none: return nil
        case .password(let value): return value.isEmpty ? nil : value
        case .helper(let name, let other):
            do {
                fresh = try await CredentialHelper(name).password(
                    for: settings.address,
                    context
                )
            } catch {
                guard let other, !other.isEmpty else { throw error }
                fresh = other
            }
        case .elasticContainerRegistry:
            fresh = try await ECRLogin(settings.address, context: context).password()
        }
        password = fresh.map { ($0, .now.advanced(by: Self.passwordLifetime)) }
        return fresh
    }
}

/// `Bearer realm="https://…",service="…",scope="…"`.
struct RegistryChallenge: Hashable, Sendable {
    /// In lower case.
    let scheme: String
    let values: [String: String]

    /// Reads the value of `WWW-Authenticate`; what is malformed is left out.
    init(_ text: String) {
        scheme = text.prefix { $0 != " " }.lowercased()
        var values: [String: String] = [:]
        var rest = text.dropFirst(scheme.count)
        while let equals = rest.firstIndex(of: "=") {
            let key = rest[..<equals].filter { $0 != " " && $0 != "," }.lowercased()
            rest = rest[rest.index(after: equals)...]
            let isQuoted = rest.first == "\""
            if isQuoted { rest = rest.dropFirst() }
            let value = rest.prefix { $0 != (isQuoted ? "\"" : ",") }
            values[key] = String(value)
            rest = rest[value.endIndex...].dropFirst()
        }
        self.values = values
    }
}

/// What a token shall allow: `repository:a/b:pull,push`, and the same for other repositories after spaces.
/// - Source: Docker Registry v2 authentication, "Token Scope Documentation".
enum RegistryScope {
    /// The scope to ask for in `repository` when a challenge says `asked`.
    ///
    /// Who writes asks for all of it at once, so that a look and the write that follows it take one token, and a repository that
    /// is yet to come into being is not one that nobody may read.
    static func wanted(in repository: String, asked: String?, isWriting: Bool) -> String {
        let own = "repository:\(repository):"
        guard isWriting else { return asked ?? own + "pull" }
        var (actions, others) = (["pull", "push"], [String]())
        for scope in (asked ?? "").split(separator: " ") {
            guard scope.hasPrefix(own) else {
                others.append(String(scope))
                continue
            }
            for action in scope.dropFirst(own.count).split(separator: ",").map(String.init)
            where !actions.contains(action) {
                actions.append(action)
            }
        }
        return ([own + actions.joined(separator: ",")] + others).joined(separator: " ")
    }
}
