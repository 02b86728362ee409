// SPDX-License-Identifier: Apache-2.0

package import Primitives

/// What goes wrong in a simulation, and when. Which hosts it meets, the seed decides.
package struct FaultPlan: Sendable, Hashable {
    /// A span of virtual time; the end may be open.
    package struct Span: Sendable, Hashable {
        /// From when.
        package var start: Duration
        /// Until when; nil means for ever.
        package var end: Duration?

        /// From `start` to `end`.
        package init(_ start: Duration, _ end: Duration? = nil) {
            (self.start, self.end) = (start, end)
        }
    }

    /// Agents that end.
    package struct Crash: Sendable, Hashable {
        /// Which share of the agents.
        package var share: Ratio
        /// At random moments within it; all at its start when it has no end.
        package var span: Span
        /// Whether their connections are seen to close: a process that dies, not a host that loses power.
        package var isSeen: Bool

        /// `share` of the agents end within `span`.
        package init(share: Ratio, span: Span, isSeen: Bool) {
            (self.share, self.span, self.isSeen) = (share, span, isSeen)
        }
    }

    /// Agents that are slower than the rest, both ways.
    package struct Slowness: Sendable, Hashable {
        /// Which share of the agents.
        package var share: Ratio
        /// How many times slower.
        package var factor: Int

        /// `share` of the agents are `factor` times slower.
        package init(share: Ratio, factor: Int) { (self.share, self.factor) = (share, factor) }
    }

    /// Agents that nobody else can reach for a while.
    package struct Partition: Sendable, Hashable {
        /// Which share of the agents.
        package var share: Ratio
        /// When; it must have an end, or nobody there could finish.
        package var span: Span

        /// `share` of the agents are cut off during `span`.
        package init(share: Ratio, span: Span) { (self.share, self.span) = (share, span) }
    }

    /// One server that is down for a while.
    package struct Outage: Sendable, Hashable {
        /// Which tracker or origin, from zero.
        package var index: Int
        /// When.
        package var span: Span

        /// The server `index` is down during `span`.
        package init(index: Int, span: Span) { (self.index, self.span) = (index, span) }
    }

    /// What agents do that follow the protocol and harm the rest. They fetch like everybody.
    package enum Malice: String, Sendable, Hashable, CaseIterable {
        /// They have what they say, and never answer a request.
        case silent
        /// They say that they have all but one piece, and answer every request by an error.
        case liar
        /// They answer, one byte a second.
        case trickle
    }

    /// How crashed agents come back.
    package struct Restart: Sendable, Hashable {
        /// How long after the crash.
        package var delay: Duration
        /// Whether what they had on disk is gone.
        package var isWiped: Bool

        /// After `delay`, with or without the disk.
        package init(delay: Duration, isWiped: Bool) {
            (self.delay, self.isWiped) = (delay, isWiped)
        }
    }

    /// Agents that end.
    package var crashes: [Crash] = []
    /// How they come back; nil means never.
    package var restart: Restart?
    /// Agents that are slow.
    package var slowness: [Slowness] = []
    /// Agents that are cut off.
    package var partitions: [Partition] = []
    /// Agents whose pieces are wrong.
    package var corrupt = Ratio(0, in: 1)
    /// Agents that harm the rest, by how they do.
    package var malice: [Malice: Ratio] = [:]
    /// Messages and pieces that arrive only after they were sent again.
    package var loss = Ratio(0, in: 1)
    /// Received pieces that the disk refuses.
    package var disk = Ratio(0, in: 1)
    /// Trackers that are down.
    package var trackerOutages: [Outage] = []
    /// Origins that are down.
    package var originOutages: [Outage] = []
    /// The time an origin takes to find a blob that is not in its memory.
    package var backendTime = Duration.zero

    /// What is done to certain hosts at certain moments.
    package var steps: [Step] = []
    /// Whether more may be done to the run while it goes on: messages are kept track of as that needs.
    package var isOpen = false

    /// Nothing goes wrong.
    package init() {}

    /// Whether messages may be held up, so that their order has to be kept link by link.
    var isTroubled: Bool {
        isOpen || loss.numerator > 0 || !partitions.isEmpty
            || steps.contains { if case .cut = $0.action { true } else { false } }
    }
    /// Whether a peer may fall silent, so that dials have to be given up after a time.
    var isSilencing: Bool {
        isOpen || !partitions.isEmpty || crashes.contains { !$0.isSeen }
            || steps.contains { if case .cut = $0.action { true } else { false } }
    }

    func validate(for plan: SimulationPlan) throws(PlanError) {
        for step in steps { try step.validate(for: plan) }
        for outage in trackerOutages where !(0..<plan.trackers).contains(outage.index) {
            throw PlanError(what: "tracker-down:\(outage.index)", why: "there are \(plan.trackers)")
        }
        for outage in originOutages where !(0..<plan.origins).contains(outage.index) {
            throw PlanError(what: "origin-down:\(outage.index)", why: "there are \(plan.origins)")
        }
        for partition in partitions where partition.span.end == nil {
            throw PlanError(what: "partition", why: "it needs an end: partition:10%@2s..5s")
        }
        for slow in slowness where !(1...1000).contains(slow.factor) {
            throw PlanError(what: "slow x\(slow.factor)", why: "1 to 1000 times slower is possible")
        }
        let shares =
            crashes.map(\.share) + slowness.map(\.share) + partitions.map(\.share) + [
                corrupt, loss, disk,
            ] + malice.values
        for share in shares where share.numerator < 0 || share.numerator > share.denominator {
            throw PlanError(what: "a share", why: "it is between 0% and 100%")
        }
        for share in [corrupt, loss, disk] + malice.values
        where share.numerator * 2 > share.denominator {
            throw PlanError(
                what: "corrupt, silent, liar, trickle, loss or disk",
                why: "at most 50% can be survived"
            )
        }
        let spans =
            crashes.map(\.span) + partitions.map(\.span) + trackerOutages.map(\.span)
            + originOutages.map(\.span)
        for span in spans where span.start < .zero || (span.end ?? span.start) < span.start {
            throw PlanError(what: "a time", why: "it begins at 0s or later and ends after that")
        }
    }
}

// MARK: - Chance

extension FaultPlan {
    /// A few faults, drawn by `generator`; each is in with a chance of its own, since everything at once hides bugs.
    package static func random(
        using generator: inout Generator,
        for plan: SimulationPlan
    ) -> FaultPlan {
        var faults = FaultPlan()
        let half = Ratio(1, in: 2)
        func percent(_ most: Int, _ generator: inout Generator) -> Ratio {
            Ratio(1 + generator.below(most), in: 100)
        }
        func span(_ generator: inout Generator) -> Span {
            let start = Duration.milliseconds(generator.below(4000))
            return Span(start, start + .milliseconds(100 + generator.below(6000)))
        }
        if generator.chance(half) {
            let isSeen = generator.chance(half)
            let share = percent(30, &generator)
            faults.crashes.append(Crash(share: share, span: span(&generator), isSeen: isSeen))
            if generator.chance(half) {
                let delay = Duration.milliseconds(100 + generator.below(20_000))
                faults.restart = Restart(delay: delay, isWiped: generator.chance(half))
            }
        }
        if generator.chance(half) {
            let factor = 2 + generator.below(19)
            faults.slowness.append(Slowness(share: percent(20, &generator), factor: factor))
        }
        if generator.chance(Ratio(1, in: 3)) {
            faults.partitions.append(
                Partition(share: percent(40, &generator), span: span(&generator))
            )
        }
        if generator.chance(Ratio(1, in: 3)) { faults.corrupt = percent(10, &generator) }
        if generator.chance(Ratio(1, in: 3)) { faults.loss = percent(5, &generator) }
        if generator.chance(Ratio(1, in: 4)) { faults.disk = percent(5, &generator) }
        if generator.chance(Ratio(1, in: 3)) {
            let index = generator.below(plan.trackers)
            faults.trackerOutages.append(Outage(index: index, span: span(&generator)))
        }
        if generator.chance(Ratio(1, in: 3)) {
            let index = generator.below(plan.origins)
            faults.originOutages.append(Outage(index: index, span: span(&generator)))
        }
        if generator.chance(Ratio(1, in: 4)) {
            faults.backendTime = .milliseconds(generator.below(3000))
        }
        for malice in Malice.allCases where generator.chance(Ratio(1, in: 5)) {
            faults.malice[malice] = percent(10, &generator)
        }
        return faults
    }
}
