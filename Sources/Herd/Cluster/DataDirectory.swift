// SPDX-License-Identifier: Apache-2.0

import Files
import Glibc
import Telemetry

/// The directory a herd writes to, locked so that no second herd writes there too.
final class DataDirectory: Sendable {
    /// Its absolute path.
    let path: String
    private let descriptor: CInt

    /// Where a running herd leaves its addresses.
    var stateFile: String { path + "/herd.json" }
    /// Where blobs and tags end up unless another backend is chosen.
    var backend: String { path + "/backend" }

    /// Makes the directory where it is missing and locks it until the value goes.
    /// - Throws: ``Failure`` when it cannot be made or another herd has it.
    init(_ path: String) throws {
        do {
            try Directory.create(path)
        } catch {
            throw Failure("cannot use the data directory \(path)", why: "\(error)")
        }
        guard let resolved = realpath(path, nil) else {
            throw Failure(
                "cannot use the data directory \(path)",
                why: String(cString: strerror(errno))
            )
        }
        defer { free(resolved) }
        self.path = String(cString: resolved)
        // The lock is on the directory itself, so no lock file can stay behind.
        descriptor = open(self.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw Failure(
                "cannot use the data directory \(path)",
                why: String(cString: strerror(errno))
            )
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            let owner =
                ReadyFile.read(self.path + "/herd.json").map { " (process \($0.pid))" } ?? ""
            throw Failure(
                "cannot use the data directory \(path)",
                why: "another herd\(owner) uses it",
                remedy: "stop that one, or choose another --data-dir"
            )
        }
    }

    deinit { close(descriptor) }

    /// Removes what earlier herds wrote here, and nothing else.
    func empty() throws {
        for name in try Directory.list(path) ?? [] where Self.isOurs(name) {
            try Directory.remove(path + "/" + name)
        }
    }

    /// Removes what a killed herd was about to write to its own backend. Only the owner of the lock knows that nobody else
    /// is writing there; the backend itself, which several origins share, does not.
    func removeUnfinishedUploads() throws { try Directory.remove(backend + "/.uploads") }

    /// Whether a herd gives that name to something in its data directory.
    private static func isOurs(_ name: String) -> Bool {
        if name == "backend" || name == "herd.json" { return true }
        guard let dash = name.lastIndex(of: "-") else { return false }
        return ComponentKind(rawValue: String(name[..<dash])) != nil
            && Int(name[name.index(after: dash)...]) != nil
    }
}
