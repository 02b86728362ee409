// SPDX-License-Identifier: Apache-2.0

package import Content

/// The screens, in the order of their keys.
package enum Screen: String, CaseIterable, Codable, Sendable {
    case overview, swarm, pieces, queues, components, events, explain
}

/// A step of a selection or a view.
package enum Movement: String, Codable, Hashable, CaseIterable, Sendable {
    case up, down, left, right, pageUp, pageDown, halfUp, halfDown, first, last
}

/// Something on a screen that can be selected; by name, never by row.
package enum Selection: Hashable, Codable, Sendable {
    case blob(Digest)
    /// By short name.
    case peer(String)
    /// By identifier.
    case component(String)
    /// By ``QueueRow/id``.
    case queue(String)
    /// A task of the selected queue, by name.
    case task(String)
    case event(EventKey)
}

/// Names an event: its component and its number there.
package struct EventKey: Hashable, Codable, Sendable {
    /// Whose event it is.
    package var component: String
    /// Its number in that component's log.
    package var sequence: UInt64
    /// The event number `sequence` of `component`.
    package init(component: String, sequence: UInt64) {
        (self.component, self.sequence) = (component, sequence)
    }
}

/// What somebody wants done: keys, clicks, commands and scripts all come down to this.
package enum Intent: Hashable, Sendable {
    // Going about.
    case show(Screen)
    case nextPane, previousPane
    case move(Movement)
    case select(Selection)
    /// Opens what is selected.
    case open
    case back
    /// The next or previous blob.
    case changeBlob(by: Int)

    // Looking.
    case editFilter
    case filter(String)
    case nextMatch, previousMatch
    case sort, reverseSort
    case followItem, followTail
    case changeView, changeEdges, toggleIdle, zoom(Int)
    case repack, changeOrder, nextRarest
    case changeDepth, changeLogLevel, toggleWhatIf, toggleWrap
    /// Shows the whole configuration of the selected component.
    case showConfiguration
    case theme(String?)
    case redraw
    case help
    case concepts(String?)

    // Time.
    case pause
    case live
    case slower, faster
    case speed(Double)
    case step(Int)
    /// Moves the view's time by so many seconds.
    case seek(Double)
    case mark(String?)
    case listMarks
    case goTo(unixNanoseconds: Int64)

    // Keeping.
    case saveScreen
    case record
    case copy

    // Doing.
    case editCommand
    /// Runs a command line.
    case run(String)
    case pullMenu
    case faultMenu
    /// Asks before it is done.
    case fault(FaultRequest)
    case command(ClusterCommand)
    case retrySelected, retryAll, dropSelected
    case quit

    // Dialogs.
    /// The choice at this position.
    case choose(Int)
    case confirm, cancel
}

/// A fault to be switched on.
package struct FaultRequest: Hashable, Codable, Sendable {
    /// What happens to the targets.
    package enum Kind: String, Codable, CaseIterable, Hashable, Sendable {
        /// Sockets are cut, without goodbye; the supervisor does not restart it until the fault ends.
        case kill
        /// Stopped and started again.
        case restart
        /// Its bandwidth is limited, and what it sends goes out late.
        case throttle
        /// It can't reach the components of the other set, and they can't reach it.
        case partition
        /// The next piece it sends is wrong.
        case corrupt
        /// Its disk is emptied; it starts anew.
        case wipe
        /// It answers everything with 503.
        case outage
    }

    package var kind: Kind
    /// Identifiers of components.
    package var targets: [String]
    /// The other side of a partition.
    package var others: [String]
    /// The limit of a throttle in bytes per second, each way.
    package var bytesPerSecond: Int?
    /// The limit of what goes out, where it differs.
    package var upBytesPerSecond: Int?
    /// The limit of what comes in, where it differs.
    package var downBytesPerSecond: Int?
    /// How much later all that a throttled component sends goes out.
    package var latencySeconds: Double?
    /// How long it lasts; 0 until it is undone.
    package var durationSeconds: Double

    /// The limits of a throttle in words; nil for other faults.
    package var limits: String? {
        guard kind == .throttle else { return nil }
        func rate(_ bytes: Int) -> String { Units.plainBytes(bytes) + "/s" }
        var parts: [String] = []
        if let bytesPerSecond { parts.append(rate(bytesPerSecond) + " each way") }
        if let upBytesPerSecond { parts.append("up " + rate(upBytesPerSecond)) }
        if let downBytesPerSecond { parts.append("down " + rate(downBytesPerSecond)) }
        if let latencySeconds {
            parts.append("\(Units.duration(latencySeconds)) late in all it sends")
        }
        return parts.joined(separator: ", ")
    }

    /// How long faults last unless told otherwise.
    package static let defaultSeconds: Double = 30

    /// `kind` on `targets`, by default for ``defaultSeconds``.
    package init(
        _ kind: Kind,
        targets: [String],
        others: [String] = [],
        bytesPerSecond: Int? = nil,
        durationSeconds: Double = FaultRequest.defaultSeconds
    ) {
        (self.kind, self.targets, self.others) = (kind, targets, others)
        (self.bytesPerSecond, self.durationSeconds) = (bytesPerSecond, durationSeconds)
    }
}

/// What the interface asks of whoever runs the cluster.
package enum ClusterCommand: Hashable, Sendable {
    /// Makes an image of so many random bytes and pushes it through the proxy.
    case push(bytes: Int)
    /// Pulls an image (nil: the latest) by the agents (empty: all), each so much later than the one before.
    case pull(reference: String?, agents: [String], staggerMilliseconds: Int)
    case fault(FaultRequest)
    /// Ends one fault by its number, or all of them.
    case undo(Int?)
    /// Limits every agent's links (bytes per second), or lifts the limit.
    case slowLinks(Int?)
    case retryTask(queue: String, task: String?)
    case dropTask(queue: String, task: String)
    case scenario(String)
    /// Ends the process with a signal, to try the crash guard.
    case crash
}

/// How the interface ends.
package enum QuitKind: String, Hashable, Codable, Sendable {
    /// The interface and, if this process runs it, the cluster.
    case stop
    /// The interface alone; the cluster runs on.
    case headless
    /// At once, without draining.
    case force
}

/// What the interface wants from its surroundings.
package enum Effect: Hashable, Sendable {
    case command(ClusterCommand)
    case quit(QuitKind)
    /// Write the screen as it is to a file.
    case saveScreen
    /// Begin or end a recording.
    case record(Bool)
    /// Put text on the terminal's clipboard.
    case copy(String)
    /// What is looked at has changed.
    case interest(Interest)
    /// Paint everything anew.
    case redraw
}

/// What is on the screen, so that nothing else need be gathered in detail.
package struct Interest: Hashable, Sendable {
    /// The blob whose swarm is shown.
    package var blob: Digest?
    /// Somebody looks at `blob`.
    package init(blob: Digest? = nil) { self.blob = blob }
}
