// SPDX-License-Identifier: Apache-2.0

import Crypto
import Files
import Logging
import Primitives
import RegistryAPI
import Synchronization

/// Tells whether a password is a user's.
///
/// A wrong one always costs one full check, whether there is such a user or not. A right one is remembered for
/// ``rememberedFor``, under a keyed hash of it that means nothing outside of this process, so that the requests of one push
/// don't hash it anew. Checks run on threads of their own, in order, a bounded number at a time.
final class PasswordDesk: Sendable {
    private let file: WatchedFile<PasswordFile>
    private let threads: BlockingPool
    private let checksMax: Int
    private let rememberedMax: Int
    private let secret = SymmetricKey(size: .bits256)
    private let state = Mutex(State())

    private struct State {
        /// Right ones, with when they are forgotten.
        var remembered: [Mark: ContinuousClock.Instant] = [:]
        /// Checks under way or waiting; the same password again waits for the same check.
        var checks: [Mark: Task<Bool, any Error>] = [:]
    }

    /// The bytes of a keyed hash.
    private struct Mark: Hashable {
        let bytes: [UInt8]
    }

    /// How long a right password is remembered.
    static let rememberedFor = Duration.minutes(5)

    /// The passwords of the file at `path`.
    /// - Throws: ``AccessSetupError``.
    init(path: String, pool: BlockingPool, limits: Limits, log: Logger) async throws {
        file = try await WatchedFile.open(
            path,
            bytesMax: PasswordFile.bytesMax,
            pool: pool,
            log: log
        ) {
            try PasswordFile(String(decoding: $0, as: UTF8.self))
        }
        threads = BlockingPool(threadCount: limits.passwordThreads)
        (checksMax, rememberedMax) = (limits.passwordChecksMax, limits.passwordsRememberedMax)
    }

    /// Ends the threads.
    func close() async { await threads.shutdown() }

    /// Whether `password` is that of `user`.
    /// - Throws: ``RegistryError`` 429 when too many passwords wait to be checked.
    func isRight(_ user: String, _ password: [UInt8]) async throws -> Bool {
        let passwords = await file.current().value
        let mark = mark(user, password, passwords.hashes[user]?.text ?? "")
        switch state.withLock({ step(&$0, mark, user, password, passwords) }) {
        case .known: return true
        case .full: throw RegistryError.tooManyRequests("too many passwords wait to be checked")
        case .wait(let check): return try await check.value
        }
    }

    private enum Step {
        case known
        case wait(Task<Bool, any Error>)
        case full
    }

    private func step(
        _ state: inout State,
        _ mark: Mark,
        _ user: String,
        _ password: [UInt8],
        _ passwords: PasswordFile
    ) -> Step {
        if let until = state.remembered[mark] {
            if until > .now { return .known }
            state.remembered[mark] = nil
        }
        if let check = state.checks[mark] { return .wait(check) }
        guard state.checks.count < checksMax else { return .full }
        // A task of its own: others may wait for it when the first who asked has gone.
        let check = Task {
            defer { self.state.withLock { $0.checks[mark] = nil } }
            let isRight = try await threads.run { passwords.matches(user: user, password) }
            if isRight { remember(mark) }
            return isRight
        }
        state.checks[mark] = check
        return .wait(check)
    }

    private func remember(_ mark: Mark) {
        state.withLock { state in
            if state.remembered.count >= rememberedMax {
                let now = ContinuousClock.now
                state.remembered = state.remembered.filter { $0.value > now }
                if state.remembered.count >= rememberedMax { state.remembered.removeAll() }
            }
            state.remembered[mark] = .now.advanced(by: Self.rememberedFor)
        }
    }

    /// A keyed hash of all that decides: the same under another hash of the file is another one.
    private func mark(_ user: String, _ password: [UInt8], _ hash: String) -> Mark {
        var code = HMAC<SHA256>(key: secret)
        for part in [Array(user.utf8), Array(hash.utf8), password] {
            withUnsafeBytes(of: part.count) { code.update(data: $0) }
            code.update(data: part)
        }
        return Mark(bytes: Array(code.finalize()))
    }
}
