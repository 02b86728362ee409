// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Primitives
import SwarmCore
import Telemetry

/// What the cluster of `herd up` is to be.
struct ClusterOptions: Sendable {
    /// How many components of each kind; testfs runs only where the backend asks for one.
    var counts: [ComponentKind: Int] = [
        .agent: 3, .origin: 3, .tracker: 1, .buildIndex: 1, .proxy: 1,
    ]
    /// The directory for everything it writes.
    var dataDirectory = ".herd"
    /// The address every component listens on.
    var host = "127.0.0.1"
    /// The first of the fixed ports.
    var basePort = 15000
    /// Whether any free ports are taken instead of the fixed ones.
    var usesEphemeralPorts = false
    /// `file:<directory>`, `testfs://host:port/root`, or `testfs` for one of its own; nil: a directory in the data directory.
    var backend: String?
    /// The registries that it mirrors.
    var mirrors: [MirrorOption] = []
    /// The most each agent sends and receives; nil: no limit.
    var bandwidth: ByteRate?
    /// The rules of the agents' and origins' swarms.
    var policy = SwarmPolicy.Preset.herd
    /// Whether components speak TLS with each other, each showing a certificate.
    var isSecured = false
    /// Over how many zones the agents are spread, as a label; 0: none.
    var zones = 0

    /// The most components of one kind.
    static let countMax = 1000

    /// How many components of `kind` there are.
    func count(_ kind: ComponentKind) -> Int {
        kind == .testfs ? (runsTestfs ? 1 : 0) : counts[kind, default: 0]
    }

    /// Whether the herd brings a testfs server of its own.
    var runsTestfs: Bool { backend == "testfs" || backend == "testfs:" }
}

extension ComponentKind {
    /// Whether its servers speak TLS in a cluster that does; the test backend speaks plain HTTP, as Kraken's.
    var speaksTLS: Bool { self != .testfs }

    /// The names of the sockets a component of this kind listens on.
    var socketNames: [String] {
        switch self {
        case .agent: ["registry", "peer", "http"]
        case .origin: ["http", "peer"]
        case .proxy: ["registry", "http"]
        case .tracker, .buildIndex, .testfs: ["http"]
        }
    }

    /// The port of the `index`-th component's socket `name` when the first port is `base`.
    ///
    /// With base 15000 these are the ports of Kraken's devcluster. Kinds are offset within ten, components by tens, so
    /// that a hundred of each central kind and any number of agents stay apart.
    func port(_ name: String, index: Int, base: Int) -> Int {
        let offset =
            switch (self, name) {
            case (.proxy, "registry"): 0
            case (.origin, "peer"): 1
            case (.origin, _): 2
            case (.tracker, _): 3
            case (.buildIndex, _): 4
            case (.proxy, _): 5
            case (.agent, "registry"): 1000
            case (.agent, "peer"): 1001
            case (.agent, _): 1002
            case (.testfs, _): -1000
            }
        return base + offset + 10 * index
    }

    /// The kinds in the order in which they start: each after those it asks.
    static let startOrder: [ComponentKind] = [
        .testfs, .origin, .tracker, .buildIndex, .proxy, .agent,
    ]

    /// The kinds in the order in which they stop, those of one step at once: first whoever serves clients.
    static let stopOrder: [[ComponentKind]] = [
        [.agent, .proxy], [.buildIndex], [.tracker], [.origin], [.testfs],
    ]

    /// How long a component of this kind may finish its requests when the herd stops; over the whole
    /// ``stopOrder`` that stays below ``Supervisor/drainTimeout``.
    var drainTimeout: Duration {
        switch self {
        case .agent, .proxy: .seconds(3)
        case .origin: .seconds(2)
        case .tracker, .buildIndex, .testfs: .seconds(1)
        }
    }
}
