// SPDX-License-Identifier: Apache-2.0

import Primitives
import TUI
import Telemetry

/// A lesson: what is done to a herd, what is waited for, what is said meanwhile, and what must be true in the end.
struct Scenario: Sendable {
    /// One step of a lesson.
    enum Step: Sendable {
        /// Tells the audience something.
        case say(String)
        /// Tells the audience something that is to be seen now: views stop at this moment for a while, the cluster does not.
        case look(String)
        /// Does something and waits until it is done. The latest image pushed is the one that conditions are about.
        case act(ClusterCommand)
        /// Does something beside the following steps; with `mayFail`, whatever becomes of it is fine.
        case begin(ClusterCommand, mayFail: Bool = false)
        /// Waits until everything begun is done.
        case finish(seconds: Int)
        /// Waits until something is true; the lesson has failed when it is not in time.
        case wait(ScenarioCondition, seconds: Int)
        /// Checks something; the lesson goes on, and has failed when it is not true.
        case expect(ScenarioCondition)
    }

    /// What it is called on the command line.
    let name: String
    /// What it shows, in one line.
    let title: String
    /// How many agents it takes.
    let agentsMin: Int
    /// How many origins it takes.
    let originsMin: Int
    /// What happens.
    let steps: [Step]

    /// The scenario `name`.
    init(
        _ name: String,
        _ title: String,
        agents: Int = 2,
        origins: Int = 1,
        _ steps: [Step]
    ) {
        (self.name, self.title, self.steps) = (name, title, steps)
        (agentsMin, originsMin) = (agents, origins)
    }
}

/// What a scenario waits for or expects. Components are named as in commands; counts begin with the scenario.
indirect enum ScenarioCondition: Sendable {
    /// Each of these agents has the whole of the latest image.
    case complete(String)
    /// Each of these has so many hundredths of the largest blob of the latest image, at least.
    case holding(String, percent: Int)
    /// Each of these is as healthy as that.
    case health(String, Health)
    /// So many faults of the scenario are on.
    case faults(Int)
    /// The events of a kind, and with this beginning of their reason, in these components together.
    case events(EventKind, of: String, reason: String? = nil, Bound)
    /// The growth of a counter in these components together, as a share of the latest image's bytes in hundredths.
    case bytes(String, of: String, Bound)
    /// What these store.
    case blobs(String, Bound)

    /// How many there must be.
    enum Bound: Sendable {
        case atLeast(Int)
        case atMost(Int)

        /// Whether `count` is within it.
        func admits(_ count: Int) -> Bool {
            switch self {
            case .atLeast(let least): count >= least
            case .atMost(let most): count <= most
            }
        }

        /// The bound for people.
        var words: String {
            switch self {
            case .atLeast(let least): "at least \(least)"
            case .atMost(let most): "at most \(most)"
            }
        }
    }
}

/// The scenarios that there are.
enum Scenarios {
    /// The scenario called `name`.
    /// - Throws: ``Failure`` naming those that there are.
    static func named(_ name: String) throws(Failure) -> Scenario {
        if let scenario = all.first(where: { $0.name == name }) { return scenario }
        throw Failure(
            "there is no scenario \(name)",
            why: "these are known: \(all.map(\.name).joined(separator: ", "))",
            remedy: "herd scenarios says what each shows"
        )
    }
}
