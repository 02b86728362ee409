// SPDX-License-Identifier: Apache-2.0

package import BlobStorage
import Content
import DequeModule
package import Logging
package import NIOCore
import Primitives
import SwarmCore
package import Telemetry
package import TransportSecurity

/// Drives one host's ``SwarmScheduler``: sockets, files and time on one event loop.
///
/// The actor's executor is that loop, and all of its connections live there, so that a channel handler reaches it without
/// a hop, once per read. It takes no decisions: events go to the scheduler, effects are performed in order, and what they
/// lead to comes back as further events. Idle, it costs one timer at most.
package actor SwarmDriver {
    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        eventLoop.executor.asUnownedSerialExecutor()
    }

    /// How it was set up.
    package nonisolated let configuration: SwarmDriverConfiguration
    /// The limits in force, which may have changed since.
    var bandwidth: (egress: ByteRate?, ingress: ByteRate?)
    nonisolated let eventLoop: any EventLoop
    nonisolated let store: BlobStore
    nonisolated let host: any SwarmHost
    nonisolated let log: Logger
    let meters: SwarmMeters
    nonisolated let faults: FaultSwitch
    /// What closes connections to others; nil, or one without a word on peers: nothing does.
    nonisolated let security: TransportSecurity?
    /// Names our watch of ``faults``.
    var faultWatch: Int?
    /// The rate that the scheduler was last told.
    var pace: ByteRate?
    /// How late all that is sent goes out because of a fault; nil: at once.
    var linkDelay: Duration?

    var scheduler: SwarmScheduler
    private var effects: [SwarmScheduler.Effect] = []
    /// Events that effects led to.
    private var inbox: Deque<SwarmScheduler.Event> = []
    private var isDraining = false
    /// How many turns are nested; the outermost one flushes and sets the timer.
    private var turnDepth = 0
    private var timer: (at: Instant, task: Scheduled<Void>)?

    var listener: (any Channel)?
    var connections: [ConnectionID: PeerConnection] = [:]
    /// Connections with something to flush at the end of the turn.
    var dirty: [ConnectionID] = []
    /// Outgoing connections that are not open yet.
    var dials: [ConnectionID: PeerHandshake] = [:]
    /// Outgoing connections that have to shake hands in time. All have the same time, so the first is the first due.
    var handshakes: Deque<(at: Instant, connection: ConnectionID)> = []
    /// Lets incoming connections in, or not.
    var door: Doorkeeper
    /// When the pace of payloads under way is looked at next; nil while none is.
    var paceCheck: Instant?
    /// Handshakes for blobs that are not here whose host has still to be told.
    var missingBlobCount = 0
    /// The number of the next incoming connection; even.
    var nextIncoming: UInt64 = 2
    var egress: BandwidthGate
    var ingress: BandwidthGate

    var swarms: [InfoHash: HostedSwarm] = [:]
    var infoHashes: [Digest: InfoHash] = [:]
    /// Downloads that gave up in this run; their partial data is on disk.
    var dormant: [Digest: (metaInfo: MetaInfo, namespace: Namespace)] = [:]
    /// Files that are being closed; nobody may open them before that is done.
    var closings: [Digest: Task<Void, Never>] = [:]
    var commits: [Digest: Task<Void, Never>] = [:]
    var tasks: [UInt64: Task<Void, Never>] = [:]
    /// Resumed when ``tasks`` is empty.
    var idleWaiter: CheckedContinuation<Void, Never>?
    private var nextSerial: UInt64 = 1
    var isStopping = false

    /// A driver that is to be started with ``start(makePeerID:)``.
    /// - Parameters:
    ///   - eventLoop: where everything happens; shared with other drivers.
    ///   - store: the host's blobs.
    ///   - counters: what is counted as `bytes_uploaded` and so on.
    ///   - faults: what goes wrong on purpose.
    package init(
        configuration: SwarmDriverConfiguration,
        eventLoop: any EventLoop,
        store: BlobStore,
        host: any SwarmHost,
        events: EventLog,
        counters: Counters,
        log: Logger,
        faults: FaultSwitch = FaultSwitch(),
        security: TransportSecurity? = nil
    ) {
        self.security = security
        (self.configuration, self.eventLoop, self.store) = (configuration, eventLoop, store)
        bandwidth = (configuration.egress, configuration.ingress)
        (self.host, self.log, self.faults) = (host, log, faults)
        meters = SwarmMeters(events: events, counters: counters)
        scheduler = SwarmScheduler(
            localPeer: configuration.peerID,
            role: configuration.role,
            policy: configuration.policy,
            limits: configuration.limits,
            seed: configuration.seed
        )
        door = Doorkeeper(policy: configuration.policy, limits: configuration.limits)
        let now = Self.now
        egress = BandwidthGate(rate: configuration.egress, at: now)
        ingress = BandwidthGate(rate: configuration.ingress, at: now)
    }

    /// The loop's monotonic clock.
    static var now: Instant {
        Instant(nanoseconds: Int64(clamping: NIODeadline.now().uptimeNanoseconds))
    }

    /// A number that nothing else in this driver has.
    func makeSerial() -> UInt64 {
        defer { nextSerial += 1 }
        return nextSerial
    }

    // MARK: - Turns

    /// Tells the scheduler of `event` and performs what follows; within a turn, after what is being performed now.
    func deliver(_ event: SwarmScheduler.Event) {
        inbox.append(event)
        turn {}
    }

    /// Runs `body`; whatever it and its consequences want to send goes out together at the end.
    func turn(_ body: () -> Void) {
        turnDepth += 1
        body()
        drain()
        if turnDepth == 1 { finishTurn() }
        turnDepth -= 1
    }

    private func drain() {
        guard !isDraining else { return }
        isDraining = true
        while let event = inbox.popFirst() {
            effects.removeAll(keepingCapacity: true)
            scheduler.handle(event, at: Self.now, into: &effects)
            // What an effect leads to is queued in the inbox, so the list stays as it is meanwhile.
            for index in effects.indices { perform(effects[index]) }
        }
        isDraining = false
    }

    private func finishTurn() {
        repeat {
            drain()
            while let connection = dirty.popLast() { flush(connection) }
            pumpEgress()
            pumpIngress()
        } while !inbox.isEmpty || !dirty.isEmpty
        setTimer()
    }

    // MARK: - Time

    private func setTimer() {
        let deadlines = [
            scheduler.nextDeadline, handshakes.first?.at, egress.nextDeadline,
            ingress.nextDeadline, door.nextDeadline, paceCheck,
        ]
        guard let next = deadlines.compactMap(\.self).min() else {
            timer?.task.cancel()
            timer = nil
            return
        }
        // A timer that is early looks, finds nothing due and is set anew: cheaper than setting it in each turn.
        if let timer, timer.at <= next { return }
        timer?.task.cancel()
        let deadline = NIODeadline.uptimeNanoseconds(UInt64(max(0, next.nanoseconds)))
        let task = eventLoop.scheduleTask(deadline: deadline) { [self] in
            assumeIsolated { $0.timePassed() }
        }
        timer = (next, task)
    }

    private func timePassed() {
        timer = nil
        let now = Self.now
        turn {
            expireHandshakes(now)
            checkPace(now)
            if let deadline = scheduler.nextDeadline, deadline <= now { deliver(.timePassed) }
        }
    }

    // MARK: - Work off the loop

    /// Runs `body` as a task of its own that ``stop()`` waits for.
    @discardableResult func spawn(
        _ body: @escaping @Sendable (isolated SwarmDriver) async -> Void
    ) -> Task<Void, Never> {
        let serial = makeSerial()
        let task = Task {
            await body(self)
            tasks[serial] = nil
            if tasks.isEmpty { idleWaiter.take()?.resume() }
        }
        tasks[serial] = task
        return task
    }
}
