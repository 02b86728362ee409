// SPDX-License-Identifier: Apache-2.0

import Content
import Files
import Logging
import Primitives
import Telemetry

/// What a herd without a picture tells its user: one line per thing worth knowing, on standard error.
struct ClusterReport: Sendable {
    private let lines: LineSink
    private let plan: ClusterPlan
    private let dataDirectory: String

    /// A report on the cluster planned in `plan`, on `lines`.
    init(plan: ClusterPlan, dataDirectory: String, lines: LineSink) {
        (self.plan, self.dataDirectory, self.lines) = (plan, dataDirectory, lines)
    }

    /// Files and sockets that one component has open at most in ordinary use.
    private static let filesPerComponent = 64

    /// Says what is about to start.
    func starting() {
        let kinds = ComponentKind.startOrder.compactMap { kind -> String? in
            let count = plan.components(kind).count
            return count == 0 ? nil : "\(count) \(count == 1 ? kind.rawValue : kind.plural)"
        }
        lines.tell("herd \(HerdVersion.number) starts \(kinds.joined(separator: ", "))")
        lines.tell("data in \(dataDirectory)")
        let needed = plan.components.count * Self.filesPerComponent
        if OpenFiles.limit < needed {
            lines.tell(
                "warning: only \(OpenFiles.limit) files may be open at a time, and so many components may "
                    + "need \(needed); raise the limit of open files (ulimit -n)",
                level: .warning
            )
        }
    }

    /// Says that `component` is ready or has failed.
    func changed(_ component: PlannedComponent, _ change: SupervisedComponent.Change) {
        switch change {
        case .ready(let elapsed):
            let addresses = component.kind.socketNames.map { "\($0) \(component.address($0))" }
            let took = "\(Int(elapsed.seconds * 1000)) ms"
            say(component.id, "ready in \(took)  \(addresses.joined(separator: "  "))")
        case .held: say(component.id, "down, until it is released")
        case .failed(let why, let pause):
            let seconds = (pause.seconds * 10).rounded() / 10
            say(component.id, "FAILED: \(why); starts again in \(seconds) s", level: .error)
        }
    }

    /// Says that all are ready, and what to do next.
    func ready(after elapsed: Duration) {
        let seconds = (elapsed.seconds * 100).rounded() / 100
        lines.tell("all \(plan.components.count) components are ready after \(seconds) s")
        // How to go on is for people.
        if LogFormat.current == .text { for hint in hints { lines.append("  " + hint) } }
    }

    /// The commands to try next, each complete.
    var hints: [String] {
        var hints: [String] = []
        let isSecured = plan.options.isSecured
        let directory = "\(dataDirectory)/tls"
        let herdOption = isSecured ? " --cacert \(directory)/ca.pem" : ""
        if let proxy = plan.addresses(.proxy, "registry").first {
            let option =
                isSecured ? "--dest-cert-dir \(directory)/trust" : "--dest-tls-verify=false"
            hints.append("push:  skopeo copy \(option) oci:IMAGE:TAG docker://\(proxy)/demo/app:v1")
            hints.append("       herd push\(herdOption) IMAGE \(proxy)/demo/app:v1")
        }
        if let agent = plan.addresses(.agent, "registry").first {
            let option = isSecured ? "--src-cert-dir \(directory)/trust" : "--src-tls-verify=false"
            hints.append("pull:  skopeo copy \(option) docker://\(agent)/demo/app:v1 oci:COPY:v1")
            hints.append("       herd pull\(herdOption) \(agent)/demo/app:v1 COPY")
        }
        hints.append("look:  herd status --data-dir \(dataDirectory)")
        hints.append("stop:  ctrl-C, or kill -TERM the process")
        return hints
    }

    /// Says that the herd is about to stop.
    func stopping(_ signal: String) {
        lines.tell("\(signal): stopping; a second signal ends at once")
    }

    /// Says that everything has stopped.
    func stopped() { lines.tell("stopped") }

    /// Tells the events of one component as they come, until the task is cancelled.
    func follow(_ events: EventLog) async {
        guard let subscription = events.subscribe(lookingFor: EventLine.kinds) else { return }
        for await batch in subscription {
            if batch.droppedCount > 0 {
                say(events.component, "(\(batch.droppedCount) events dropped: too many at once)")
            }
            for event in batch.events {
                if let text = EventLine.text(of: event) { say(event.component, text, event) }
            }
        }
    }

    private func say(
        _ component: String,
        _ text: String,
        _ event: ClusterEvent? = nil,
        level: Logger.Level = .info
    ) {
        lines.tell(
            "\(LineTime.now) \(component.padded(to: 14)) \(text.printable)",
            {
                var record = LogRecord(text)
                (record.level, record.component, record.event) = (level, component, event)
                if let event { record.at = event.timestamp }
                return record
            }()
        )
    }
}

/// Words for the events that people want to see go by.
enum EventLine {
    /// What a line begins with; events that are not here happen too often or concern nobody.
    private static let words: [EventKind: String] = [
        .push: "pushed", .tagPut: "tag put", .blobCommitted: "blob stored",
        .torrentComplete: "blob complete", .torrentCancelled: "download cancelled",
        .hashFailed: "BAD PIECE", .announceFailed: "announce failed",
        .writeBackFailed: "write-back failed", .replicationFailed: "replication failed",
        .membership: "membership changed", .health: "health changed", .fault: "fault",
    ]

    /// The events that have a line.
    static let kinds = Set(words.keys)

    /// The line for `event`; nil when it has none.
    static func text(of event: ClusterEvent) -> String? {
        words[event.kind].map { join($0, event) }
    }

    private static func join(_ words: String, _ event: ClusterEvent) -> String {
        var parts = [words]
        if let detail = event.detail {
            let shown = ["reference", "tag", "repository", "namespace", "backend", "destination"]
            parts += shown.compactMap { detail[$0] }
        }
        if let blob = event.blob {
            parts.append(String(blob.description.prefix(19)))
        } else if let torrent = event.torrent {
            parts.append("swarm \(torrent.description.prefix(12))")
        }
        if let bytes = event.bytes { parts.append(ByteCount(bytes).description) }
        if let took = event.tookMilliseconds { parts.append("in \(took) ms") }
        if let bytes = event.bytes, bytes > 0, let text = event.detail?["bytes_from_agents"],
            let fromAgents = Int(text)
        {
            parts.append("\(100 * fromAgents / bytes)% from agents")
        }
        if let reason = event.reason { parts.append("(\(reason))") }
        if let error = event.detail?["error"] { parts.append("(\(error))") }
        return parts.joined(separator: "  ")
    }
}
