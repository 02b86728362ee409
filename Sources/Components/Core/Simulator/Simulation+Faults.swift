// SPDX-License-Identifier: Apache-2.0

import Content
package import Primitives
import SwarmCore

/// One fault at one moment.
enum FaultAction: Sendable {
    case crash(host: Int, isSeen: Bool, willReturn: Bool)
    case restart(host: Int, isWiped: Bool)
    case cutOff(hosts: [Int], until: Int64)
    case reconnect(hosts: [Int])
    case tracker(Int, isUp: Bool)
    case pace(host: Int, rate: Int64?)
    case wrong(host: Int)
}

/// What goes wrong.
extension Simulation {
    // MARK: - Planning

    mutating func scheduleFaults(_ generator: inout Generator) {
        let faults = plan.faults
        for crash in faults.crashes {
            for host in draw(crash.share, &generator) {
                let at = moment(in: crash.span, &generator)
                let willReturn = faults.restart != nil
                add(.crash(host: host, isSeen: crash.isSeen, willReturn: willReturn), at: at)
                guard let restart = faults.restart else { continue }
                let back = at + restart.delay.nanoseconds
                add(.restart(host: host, isWiped: restart.isWiped), at: back)
            }
        }
        for slow in faults.slowness {
            for host in draw(slow.share, &generator) {
                hosts[host].rate = max(1, hosts[host].rate / Int64(slow.factor))
            }
        }
        for host in draw(faults.corrupt, &generator) { hosts[host].isCorrupt = true }
        for malice in FaultPlan.Malice.allCases {
            guard let share = faults.malice[malice] else { continue }
            for host in draw(share, &generator) { hosts[host].malice = malice }
        }
        for partition in faults.partitions {
            let members = draw(partition.share, &generator)
            let start = partition.span.start.nanoseconds
            let end = (partition.span.end ?? partition.span.start).nanoseconds
            add(.cutOff(hosts: members, until: end), at: start)
            add(.reconnect(hosts: members), at: end)
        }
        for outage in faults.trackerOutages {
            add(.tracker(outage.index, isUp: false), at: outage.span.start.nanoseconds)
            guard let end = outage.span.end?.nanoseconds else { continue }
            add(.tracker(outage.index, isUp: true), at: end)
        }
        for step in faults.steps {
            add(action(step.action), at: step.at.nanoseconds)
        }
        for outage in faults.originOutages {
            let willReturn = outage.span.end != nil
            let crash = FaultAction.crash(host: outage.index, isSeen: true, willReturn: willReturn)
            add(crash, at: outage.span.start.nanoseconds)
            guard let end = outage.span.end?.nanoseconds else { continue }
            add(.restart(host: outage.index, isWiped: false), at: end)
        }
    }

    /// What `action` does, in positions.
    private func action(_ action: FaultPlan.Step.Action) -> FaultAction {
        switch action {
        case .kill(let host):
            // Who is never started again is not waited for.
            let returns = plan.faults.steps.contains {
                if case .start(host, _) = $0.action { true } else { false }
            }
            let willReturn = returns || plan.faults.isOpen
            return .crash(host: position(host), isSeen: true, willReturn: willReturn)
        case .start(let host, let isWiped): return .restart(host: position(host), isWiped: isWiped)
        case .pace(let host, let rate):
            let bytes = rate.map { Int64($0.bytesPerSecond) }
            return .pace(host: position(host), rate: bytes)
        case .cut(let hosts, let until):
            return .cutOff(hosts: hosts.map(position), until: until.nanoseconds)
        case .heal(let hosts): return .reconnect(hosts: hosts.map(position))
        case .wrong(let host): return .wrong(host: position(host))
        case .tracker(let index, let isUp): return .tracker(index, isUp: isUp)
        }
    }

    private func position(_ host: FaultPlan.Host) -> Int {
        switch host {
        case .agent(let index): plan.origins + index
        case .origin(let index): index
        }
    }

    /// Does `action` now, or at the later moment `time`, when nothing else happens, and writes it down in ``plan``: a run of that
    /// plan goes the same way if its faults are open from the beginning.
    /// - Throws: ``PlanError`` when the action makes no sense here.
    package mutating func inject(
        _ action: FaultPlan.Step.Action,
        at time: Instant = .origin
    ) throws(PlanError) {
        guard stage == .downloading else {
            throw PlanError(what: "no more faults", why: "nobody downloads any more")
        }
        try FaultPlan.Step(at: .nanoseconds(now), action).validate(for: plan)
        // Alone at its moment, it can't change places with another event when it is planned from the beginning.
        var at = max(now + 1, time.nanoseconds)
        while let next = queue.nextAt, next <= at, run(events: 1) { at = max(at, now + 1) }
        let step = FaultPlan.Step(at: .nanoseconds(at), action)
        plan.faults.steps.append(step)
        add(self.action(action), at: at)
    }

    private mutating func add(_ action: FaultAction, at: Int64) {
        faultActions.append(action)
        queue.push(.fault, at: at, host: 0, argument: Int32(faultActions.count - 1))
    }

    /// That share of the agents, at random.
    private func draw(_ share: Ratio, _ generator: inout Generator) -> [Int] {
        var agents = Array(plan.origins..<plan.hostCount)
        generator.shuffle(&agents)
        let count = (agents.count * share.numerator + share.denominator / 2) / share.denominator
        // A fault that somebody asked for meets somebody.
        return Array(agents.prefix(share.numerator > 0 ? max(1, count) : 0))
    }

    private func moment(in span: FaultPlan.Span, _ generator: inout Generator) -> Int64 {
        let start = span.start.nanoseconds
        guard let end = span.end?.nanoseconds, end > start else { return start }
        return start + Int64(generator.below(Int(end - start)))
    }

    // MARK: - Happening

    mutating func happen(_ action: FaultAction) {
        switch action {
        case .crash(let host, let isSeen, let willReturn):
            // Who is done is left alone: the run is about to end.
            if stage == .downloading { crash(host, isSeen: isSeen, willReturn: willReturn) }
        case .restart(let host, let isWiped): restart(host, isWiped: isWiped)
        case .cutOff(let members, let until):
            guard stage == .downloading else { return }
            healsAt = max(healsAt, until)
            for host in members { hosts[host].isCutOff = true }
        case .reconnect(let members): for host in members { hosts[host].isCutOff = false }
        case .tracker(let index, let isUp): trackers[index].isUp = isUp
        case .pace(let host, let rate):
            let usual = hosts[host].usualRate ?? hosts[host].rate
            hosts[host].usualRate = usual
            hosts[host].rate = max(1, rate ?? usual)
        case .wrong(let host): hosts[host].sendsWrongNext = true
        }
    }

    private mutating func crash(_ host: Int, isSeen: Bool, willReturn: Bool) {
        guard hosts[host].isAlive else { return }
        tally.crashes += 1
        hosts[host].isAlive = false
        hosts[host].isSilent = !isSeen
        hosts[host].isReturning = willReturn
        hosts[host].believedUpUntil = now + Self.originMemory
        for end in hosts[host].ends {
            if isSeen { close(end) } else { forget(end) }
        }
        flush(host)
        hosts[host].egress.removeAll()
        if hosts[host].sending != none { transfers[hosts[host].sending].isCut = true }
        (hosts[host].sending, hosts[host].announceCount) = (none, 0)
        hosts[host].timerAt = .max
        hosts[host].incarnation += 1
        refresh(host)
        for blob in blobs.indices where seats[seat(host, blob)].isOpen {
            seats[seat(host, blob)].isOpen = false
            openSwarms -= 1
        }
        if !willReturn { pendingBlobs -= hosts[host].missingBlobs }
    }

    private mutating func restart(_ host: Int, isWiped: Bool) {
        guard !hosts[host].isAlive, hosts[host].isReturning else { return }
        hosts[host].isReturning = false
        hosts[host].isAlive = true
        hosts[host].isSilent = false
        hosts[host].dialled = []
        hosts[host].downlinkFree = now
        hosts[host].scheduler = Self.makeScheduler(hosts[host].info, plan, seed: luck.next())
        if isWiped { wipe(host) }
        refresh(host)
        guard hosts[host].hasJoined else { return }
        for blob in blobs.indices where !seats[seat(host, blob)].isCommitted {
            open(blob, at: host, isLocal: true)
        }
    }

    private mutating func wipe(_ host: Int) {
        for blob in blobs.indices {
            for position in words(host, blob) { bits[position] = 0 }
            let seat = seat(host, blob)
            if seats[seat].isCommitted {
                hosts[host].missingBlobs += 1
                pendingBlobs += 1
            }
            (seats[seat].heldCount, seats[seat].isCommitted) = (0, false)
            seats[seat].committedAt = -1
        }
    }
}
