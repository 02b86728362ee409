// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Crypto
import Files
import Foundation
import HTTPTypes
import Telemetry
import TestSupport
import Testing

@testable import AccessControl

@Suite("Gatekeeper") struct GatekeeperTests {
    private static let passwords = [
        // alice: U*U, bob: U*U*
        "htpasswd": """
        alice:$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW
        bob:$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK
        """
    ]
    private static let (alice, bob) = (basic("alice", "U*U"), basic("bob", "U*U*"))
    private static let start = "/v2/team-a/web/blobs/uploads/"
    private static let tags = "/v2/team-a/web/tags/list"

    @Test("without rules, whoever logs in may do everything, and others are told how")
    func passwords() async throws {
        try await GateHarness.run(files: Self.passwords) {
            $0.passwordFile = "\($1)/htpasswd"
            $0.realm = "builds"
        } body: { gate async throws in
            for (method, path) in [
                (HTTPRequest.Method.get, "/v2/"), (.get, Self.tags), (.post, Self.start),
                (.delete, "/v2/a/manifests/latest"), (.get, "/v2/_catalog"),
            ] {
                let (status, challenge) = try await gate.ask(method, path)
                #expect(status == 401)
                #expect(challenge == #"Basic realm="builds", charset="UTF-8""#)
                #expect(try await gate.status(method, path, Self.alice) == 200)
                #expect(try await gate.status(method, path, basic("alice", "U*V")) == 401)
                #expect(try await gate.status(method, path, basic("carol", "U*U")) == 401)
            }
            for text in [
                "Basic", "Basic ***", "Basic " + Data("alice".utf8).base64EncodedString(),
                "Bearer x", "Digest x", "",
            ] {
                #expect(try await gate.status(.get, "/v2/", text) == 401, "\(text)")
            }
            #expect(gate.counters.counter("credentials_refused").value >= 16)
        }
    }

    @Test("rules allow per repository and action; what none allows is forbidden")
    func rules() async throws {
        try await GateHarness.run(files: Self.passwords) {
            $0.passwordFile = "\($1)/htpasswd"
            $0.rules = [
                AccessRule(repository: "team-a/*", users: ["alice"], actions: [.push]),
                AccessRule(repository: "team-a/*", users: ["*"], actions: [.pull]),
                AccessRule(repository: "public/*", actions: [.pull]),
                AccessRule(repository: "*", users: ["bob"], actions: [.delete]),
            ]
        } body: { gate async throws in
            // Pushing includes reading; neither includes deleting.
            #expect(try await gate.status(.post, Self.start, Self.alice) == 200)
            #expect(try await gate.status(.get, Self.tags, Self.alice) == 200)
            #expect(try await gate.status(.delete, "/v2/team-a/web/manifests/x", Self.alice) == 403)
            #expect(try await gate.status(.post, "/v2/team-b/blobs/uploads/", Self.alice) == 403)
            #expect(
                try await gate.status(.post, "/v2/x/team-a/a/blobs/uploads/", Self.alice) == 403
            )
            #expect(try await gate.status(.get, Self.tags, Self.bob) == 200)
            #expect(try await gate.status(.post, Self.start, Self.bob) == 403)
            #expect(try await gate.status(.delete, "/v2/q/manifests/x", Self.bob) == 200)
            #expect(try await gate.status(.get, "/v2/q/tags/list", Self.bob) == 403)
            // Anybody reads what is public, but the door asks, for those who would push.
            #expect(try await gate.status(.get, "/v2/public/web/tags/list") == 200)
            #expect(try await gate.status(.post, "/v2/public/web/blobs/uploads/") == 401)
            #expect(try await gate.status(.get, Self.tags) == 401)
            #expect(try await gate.status(.get, "/v2/") == 401)
            #expect(try await gate.status(.get, "/v2/_catalog") == 200)
        }
    }

    @Test("anonymous access is what the configuration says")
    func anonymous() async throws {
        try await GateHarness.run { access, _ in
            access.anonymous = .push
        } body: { gate async throws in
            #expect(try await gate.status(.post, Self.start) == 200)
            #expect(try await gate.status(.get, "/v2/") == 200)
            // Nobody can log in, so what somebody logs in with does not matter.
            #expect(try await gate.status(.get, "/v2/", Self.alice) == 200)
        }
        try await GateHarness.run(files: Self.passwords) {
            $0.anonymous = .pull
            $0.passwordFile = "\($1)/htpasswd"
        } body: { gate async throws in
            #expect(try await gate.status(.get, Self.tags) == 200)
            #expect(try await gate.status(.post, Self.start) == 401)
            #expect(try await gate.status(.post, Self.start, Self.alice) == 200)
            // Wrong credentials are wrong even where none are needed.
            #expect(try await gate.status(.get, Self.tags, basic("alice", "x")) == 401)
        }
    }

    // MARK: - Tokens

    private static func claims(_ more: String = "", exp: Double = GateHarness.now + 300) -> String {
        #"{"iss":"auth","aud":["herd"],"sub":"alice","exp":\#(exp)\#(more)}"#
    }

    @Test("tokens count when one of the keys has signed them and their claims hold")
    func tokens() async throws {
        let forges = [
            TokenForge.p256(), .ed25519(), try .rsa(), try .rsa("RS512"), try .rsa("PS256"),
        ]
        let stranger = TokenForge.p256()
        let pem = forges.map(\.publicPEM).joined(separator: "\n")
        try await GateHarness.run(files: ["keys.pem": pem]) {
            $0.tokens = TokenConfiguration()
            $0.tokens?.keyFiles = ["\($1)/keys.pem"]
            $0.tokens?.issuer = "auth"
            $0.tokens?.service = "herd"
        } body: { gate async throws in
            func status(_ forge: TokenForge, _ claims: String) async throws -> Int {
                try await gate.status(.post, Self.start, "Bearer \(forge.token(claims))")
            }
            for forge in forges {
                #expect(try await status(forge, Self.claims()) == 200, "\(forge.algorithm)")
                var named = forge
                named.keyID = "a name that the file does not have"
                #expect(try await status(named, Self.claims()) == 200)
            }
            let forge = forges[0]
            #expect(try await status(stranger, Self.claims()) == 401)
            #expect(try await status(forge, Self.claims(exp: GateHarness.now - 61)) == 401)
            let later = #","nbf":\#(GateHarness.now + 120)"#
            #expect(try await status(forge, Self.claims(later)) == 401)
            let others = [
                #"{"iss":"other","aud":"herd","sub":"alice","exp":\#(GateHarness.now + 9)}"#,
                #"{"iss":"auth","aud":"else","sub":"alice","exp":\#(GateHarness.now + 9)}"#,
                #"{"iss":"auth","aud":"herd","sub":"alice"}"#, "[]", "",
            ]
            for claims in others { #expect(try await status(forge, claims) == 401, "\(claims)") }
            // Nor when the header names another algorithm, or none, or a byte has changed.
            let good = try forge.token(Self.claims())
            let parts = good.split(separator: ".")
            let none = TokenForge.base64URL(Data(#"{"alg":"none"}"#.utf8))
            for bad in [
                "\(none).\(parts[1]).", "\(none).\(parts[1]).\(parts[2])", "a.b.c", "", ".",
            ] {
                #expect(try await gate.status(.get, Self.tags, "Bearer \(bad)") == 401, "\(bad)")
            }
            let key = SymmetricKey(data: Data(forge.publicPEM.utf8))
            let confused = TokenForge(
                sign: { Data(HMAC<SHA256>.authenticationCode(for: $0, using: key)) },
                algorithm: "HS256",
                publicPEM: ""
            )
            #expect(try await status(confused, Self.claims()) == 401)
        }
    }

    @Test("a token's access says what it is good for, and clients are sent for a better one")
    func scopes() async throws {
        let forge = TokenForge.p256()
        try await GateHarness.run(files: ["key.pem": forge.publicPEM]) {
            $0.tokens = TokenConfiguration()
            $0.tokens?.keyFiles = ["\($1)/key.pem"]
            $0.tokens?.realm = "https://auth.test/token"
            $0.tokens?.service = "herd"
        } body: { gate async throws in
            let (status, challenge) = try await gate.ask(.post, Self.start)
            #expect(status == 401)
            #expect(
                challenge == #"Bearer realm="https://auth.test/token",service="herd","#
                    + #"scope="repository:team-a/web:pull,push""#
            )
            let door = try await gate.ask(.get, "/v2/")
            #expect(door.challenge == #"Bearer realm="https://auth.test/token",service="herd""#)
            func header(_ access: String) throws -> String {
                "Bearer " + (try forge.token(Self.claims(#","access":[\#(access)]"#)))
            }
            let pull = try header(
                #"{"type":"repository","name":"team-a/web","actions":["pull"]}"#
            )
            #expect(try await gate.status(.get, "/v2/", pull) == 200)
            #expect(try await gate.status(.get, Self.tags, pull) == 200)
            let push = try await gate.ask(.post, Self.start, pull)
            #expect(push.status == 401)
            #expect(push.challenge?.hasSuffix(#",error="insufficient_scope""#) == true)
            #expect(try await gate.status(.get, "/v2/team-b/tags/list", pull) == 401)
            #expect(try await gate.status(.get, "/v2/_catalog", pull) == 401)
            let nothing = try header("")
            let list = try header(#"{"type":"registry","name":"catalog","actions":["*"]}"#)
            #expect(try await gate.status(.get, "/v2/_catalog", list) == 200)
            #expect(try await gate.status(.get, Self.tags, list) == 401)
            #expect(try await gate.status(.get, Self.tags, nothing) == 401)
        }
    }

    @Test("keys are fetched, and fetched again when a token of a new one comes")
    func keySets() async throws {
        let (first, second) = (P256.Signing.PrivateKey(), P256.Signing.PrivateKey())
        func set(_ keys: [String]) -> String { #"{"keys":[\#(keys.joined(separator: ","))]}"# }
        let secret = #"{"kty":"oct","k":"c2VjcmV0","kid":"shared"}"#
        let server = DocumentServer(set([secret, first.publicKey.jwk("one")]))
        try await server.run { url in
            try await GateHarness.run { access, _ in
                access.tokens = TokenConfiguration()
                access.tokens?.keySetURL = url
            } body: { gate async throws in
                var forge = TokenForge.p256(first)
                forge.keyID = "one"
                let token = try forge.token(Self.claims())
                // Ten at once fetch the set once.
                await withTaskGroup(of: Int?.self) { group in
                    for _ in 0..<10 {
                        group.addTask { try? await gate.status(.get, Self.tags, "Bearer \(token)") }
                    }
                    for await status in group { #expect(status == 200) }
                }
                #expect(server.count == 1)
                // Within half a minute it is not fetched again, whatever comes.
                server.replace(set([second.publicKey.jwk("two")]))
                let other = try TokenForge.p256(second).token(Self.claims())
                for _ in 0..<3 {
                    #expect(try await gate.status(.get, Self.tags, "Bearer \(other)") == 401)
                }
                #expect(server.count == 1)
            }
            // A key that was added to a file counts a second later.
            let files = ["key.json": first.publicKey.jwk("one")]
            try await GateHarness.run(files: files) {
                $0.tokens = TokenConfiguration()
                $0.tokens?.keyFiles = ["\($1)/key.json"]
            } body: { gate async throws in
                let other = try TokenForge.p256(second).token(Self.claims())
                #expect(try await gate.status(.get, Self.tags, "Bearer \(other)") == 401)
                let both = set([first.publicKey.jwk("one"), second.publicKey.jwk("two")])
                try AtomicFile.write(
                    Array(both.utf8),
                    to: "\(gate.folder)/key.json",
                    durable: false
                )
                let deadline = ContinuousClock.now.advanced(by: .seconds(30))
                var status = 401
                while status == 401, ContinuousClock.now < deadline {
                    status = try await gate.status(.get, Self.tags, "Bearer \(other)")
                }
                #expect(status == 200)
            }
        }
    }

    @Test(
        "files that hold no public key are refused",
        arguments: [
            "", "nonsense", "{}", #"{"keys":[]}"#, #"{"kty":"oct","k":"c2VjcmV0","kid":"a"}"#,
            P256.Signing.PrivateKey().pemRepresentation,
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        ]
    )
    func badKeys(_ text: String) {
        #expect(throws: TokenKey.Defect.self) { try TokenKey.keys(in: Array(text.utf8)) }
    }
}
