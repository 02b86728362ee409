// SPDX-License-Identifier: Apache-2.0

import Files
import Glibc
import Telemetry

/// A supervisor's hands: ends, restarts and empties single components of a running herd.
struct ClusterControl: Sendable {
    /// Every component, in the order of the plan.
    let components: [SupervisedComponent]
    /// The resolved directory of everything the herd writes.
    let dataDirectory: String
    /// Where files are removed.
    let pool: BlockingPool

    /// The components of `kind`.
    func components(_ kind: ComponentKind) -> [SupervisedComponent] {
        components.filter { $0.planned.kind == kind }
    }

    /// Cuts `component` off, without a goodbye, until ``revive(_:as:because:)`` of the same number; returns when it is down.
    func kill(_ component: SupervisedComponent, as id: Int, for duration: Duration?) async {
        component.faults.set(.kill, as: id, for: duration)
        await component.hold(id, .abruptly)
    }

    /// Lets `component` start again.
    func revive(_ component: SupervisedComponent, as id: Int, because reason: String? = nil) {
        // First, so that the next life does not end like the last one.
        component.faults.clear(id, because: reason)
        component.release(id)
    }

    /// Stops `component` as a stop of the herd would, and starts it again; returns when it serves.
    /// - Throws: ``Failure`` when it does not start.
    func restart(_ component: SupervisedComponent, as id: Int) async throws {
        component.note("restart", "restarted", id)
        await component.hold(id, .gracefully)
        component.release(id)
        try await component.waitUntilServing()
    }

    /// Cuts `component` off, empties its directory and starts it anew; returns when it serves.
    /// - Throws: ``Failure`` when the directory is not the herd's to empty, or the component does not start.
    func wipe(_ component: SupervisedComponent, as id: Int) async throws {
        let directory = component.planned.directory
        let root = dataDirectory
        _ = try OwnDirectory(directory, below: root)
        component.note("wipe", "its disk is emptied", id)
        await kill(component, as: id, for: nil)
        let outcome: Result<Void, any Error>
        do {
            // Looked at again: it may have been exchanged meanwhile.
            outcome = .success(
                try await pool.run { try OwnDirectory(directory, below: root)?.empty() ?? () }
            )
        } catch {
            outcome = .failure(error)
        }
        revive(component, as: id, because: "its disk is empty")
        try outcome.get()
        try await component.waitUntilServing()
    }
}

extension SupervisedComponent {
    /// Records what is done to it at once and does not last.
    fileprivate func note(_ kind: String, _ words: String, _ id: Int) {
        var event = ClusterEvent(.fault, reason: words)
        event.detail = ["fault": kind, "id": "\(id)", "state": "once"]
        events.record(event)
    }
}

/// A component's directory, once it is certain that it lies below the herd's own.
struct OwnDirectory: Sendable {
    private let path: String

    /// The directory at `path`, directly below `root`, which is resolved; nil when there is none.
    /// - Throws: ``Failure`` when it leads elsewhere, as a link would.
    init?(_ path: String, below root: String) throws(Failure) {
        let name = path.split(separator: "/").last.map(String.init) ?? ""
        guard let resolved = realpath(path, nil) else {
            if errno == ENOENT { return nil }
            throw Failure("cannot empty \(path)", why: String(cString: strerror(errno)))
        }
        defer { free(resolved) }
        let place = String(cString: resolved)
        guard !name.isEmpty, name != ".", name != "..", place == "\(root)/\(name)" else {
            throw Failure(
                "will not empty \(path)",
                why: "it leads to \(place), which is not directly below \(root)"
            )
        }
        self.path = place
    }

    /// Removes everything in it; blocks.
    /// - Throws: `FileError`.
    func empty() throws {
        for name in try Directory.list(path) ?? [] { try Directory.remove("\(path)/\(name)") }
    }
}
