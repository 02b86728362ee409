// SPDX-License-Identifier: Apache-2.0

import Files
import HTTPTypes
import Logging
import Primitives
import RegistryAPI
import TestSupport
import Testing

@testable import AccessControl

@Suite("Passwords") struct PasswordTests {
    @Test(
        "hashes that others have made are checked",
        arguments: [
            // What htpasswd -nbB -C 5 alice sesame writes, and the vectors of Solar Designer's crypt_blowfish.
            ("sesame", "$2y$05$Z9Jg.26x8J7RqBRDw5PxCecoKqPWLngZaz4YvJEZiqgAN3afAuzEO", true),
            ("Sesame", "$2y$05$Z9Jg.26x8J7RqBRDw5PxCecoKqPWLngZaz4YvJEZiqgAN3afAuzEO", false),
            ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", true),
            ("U*U*", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK", true),
            ("", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy", true),
        ]
    )
    func vectors(_ password: String, _ text: String, _ isRight: Bool) throws {
        let hash = try #require(PasswordHash(text))
        #expect(hash.matches(Array(password.utf8)) == isRight)
    }

    @Test("only the first 72 bytes count, and a password with a zero is none")
    func lengths() throws {
        // Solar Designer's vector for 72 bytes.
        let letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        let hash = try #require(
            PasswordHash("$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui")
        )
        let long = Array((letters + letters).utf8.prefix(72))
        #expect(hash.matches(long))
        #expect(hash.matches(long + Array("chars after 72 are ignored".utf8)))
        let short = try #require(
            PasswordHash("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW")
        )
        #expect(!short.matches(Array("U*U".utf8) + [0] + Array("rest".utf8)))
        #expect(!short.matches([0] + Array("U*U".utf8)))
    }

    @Test(
        "other hashes are refused with their line",
        arguments: [
            ("alice:$apr1$x$y", 1), ("alice:secret", 1), ("# one\n\nbob:{SHA}abc=", 3),
            ("alice", 1),
            (":$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", 1),
            ("a:$2a$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", 1),
            ("a:$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe\"", 1),
        ]
    )
    func refusals(_ text: String, _ line: Int) {
        let error = #expect(throws: PasswordFile.Defect.self) { try PasswordFile(text) }
        #expect(error?.line == line)
        // What stands in the file is not told.
        #expect(error?.description.contains("secret") == false)
    }

    @Test("a wrong password takes as long for a user with a cheap hash as for nobody")
    func constantCost() throws {
        let file = try PasswordFile(
            """
            cheap:$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW
            dear:$2b$10$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\r

            """
        )
        #expect(file.costMax == 10)
        let wrong = Array("wrong".utf8)
        // The least of several: what the machine does besides only adds.
        func cost(_ user: String) -> Duration {
            (0..<5).map { _ in
                ContinuousClock().measure { #expect(!file.matches(user: user, wrong)) }
            }.min() ?? .zero
        }
        let (cheap, dear, nobody) = (cost("cheap"), cost("dear"), cost("nobody"))
        for other in [cheap, nobody] {
            #expect(other > dear / 2, "\(other) is less than \(dear)")
            #expect(other < dear * 5 / 2, "\(other) is more than \(dear)")
        }
        #expect(file.matches(user: "cheap", Array("U*U".utf8)))
    }

    // MARK: - The desk

    private func withDesk(
        _ text: String,
        limits: Limits = Limits(),
        _ body: (PasswordDesk, String) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let path = "\(folder)/htpasswd"
            try AtomicFile.write(Array(text.utf8), to: path, durable: false)
            var log = Logger(label: "test")
            log.logLevel = .critical
            let desk = try await PasswordDesk(
                path: path,
                pool: .singleton,
                limits: limits,
                log: log
            )
            do { try await body(desk, path) } catch { Issue.record(error) }
            await desk.close()
        }
    }

    private static let alice =
        "alice:$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n"

    @Test("a right password is remembered, a wrong one never, and one of a changed file neither")
    func remembering() async throws {
        // Cost 11: some 0.1 s, so that what is remembered stands out.
        let slow = "x:$2a$11$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n"
        try await withDesk(Self.alice + slow) { desk, path in
            let (right, wrong) = (Array("U*U".utf8), Array("U*V".utf8))
            let clock = ContinuousClock()
            func time(_ password: [UInt8], is expected: Bool) async throws -> Duration {
                let start = clock.now
                let isRight = try await desk.isRight("alice", password)
                #expect(isRight == expected)
                return clock.now - start
            }
            let first = try await time(right, is: true)
            let second = try await time(right, is: true)
            #expect(second < first / 4, "\(second) after \(first)")
            for _ in 0..<2 {
                let again = try await time(wrong, is: false)
                #expect(again > first / 3, "\(again) after \(first)")
            }
            // Another password now; the file is looked at once a second.
            let other = "alice:$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK\n"
            try AtomicFile.write(Array((other + "#").utf8), to: path, durable: false)
            let deadline = clock.now.advanced(by: .seconds(30))
            while try await desk.isRight("alice", right), clock.now < deadline {}
            #expect(try await !desk.isRight("alice", right))
            #expect(try await desk.isRight("alice", Array("U*U*".utf8)))
            // A file that can't be read changes nothing.
            try AtomicFile.write(Array("alice:plain".utf8), to: path, durable: false)
            let later = clock.now.advanced(by: .milliseconds(1500))
            while clock.now < later {
                #expect(try await desk.isRight("alice", Array("U*U*".utf8)))
            }
        }
    }

    @Test("checks beyond the limit are told to come again")
    func limit() async throws {
        var limits = Limits()
        (limits.passwordChecksMax, limits.passwordThreads) = (4, 1)
        let slow = "x:$2a$12$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n"
        try await withDesk(slow, limits: limits) { desk, _ in
            let outcomes = await withTaskGroup(of: Int.self) { group in
                for number in 0..<32 {
                    group.addTask {
                        do {
                            return try await desk.isRight("x", Array("\(number)".utf8)) ? 1 : 0
                        } catch let error as RegistryError {
                            return error.status.code
                        } catch { return -1 }
                    }
                }
                return await group.reduce(into: [Int: Int]()) { $0[$1, default: 0] += 1 }
            }
            #expect(outcomes[0, default: 0] >= 4)
            #expect(outcomes[429, default: 0] >= 16)
            #expect(outcomes[0, default: 0] + outcomes[429, default: 0] == 32)
        }
    }
}
