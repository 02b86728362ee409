// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Files
import Foundation
import HTTPKit
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import Primitives
import Testing
import TransportSecurity

/// An authority with one certificate, in a folder of its own.
private struct TestAuthority {
    let folder: TestFolder
    private(set) var settings: TransportSettings

    /// What both sides of a connection use; the certificate is for `host` and the loopback.
    init(_ host: String = "herd", in folder: TestFolder? = nil) throws {
        self.folder = try folder ?? TestFolder()
        let authority = try CertificateAuthority.open(self.folder.path + "/tls")
        let own = try authority.issue(
            "own",
            for: CertificateSubjects(hosts: [host]),
            lifetime: .hours(24 * 365)
        )
        settings = TransportSettings()
        settings.authorities = [authority.certificatePath]
        settings.server = .init(certificate: own.path, key: own.keyPath)
        settings.exemptsLoopback = false
        settings.isClientSecure = true
    }

    /// The settings of a client that shows the certificate, too.
    var known: TransportSettings {
        var known = settings
        known.client = settings.server
        return known
    }

    static func open(_ settings: TransportSettings) async throws -> TransportSecurity {
        var log = Logger(label: "test")
        log.logLevel = .critical
        return try await TransportSecurity.open(settings, pool: .singleton, log: log)
    }
}

@Suite("Servers and clients over TLS", .timeLimit(.minutes(1))) struct SecureServerTests {
    private func routes(_ router: Router<ServerContext>) {
        router.get("/") { _, _ in "here" }
        router.get("/health") { _, _ in "OK" }
        router.post("/") { request, _ in
            let body = try await request.body.collect(upTo: 64 << 20)
            return "\(body.readableBytes) \(body.readableBytesView.reduce(0) { $0 &+ Int($1) })"
        }
    }

    /// Runs `body` with a client that knows `settings`.
    private func withClient(
        _ settings: TransportSettings,
        isForAll: Bool = false,
        _ body: (HTTPClient) async throws -> Void
    ) async throws {
        var own = settings
        own.server = nil
        let security = try await TestAuthority.open(own)
        let client = HTTPClient(
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            pool: .singleton,
            seed: 1
        ).secured(by: security, isForAll: isForAll)
        do {
            try await body(client)
            try await client.shutdown()
        } catch {
            try await client.shutdown()
            throw error
        }
    }

    private func member(
        _ method: HTTPRequest.Method,
        _ server: TestServer,
        _ path: String = "/",
        body: ClientRequest.Body = .none
    ) -> ClientRequest {
        let url = "\(ClientRequest.memberScheme)127.0.0.1:\(server.port)\(path)"
        return ClientRequest(method, url, body: body, retry: .never)
    }

    private func text(_ request: ClientRequest, _ client: HTTPClient) async throws -> String {
        String(buffer: try await client.collect(request, upTo: 1 << 20).body)
    }

    /// The bytes of the answer to `request` by a client that knows `settings`.
    private func length(
        _ request: ClientRequest,
        knowing settings: TransportSettings
    ) async throws -> Int {
        var bytes = 0
        try await withClient(settings) { client in
            bytes = try await client.collect(request, upTo: 4 << 20).body.readableBytes
        }
        return bytes
    }

    @Test(
        "files go down whole, long bodies up, and connections are kept",
        arguments: [0, 5, (9 << 20) + 3]
    )
    func bodies(bytes: Int) async throws {
        let authority = try TestAuthority()
        let security = try await TestAuthority.open(authority.settings)
        let (file, content) = try authority.folder.file("blob", bytes: bytes)
        try await TestServer.with {
            $0.security = security
        } routes: { router in
            routes(router)
            router.get("/blob") { request, _ in
                try Response.file(file, bytes: bytes, for: request)
            }
        } body: { server in
            try await withClient(authority.known) { client in
                for isBulk in [false, true] {
                    var request = member(.get, server, "/blob")
                    request.isBulk = isBulk
                    let (_, body) = try await client.collect(request, upTo: 16 << 20)
                    #expect(Array(body.readableBytesView) == content)
                }
                let sum = content.reduce(0) { $0 &+ Int($1) }
                let body = ClientRequest.Body.bytes(ByteBuffer(bytes: content))
                #expect(
                    try await text(member(.post, server, body: body), client) == "\(bytes) \(sum)"
                )
            }
        }
    }

    @Test("plain HTTP gets an answer that can be read")
    func plain() async throws {
        let authority = try TestAuthority()
        let security = try await TestAuthority.open(authority.settings)
        try await TestServer.with {
            $0.security = security
        } routes: {
            routes($0)
        } body: { server in
            let client = try RawClient(port: server.port)
            client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            let response = try await client.response()
            #expect(response.status == 400)
            #expect(String(decoding: response.body, as: UTF8.self).contains("https://"))
            #expect(try await client.rest().isEmpty)
        }
    }

    @Test("a server is believed for its authority and its name only")
    func names() async throws {
        let (authority, other) = (try TestAuthority("one.example"), try TestAuthority())
        let security = try await TestAuthority.open(authority.settings)
        try await TestServer.with {
            $0.security = security
        } routes: {
            routes($0)
        } body: { server in
            let get = member(.get, server)
            try await withClient(other.settings) { client in
                let error = await #expect(throws: HTTPClientError.self) {
                    try await client.send(get)
                }
                #expect(error?.description.contains("no authority in tls.cas vouches") == true)
            }
            var named = authority.settings
            for name in ["one.example", "ONE.example"] {
                named.name = name
                try await withClient(named) { client in
                    let answer = try await text(get, client)
                    #expect(answer == "here")
                }
            }
            named.name = "two.example"
            try await withClient(named) { client in
                for isBulk in [false, true] {
                    var get = get
                    get.isBulk = isBulk
                    let error = await #expect(throws: HTTPClientError.self) {
                        try await client.send(get)
                    }
                    #expect(error?.description.contains("not for two.example") == true)
                }
            }
            // By another name than the certificate's, without one that all servers share.
            try await withClient(authority.settings, isForAll: true) { client in
                let local = ClientRequest(.get, "https://localhost:\(server.port)/", retry: .never)
                let answer = try await text(local, client)
                #expect(answer == "here")
            }
        }
    }

    @Test("who may write, or read, without a certificate is as configured")
    func admission() async throws {
        let (authority, other) = (try TestAuthority(), try TestAuthority())
        /// The statuses of POST, GET and GET /health.
        func statuses(_ server: TestServer, _ client: HTTPClient) async throws -> [Int] {
            var statuses: [Int] = []
            for (method, path) in [(HTTPRequest.Method.post, "/"), (.get, "/"), (.get, "/health")] {
                var request = member(method, server, path)
                request.acceptedStatuses = [200, 403]
                statuses.append(try await client.collect(request, upTo: 4096).response.status.code)
            }
            return statuses
        }
        let rows: [(TransportSettings.ClientCertificates, Bool, [Int])] = [
            (.writes, false, [403, 200, 200]), (.writes, true, [200, 200, 200]),
            (.always, false, [403, 403, 200]), (.always, true, [200, 200, 200]),
            (.never, false, [200, 200, 200]),
        ]
        for (needed, exemptsLoopback, expected) in rows {
            var settings = authority.settings
            (settings.clientCertificates, settings.exemptsLoopback) = (needed, exemptsLoopback)
            let security = try await TestAuthority.open(settings)
            try await TestServer.with {
                $0.security = security
            } routes: {
                routes($0)
            } body: { server in
                try await withClient(authority.settings) {
                    let found = try await statuses(server, $0)
                    #expect(found == expected, "\(needed)")
                }
                try await withClient(authority.known) {
                    let found = try await statuses(server, $0)
                    #expect(found == [200, 200, 200])
                }
                var stranger = authority.settings
                stranger.client = other.settings.server
                try await withClient(stranger) { client in
                    guard needed != .never else { return }
                    await #expect(throws: HTTPClientError.self) {
                        try await statuses(server, client)
                    }
                }
            }
        }
    }

    @Test("certificates are replaced under a transfer, and broken ones are not taken")
    func reload() async throws {
        let authority = try TestAuthority()
        let server = try await TestAuthority.open(authority.settings)
        let folder = authority.folder
        // What a client believes that has not heard of the replacement.
        try FileManager.default.copyItem(
            atPath: folder.path + "/tls/ca.pem",
            toPath: folder.path + "/old.pem"
        )
        var unaware = authority.settings
        unaware.authorities = [folder.path + "/old.pem"]
        let old = unaware
        let (isBegun, isReplaced) = (Latch<Void>(), Latch<Void>())
        let half = ByteBuffer(bytes: pattern(1 << 20))
        try await TestServer.with {
            $0.security = server
        } routes: { router in
            routes(router)
            router.get("/halves") { _, _ in
                Response(
                    status: .ok,
                    body: ResponseBody { writer in
                        try await writer.write(half)
                        isBegun.open()
                        await isReplaced.value
                        try await writer.write(half)
                        try await writer.finish(nil)
                    }
                )
            }
        } body: { place in
            let halves = member(.get, place, "/halves")
            async let whole = length(halves, knowing: old)
            await isBegun.value
            for name in ["ca", "ca-key", "own", "own-key"] {
                try FileManager.default.removeItem(atPath: "\(folder.path)/tls/\(name).pem")
            }
            let fresh = try TestAuthority(in: folder)
            await server.reload()
            let get = member(.get, place)
            try await withClient(fresh.settings) { client in
                let answer = try await text(get, client)
                #expect(answer == "here")
            }
            try await withClient(old) { client in
                await #expect(throws: HTTPClientError.self) { try await client.send(get) }
            }
            try Data("no key".utf8).write(
                to: URL(fileURLWithPath: folder.path + "/tls/own-key.pem")
            )
            await server.reload()
            try await withClient(fresh.settings) { client in
                let answer = try await text(get, client)
                #expect(answer == "here")
            }
            isReplaced.open()
            #expect(try await whole == 2 << 20)
        }
    }
}

@Suite("Certificates") struct CertificateTests {
    private func error(_ settings: TransportSettings) async -> String {
        do {
            _ = try await TestAuthority.open(settings)
            return ""
        } catch { return "\(error)" }
    }

    @Test("that can't be used are refused with their file and the reason")
    func refused() async throws {
        let (authority, other) = (try TestAuthority(), try TestAuthority())
        let path = authority.folder.path
        var absent = authority.settings
        absent.authorities.append(path + "/absent.pem")
        #expect(await error(absent).contains("/absent.pem: there is no such file"))
        var mixed = authority.settings
        mixed.server?.key = other.settings.server?.key ?? ""
        #expect(await error(mixed).contains("own.pem: it can't be used with the key"))
        let text = path + "/text.pem"
        try Data("hello".utf8).write(to: URL(fileURLWithPath: text))
        var swapped = authority.settings
        swapped.server?.certificate = text
        #expect(await error(swapped).contains("text.pem: it holds no certificate"))
        swapped = authority.settings
        swapped.server?.key = text
        #expect(await error(swapped).contains("text.pem: it is no private key"))
        let ended = try CertificateAuthority.open(path + "/tls").issue(
            "ended",
            for: CertificateSubjects(hosts: []),
            lifetime: .seconds(-60)
        )
        var late = authority.settings
        late.server = .init(certificate: ended.path, key: ended.keyPath)
        #expect(await error(late).contains("ended.pem: it was valid until"))
    }

    @Test("are made once, and again when they end soon, are for others, or it is wanted")
    func kept() throws {
        let folder = try TestFolder()
        func issue(
            _ hosts: [String] = ["a.example", "10.0.0.1", "fd00::1"],
            days: Int64 = 365,
            renews: Bool = false
        ) throws -> CertificateAuthority.Issue {
            try CertificateAuthority.open(folder.path).issue(
                "x",
                for: CertificateSubjects(hosts: hosts),
                lifetime: .hours(days * 24),
                renews: renews
            )
        }
        #expect(try issue().isNew)
        #expect(try !issue().isNew)
        #expect(try issue(renews: true).isNew)
        #expect(try issue(["b.example"]).isNew)
        #expect(try issue(["b.example"], days: 20, renews: true).isNew)
        #expect(try issue(["b.example"]).isNew)
        for name in ["ca-key.pem", "x-key.pem"] {
            let path = folder.path + "/" + name
            let rights = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions]
            #expect(rights as? Int == 0o600)
        }
        try FileManager.default.removeItem(atPath: folder.path + "/ca.pem")
        #expect(try issue(["b.example"]).isNew)
        #expect(throws: TransportSecurityError.self) { try issue(["http://b"]) }
    }

    @Test(
        "a name with an asterisk covers one label, as in browsers",
        arguments: [
            ("*.herd.example", "a.herd.example", true), ("*.herd.example", "herd.example", false),
            ("*.herd.example", "a.b.herd.example", false), ("herd.example", "herd.example", true),
            ("herd.example", "a.herd.example", false),
        ]
    )
    func wildcards(pattern: String, name: String, isFor: Bool) async throws {
        let authority = try TestAuthority(pattern)
        let text = try String(
            contentsOfFile: authority.settings.server?.certificate ?? "",
            encoding: .utf8
        )
        let certificate = try #require(try NIOSSLCertificate.fromPEMBytes(Array(text.utf8)).first)
        let check = { try ServerName(name).check(certificate) }
        if isFor {
            try check()
        } else {
            #expect(throws: ServerNameMismatch.self) { try check() }
        }
    }
}
