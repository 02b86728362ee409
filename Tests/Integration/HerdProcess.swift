// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The real executable running a whole cluster on ephemeral ports over loopback.
final class HerdProcess: Sendable {
    /// The process.
    let process: RunningProcess
    /// What it says about itself once ready.
    let ready: ReadyFile
    /// Where it writes.
    let dataDirectory: URL
    /// Its standard error so far, over all starts on the same data directory.
    let log: URL

    /// The ready file of `herd up`.
    struct ReadyFile: Decodable, Sendable {
        struct Component: Decodable, Sendable {
            let kind: String
            let id: String
            let addresses: [String: String]
        }
        let version: Int
        let pid: Int32
        let components: [Component]

        /// The addresses called `name` of every component of `kind`, in order.
        func addresses(_ kind: String, _ name: String) -> [String] {
            components.filter { $0.kind == kind }.compactMap { $0.addresses[name] }
        }
    }

    private init(process: RunningProcess, ready: ReadyFile, dataDirectory: URL, log: URL) {
        (self.process, self.ready, self.dataDirectory, self.log) = (
            process, ready, dataDirectory, log
        )
    }

    deinit {
        // A test that fails half-way leaves nothing running.
        if process.isRunning { process.send(SIGKILL) }
    }

    /// The executable that lies beside the running test bundle, unless `HERD_EXECUTABLE` names another.
    static var executable: String {
        if let path = ProcessInfo.processInfo.environment["HERD_EXECUTABLE"] { return path }
        let bundle = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
        return bundle.deletingLastPathComponent().appending(path: "herd").path
    }

    /// Starts a herd under `folder`, which may have `openFilesMax` files open, and waits until it is ready.
    ///
    /// - Parameter launcher: the words before those of the herd's own, such as `setpriv --reuid 65534`, and the executable;
    ///   nil: ``executable`` alone.
    static func start(
        in folder: URL,
        agents: Int = 3,
        arguments: [String] = [],
        openFilesMax: Int? = nil,
        launcher: [String]? = nil,
        within deadline: Duration = .seconds(60)
    ) async throws -> HerdProcess {
        let readyFile = folder.appending(path: "ready.json")
        // A stale file of an earlier, killed start must not be taken for this one's.
        try? FileManager.default.removeItem(at: readyFile)
        let data = folder.appending(path: "data")
        let log = folder.appending(path: "herd.log")
        // Raised by the herd itself as far as it may, so it is the hard limit that counts.
        let limit = openFilesMax.map { "ulimit -n \($0); " } ?? ""
        let command = Command(
            "bash",
            [
                "-c", "\(limit)exec \"$@\"", "herd",
            ] + (launcher ?? [executable]) + [
                "up", "--agents", "\(agents)", "--headless", "--ephemeral-ports",
                "--data-dir", data.path, "--ready-file", readyFile.path,
            ] + arguments
        )
        let process = try command.start(output: folder.appending(path: "herd.out"), errors: log)
        let content = try await FileWatch.content(of: readyFile, within: deadline) {
            !process.isRunning
        }
        guard let content else {
            process.send(SIGKILL)
            let text = (try? String(contentsOf: log, encoding: .utf8)) ?? ""
            throw CommandFailure(description: "herd was not ready: \(text.suffix(2000))")
        }
        return HerdProcess(
            process: process,
            ready: try JSONDecoder().decode(ReadyFile.self, from: content),
            dataDirectory: data,
            log: log
        )
    }

    /// Asks it to end and answers its exit status; it must take no longer than `deadline`.
    func stop(within deadline: Duration = .seconds(10)) async throws -> Int32 {
        process.send(SIGTERM)
        return try await process.waitForExit(within: deadline)
    }

    /// Ends it at once, as a crash of the machine's owner would.
    func kill() async throws {
        process.send(SIGKILL)
        _ = try await process.waitForExit(within: .seconds(10))
    }

    /// The addresses of the agents' registries.
    var agentRegistries: [String] { ready.addresses("agent", "registry") }
    /// The address to push to.
    var proxyRegistry: String { ready.addresses("proxy", "registry").first ?? "no proxy" }

    /// Resident memory of the process in bytes.
    var residentBytes: Int {
        let status =
            (try? String(contentsOfFile: "/proc/\(process.pid)/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        return (line?.split(separator: " ").compactMap { Int($0) }.first ?? 0) << 10
    }

    /// Open descriptors of the process.
    var descriptorCount: Int {
        ((try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process.pid)/fd")) ?? [])
            .count
    }
}
