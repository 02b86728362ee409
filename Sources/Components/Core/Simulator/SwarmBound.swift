// SPDX-License-Identifier: Apache-2.0

import Primitives

/// How fast a distribution can be at all: nobody's policy beats it.
package struct SwarmBound: Sendable, Hashable {
    /// What nobody can do anything about.
    package enum Term: String, Sendable, CaseIterable {
        /// The origins must send everything once: F / u_S.
        case source = "origins"
        /// A host must receive everything: F / d.
        case download = "downlink"
        /// Everything that is received must be sent: N · F / (u_S + Σu).
        case capacity = "uplinks"
    }

    /// The least possible time from everybody's start to the last completion, in seconds.
    package let tMin: Double
    /// A time that cutting into M pieces allows, (F / u)(1 + ⌊log2 N⌋ / M), in seconds.
    package let tStar: Double
    /// Which term of the bound is the largest.
    package let binding: Term

    /// `agents` hosts receive `bytes` in `pieces`, at `rate` up and down, from origins that send `sourceRate` together.
    package init(agents: Int, bytes: Int, pieces: Int, rate: Double, sourceRate: Double) {
        let (file, count) = (Double(bytes), Double(agents))
        let terms: [(Term, Double)] = [
            (.download, file / rate),
            (.source, file / sourceRate),
            (.capacity, count * file / (sourceRate + count * rate)),
        ]
        var best = terms[0]
        for term in terms where term.1 > best.1 { best = term }
        (binding, tMin) = best
        let doublings = Double(agents < 1 ? 0 : Int.bitWidth - 1 - agents.leadingZeroBitCount)
        tStar = file / rate * (1 + doublings / Double(max(1, pieces)))
    }

    /// The bound of all blobs of `plan` together.
    package init(image plan: SimulationPlan) {
        let replicas = min(plan.replicas, plan.origins)
        self.init(plan, plan.blobBytes, origins: min(plan.origins, replicas * plan.blobBytes.count))
    }

    /// The bound of one blob of `plan`, as if it were alone.
    package init(blob index: Int, of plan: SimulationPlan) {
        let origins = min(plan.replicas, plan.origins)
        self.init(plan, [plan.blobBytes[index]], origins: origins)
    }

    private init(_ plan: SimulationPlan, _ blobs: [Int], origins: Int) {
        let originRate = (plan.originBandwidth ?? plan.bandwidth).bytesPerSecond
        self.init(
            agents: plan.agents,
            bytes: blobs.reduce(0, +),
            pieces: blobs.reduce(0) { $0 + ($1 - 1) / plan.pieceBytes + 1 },
            rate: Double(plan.bandwidth.bytesPerSecond),
            sourceRate: Double(originRate * origins)
        )
    }
}
