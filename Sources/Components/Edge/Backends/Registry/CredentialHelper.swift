// SPDX-License-Identifier: Apache-2.0

import Content
import Files
import Glibc
import NIOCore

/// A program that knows passwords: `docker-credential-<name> get`, with the server on its standard input.
/// - Source: docker/docker-credential-helpers.
struct CredentialHelper: Sendable {
    private let program: String

    /// Bytes that it may answer.
    private static let answerBytesMax = 1 << 20
    /// Milliseconds that it may take.
    private static let patienceMilliseconds: CInt = 30_000

    /// The helper `name`.
    init(_ name: String) { program = "docker-credential-\(name)" }

    /// The password for `server`.
    /// - Throws: ``BackendError`` when the program is missing, fails, or knows none.
    func password(for server: String, _ context: BackendContext) async throws -> RegistryPassword {
        let program = program
        let path = context.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
        let output = try await context.pool.run {
            try Self.run(program, ["get"], input: server + "\n", path: path)
        }
        guard let document = try? JSON(parsing: output.bytes),  // said below
            let username = document["Username"]?.string, let secret = document["Secret"]?.string
        else {
            throw failure(server, "it knows no password: \(output.text)")
        }
        guard username == "<token>" else {
            return RegistryPassword(username: username, password: secret)
        }
        return RegistryPassword(username: "", password: "", identityToken: secret)
    }

    private func failure(_ server: String, _ why: String) -> BackendError {
        BackendError(
            .failed,
            what: "ask \(program) for the password of \(server)",
            why: why,
            remedy: "run it by hand: echo \(server) | \(program) get"
        )
    }

    private struct Output {
        let bytes: [UInt8]
        /// Its first line when it failed; never what it said when it succeeded, which is secret.
        let text: String
    }

    /// Blocks until the program has ended.
    private static func run(
        _ program: String,
        _ arguments: [String],
        input: String,
        path: String
    ) throws -> Output {
        let candidates: [String] = path.split(separator: ":").map { "\($0)/\(program)" }
        guard let file = candidates.first(where: { access($0, X_OK) == 0 })
        else {
            throw BackendError(
                .invalidConfiguration,
                what: "run \(program)",
                why: "there is no such program in the PATH",
                remedy: "install it, or set security.basic"
            )
        }
        var (inward, outward): ([CInt], [CInt]) = ([-1, -1], [-1, -1])
        guard pipe(&inward) == 0 else { throw spawnFailure(program, errno) }
        guard pipe(&outward) == 0 else {
            for end in inward { close(end) }
            throw spawnFailure(program, errno)
        }
        for end in inward + outward { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, inward[0], 0)
        posix_spawn_file_actions_adddup2(&actions, outward[1], 1)
        var words = ([file] + arguments).map { strdup($0) } + [nil]
        var child: pid_t = 0
        let result = posix_spawn(&child, file, &actions, nil, &words, environ)
        posix_spawn_file_actions_destroy(&actions)
        for word in words { free(word) }
        close(inward[0])
        close(outward[1])
        guard result == 0 else {
            close(inward[1])
            close(outward[0])
            throw spawnFailure(program, result)
        }
        return communicate(with: child, input, to: inward[1], from: outward[0])
    }

    private static func communicate(
        with child: pid_t,
        _ input: String,
        to inward: CInt,
        from outward: CInt
    ) -> Output {
        // A name of a server fits into a pipe. One that ends without reading it must not end us.
        signal(SIGPIPE, SIG_IGN)
        _ = input.withCString { write(inward, $0, strlen($0)) }
        close(inward)
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        var isWhole = false
        while bytes.count < answerBytesMax {
            var ready = pollfd(fd: outward, events: Int16(POLLIN), revents: 0)
            guard poll(&ready, 1, patienceMilliseconds) > 0 else { break }
            let count = read(outward, &chunk, chunk.count)
            guard count > 0 else {
                isWhole = count == 0
                break
            }
            bytes += chunk[..<count]
        }
        close(outward)
        if !isWhole { kill(child, SIGKILL) }
        var status: CInt = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        guard status == 0, isWhole else {
            let line = bytes.split(separator: UInt8(ascii: "\n")).first ?? []
            let text = isWhole ? String(decoding: line, as: UTF8.self) : "it did not end"
            return Output(bytes: [], text: text)
        }
        return Output(bytes: bytes, text: "its answer is not understood")
    }

    private static func spawnFailure(_ program: String, _ code: CInt) -> BackendError {
        BackendError(.failed, what: "run \(program)", why: String(cString: strerror(code)))
    }
}
